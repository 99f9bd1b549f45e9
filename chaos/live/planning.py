"""From what was asked for and what the machine can do to what will be done."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from chaos.disks.means import AUTO, EXT4, PLAIN, means_of
from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Group
from chaos.live.plan_file import LeftOut, RunPlan, WorkloadPlan
from chaos.live.request import LiveRequest
from chaos.live.schedule import draw_schedule
from chaos.live.selection import parse_selection
from chaos.machine.capabilities import Ability, Machine
from chaos.nemeses.registry import nemeses_by_fault
from chaos.network.kinds import (
    BRIDGE_FAULTS,
    LOOPBACK_FAULTS,
    SWITCH_FAULTS,
    NetworkKind,
    choose_network,
)
from chaos.network.proxies import NOT_BY_PROXIES, PROXIES_FAULTS
from chaos.workloads.catalog import kinds_of
from raftleader.errors import ConfigError

FAULTS_OF: Mapping[NetworkKind, Mapping[Fault, str]] = {
    NetworkKind.SWITCH: SWITCH_FAULTS,
    NetworkKind.BRIDGE: BRIDGE_FAULTS,
    NetworkKind.PROXIES: PROXIES_FAULTS,
    NetworkKind.LOOPBACK: LOOPBACK_FAULTS,
}
"""The kinds, the one that can do most first."""
NEEDS_OF: Mapping[NetworkKind, Sequence[Ability]] = {
    NetworkKind.SWITCH: (Ability.NAMESPACES, Ability.BRIDGE, Ability.TAP),
    NetworkKind.BRIDGE: (Ability.NAMESPACES, Ability.BRIDGE, Ability.NFT),
    NetworkKind.PROXIES: (Ability.TOXIPROXY_PYTHON,),
    NetworkKind.LOOPBACK: (),
}


def draw_plan(request: LiveRequest, machine: Machine) -> RunPlan:
    """Everything a seed decides; the same for the same request and machine.

    Raises ConfigError for words that mean nothing, and for a network or disks that
    were asked for by name and cannot be had here.
    """
    selection = parse_selection(request.faults)
    workloads = plan_workloads(request)
    shape = Shape(
        leaders=request.leaders,
        agents=request.agents,
        frameworks=len(workloads),
        engine=request.engine,
    )
    kinds = possible_networks(request, machine)
    best = next(kind for kind in FAULTS_OF if kind in kinds)
    disks = choose_disks(request, machine)
    missing = missing_faults(request, machine, best, disks)
    schedule = draw_schedule(
        request.seed, selection, for_s=request.for_s, shape=shape, missing=missing
    )
    network = choose_network(schedule.faults, kinds)
    return RunPlan(
        request=request,
        network=network.value,
        disks=disks,
        drawn=tuple(fault.value for fault in schedule.faults),
        schedule=schedule.injections,
        workloads=workloads,
        left_out=tuple(
            LeftOut(fault=one.fault.value, why=one.why, is_missing=one.is_missing)
            for one in schedule.left_out
        ),
    )


def check_words(request: LiveRequest) -> None:
    """Raises ConfigError for words that mean nothing on any machine."""
    request.check()
    parse_selection(request.faults)
    plan_workloads(request)


def plan_workloads(request: LiveRequest) -> tuple[WorkloadPlan, ...]:
    """A process for each kind; their seeds come from the run's. Raises ConfigError."""
    rng = random.Random(f"workloads {request.seed}")
    return tuple(
        WorkloadPlan(name=f"framework-{number}", kind=kind, seed=rng.getrandbits(32))
        for number, kind in enumerate(
            kinds_of(request.workload, request.frameworks), start=1
        )
    )


def possible_networks(request: LiveRequest, machine: Machine) -> set[NetworkKind]:
    """The kinds to choose from: the one that was named, or all there are.

    Raises ConfigError if the one that was named cannot be had.
    """
    if request.network != AUTO:
        kind = NetworkKind(request.network)
        if (why := why_no_network(kind, request, machine)) is not None:
            raise ConfigError(f"--network {kind.value}: {why}")
        return {kind}
    return {
        kind for kind in FAULTS_OF if why_no_network(kind, request, machine) is None
    }


def why_no_network(
    kind: NetworkKind, request: LiveRequest, machine: Machine
) -> str | None:
    """Why a run cannot have it; None if it can."""
    needs = NEEDS_OF[kind]
    if Ability.NAMESPACES in needs and not request.has_house:
        return "it needs namespaces, and the run was asked to do without (--no-house)"
    if kind is NetworkKind.PROXIES and request.engine != "raft":
        return f"the engine {request.engine} cannot be told to dial a proxy"
    return machine.missing(*needs)


def choose_disks(request: LiveRequest, machine: Machine) -> str:
    """``ext4`` where it is possible. Raises ConfigError if it was named and is not."""
    why = why_no_ext4(request, machine)
    if request.disks == EXT4 and why is not None:
        raise ConfigError(f"--disks ext4: {why}")
    return PLAIN if request.disks == PLAIN or why is not None else EXT4


def why_no_ext4(request: LiveRequest, machine: Machine) -> str | None:
    """Mounts need a house too: without one a killed run would leave them behind."""
    if not request.has_house:
        return "it needs namespaces, and the run was asked to do without (--no-house)"
    return means_of(machine, request.disks).why_no_ext4


def missing_faults(
    request: LiveRequest, machine: Machine, network: NetworkKind, disks: str
) -> dict[Fault, str]:
    """The classes that a run on this machine cannot have, and why."""
    missing: dict[Fault, str] = {}
    for fault, nemesis in nemeses_by_fault(machine, disks=disks).items():
        if fault.group is Group.NETWORK and fault not in FAULTS_OF[network]:
            missing[fault] = _why_not_on(fault, network, machine)
        elif (why := nemesis.missing(fault)) is not None:
            is_for_plain = fault.group is Group.DISK and disks != request.disks
            missing[fault] = (is_for_plain and why_no_ext4(request, machine)) or why
    return missing


def _why_not_on(fault: Fault, network: NetworkKind, machine: Machine) -> str:
    able = [kind for kind in FAULTS_OF if fault in FAULTS_OF[kind]]
    names = " or ".join(kind.value for kind in reversed(able))
    reasons = [machine.missing(*NEEDS_OF[kind]) for kind in able[:1]]
    if network is NetworkKind.PROXIES and fault in NOT_BY_PROXIES:
        reasons.insert(0, NOT_BY_PROXIES[fault])
    because = "; ".join(filter(None, reasons))
    what = f"it takes --network {names}, and this run has {network.value}"
    return f"{what}: {because}" if because else what
