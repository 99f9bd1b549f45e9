"""The machines of the maintenance schedule, and which agents stand on them.

A machine is named by host name or address, or both; what is left empty matches any.
If an agent matches several machines, the one named most closely counts: name and
address before name alone before address alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import attrs
from msgspec.structs import replace

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import Unavailability
from raftleader.protocol.operator_values import MachineId, MachineMode, Window
from raftleader.state.cluster import Agent, ClusterState

Scheduled = Mapping[MachineId, Unavailability]

T = TypeVar("T")
M = TypeVar("M")


@attrs.define
class _Made(Generic[T, M]):
    """What was made of values lately. A schedule of a thousand machines is asked
    once for each agent. Known by identity: comparing costs as much as making."""

    make: Callable[[T], M]
    _kept: list[tuple[T, M]] = attrs.field(factory=list, init=False)

    def of(self, value: T) -> M:
        for known, made in self._kept:
            if known is value:
                return made
        made = self.make(value)
        self._kept = [(value, made), *self._kept[:7]]
        return made


def _by_machine(windows: tuple[Window, ...]) -> Scheduled:
    return {m: window.unavailability for window in windows for m in window.machines}


_scheduled: _Made[tuple[Window, ...], Scheduled] = _Made(_by_machine)
_down: _Made[tuple[MachineId, ...], frozenset[MachineId]] = _Made(frozenset)


def unavailability_of(state: ClusterState, info: AgentInfo) -> Unavailability | None:
    """When the agent's machine will be away, or None if nothing is planned."""
    if not state.windows:
        return None
    table = scheduled_machines(state)
    for machine in _names_of(info):
        found = table.get(machine)
        if found is not None:
            return found
    return None


def is_machine_down(state: ClusterState, info: AgentInfo) -> bool:
    """Whether the agent's machine is down for maintenance."""
    if not state.down_machines:
        return False
    return not _down.of(state.down_machines).isdisjoint(_names_of(info))


def scheduled_machines(state: ClusterState) -> Scheduled:
    """Every machine of the schedule, in its order."""
    return _scheduled.of(state.windows)


def machine_mode(state: ClusterState, machine: MachineId) -> MachineMode | None:
    """The mode of a machine of the schedule; None for one that is up."""
    machine = canonical_machine(machine)
    if machine in _down.of(state.down_machines):
        return MachineMode.DOWN
    return MachineMode.DRAINING if machine in scheduled_machines(state) else None


def agents_on(state: ClusterState, machines: Iterable[MachineId]) -> Iterator[Agent]:
    """The agents that stand on one of the machines, in the table's order."""
    wanted = frozenset(machines)
    for agent in state.agents.values():
        if not wanted.isdisjoint(_names_of(agent.info)):
            yield agent


def canonical_machine(machine: MachineId) -> MachineId:
    """Names are compared without regard to case: stored in lower case."""
    lower = machine.hostname.lower()
    return machine if lower == machine.hostname else replace(machine, hostname=lower)


def machine_problem(machine: MachineId) -> str | None:
    """Why this names no machine. The words are Mesos' own."""
    if not machine.hostname and not machine.ip:
        return "Both 'hostname' and 'ip' for a machine are empty"
    if machine.ip:
        try:
            ipaddress.IPv4Address(machine.ip)
        except ValueError:
            return f"Failed to parse the IP '{machine.ip}'"
    return None


def machine_text(machine: MachineId) -> str:
    """As Mesos names a machine in its answers: compact JSON of what is set."""
    fields = [
        f'"{name}":"{value}"'
        for name, value in (("hostname", machine.hostname), ("ip", machine.ip))
        if value
    ]
    return "{" + ",".join(fields) + "}"


def _names_of(info: AgentInfo) -> tuple[MachineId, MachineId, MachineId]:
    hostname = info.hostname.lower()
    return (
        MachineId(hostname=hostname, ip=info.ip),
        MachineId(hostname=hostname),
        MachineId(ip=info.ip),
    )
