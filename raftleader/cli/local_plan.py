"""What a local cluster consists of: names, ports, folders, command lines. Pure
but for looking at the machine and for free ports."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs
import psutil

from raftleader.cli.local_ports import LOOPBACK, free_ports, ports_from
from raftleader.cli.log_lines import LOG_LEVELS
from raftleader.cli.priority import LOCAL_LEADER_NICE, may_be_urgent
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.protocol.resources import parse_resources, split_key

LEADERS_MAX, AGENTS_MAX = 9, 100
"""More of either on one machine shows nothing that fewer do not."""
PORTS_OF_A_LEADER = 3
ENGINES = ("auto", "raft", "pysyncobj", "single_node")
LOG_NAME = "log"
MEMORY_SHARE = 0.75
"""Of the machine's memory goes to tasks; the rest is for everything else."""
TASK_PORTS = (31_000, 31_999)
"""Shared out among the agents: they stand on one machine."""


@attrs.frozen(kw_only=True)
class LocalClusterOptions:
    """A local cluster as a user asks for it.

    Attributes:
        base_port: The first of consecutive ports, or None for free ones.
        preferred_base_port: Without a ``base_port``: what to use if all of those
            ports are free.
        engine: What replicates the leaders' log.
        agent_resources: Of each agent, or None to share out this machine.
        is_restarted: Whether a node that dies is started again.
        is_urgent: Whether leaders go before tasks where the machine is busy.
    """

    folder: Path
    leaders: int = 3
    agents: int = 3
    base_port: int | None = None
    preferred_base_port: int | None = None
    agent_resources: str | None = None
    engine: str = "auto"
    is_restarted: bool = True
    log_level: str = "info"
    is_urgent: bool = attrs.field(factory=may_be_urgent)


@attrs.frozen(kw_only=True)
class NodePlan:
    """One process: its name, HTTP address, folder and arguments."""

    name: str
    address: str
    folder: Path
    arguments: tuple[str, ...]

    @property
    def log_file(self) -> Path:
        return self.folder / LOG_NAME


@attrs.frozen(kw_only=True)
class LocalPlan:
    """All processes."""

    leaders: tuple[NodePlan, ...]
    agents: tuple[NodePlan, ...]


def plan_local_cluster(options: LocalClusterOptions, rng: random.Random) -> LocalPlan:
    """Names, ports and arguments. Raises ConfigError or UnavailableError."""
    _check(options)
    ports = _ports(options, options.leaders * PORTS_OF_A_LEADER + options.agents, rng)
    http = ports[: options.leaders]
    peer = ports[options.leaders : 2 * options.leaders]
    sessions = ports[2 * options.leaders : 3 * options.leaders]
    names = [f"leader-{number + 1}" for number in range(options.leaders)]
    peers = [
        f"{name}=tcp://{LOOPBACK}:{port}"
        for name, port in zip(names, peer, strict=True)
    ]
    leaders = tuple(
        _plan_leader(options, name, index, peers, http, sessions)
        for index, name in enumerate(names)
    )
    agents = tuple(
        _plan_agent(options, index, port, sessions)
        for index, port in enumerate(ports[3 * options.leaders :])
    )
    return LocalPlan(leaders=leaders, agents=agents)


def _ports(options: LocalClusterOptions, count: int, rng: random.Random) -> list[int]:
    if options.base_port is not None:
        return ports_from(options.base_port, count)
    if options.preferred_base_port is not None:
        try:
            return ports_from(options.preferred_base_port, count)
        except ConfigError:
            pass  # somebody is there already
    return free_ports(count, rng)


def _plan_leader(
    options: LocalClusterOptions,
    name: str,
    index: int,
    peers: Sequence[str],
    http: Sequence[int],
    sessions: Sequence[int],
) -> NodePlan:
    folder = options.folder / name
    address = f"{LOOPBACK}:{http[index]}"
    arguments = ["leader", "--node-id", name, "--data-dir", str(folder / "data")]
    arguments += ["--http", address]
    arguments += ["--agents", f"tcp://{LOOPBACK}:{sessions[index]}"]
    for peer in peers:
        arguments += ["--peer", peer]
    arguments += ["--engine", options.engine, "--log-level", options.log_level]
    arguments += ["--external-log-file", str(folder / LOG_NAME)]
    if options.is_urgent:
        arguments += ["--nice", str(LOCAL_LEADER_NICE)]
    return NodePlan(
        name=name, address=address, folder=folder, arguments=tuple(arguments)
    )


def _plan_agent(
    options: LocalClusterOptions, index: int, port: int, sessions: Sequence[int]
) -> NodePlan:
    name = f"agent-{index + 1}"
    folder = options.folder / name
    address = f"{LOOPBACK}:{port}"
    share = share_of_machine(index, options.agents, options.folder)
    resources = completed(options.agent_resources or "", share)
    arguments = ["agent", "--work-dir", str(folder / "work"), "--http", address]
    for session in sessions:
        arguments += ["--leader", f"tcp://{LOOPBACK}:{session}"]
    arguments += ["--resources", resources, "--log-level", options.log_level]
    return NodePlan(
        name=name, address=address, folder=folder, arguments=tuple(arguments)
    )


def share_of_machine(index: int, agents: int, folder: Path) -> str:
    """What agent number ``index`` of ``agents`` on this machine offers.

    Memory, disk and ports are divided. CPUs too, but never below one: a task of
    one CPU should run anywhere, and CPUs are shares of time, not places.
    """
    cpus = max(1, (os.cpu_count() or 1) // agents)
    mem_mb = int(psutil.virtual_memory().total * MEMORY_SHARE / agents / 2**20)
    disk_mb = int(shutil.disk_usage(folder).free * MEMORY_SHARE / agents / 2**20)
    first, last = TASK_PORTS
    size = (last - first + 1) // agents
    begin = first + index * size
    return f"cpus:{cpus};mem:{mem_mb};disk:{disk_mb};ports:[{begin}-{begin + size - 1}]"


def completed(named: str, share: str) -> str:
    """The resources ``named``, and from ``share`` those it does not name."""
    parts = [part.strip() for part in named.split(";") if part.strip()]
    names = {split_key(part.partition(":")[0].strip())[0] for part in parts}
    rest = [part for part in share.split(";") if part.partition(":")[0] not in names]
    return ";".join([*parts, *rest])


def _check(options: LocalClusterOptions) -> None:
    if not 1 <= options.leaders <= LEADERS_MAX:
        raise ConfigError(f"--leaders: expected 1 to {LEADERS_MAX}")
    if not 0 <= options.agents <= AGENTS_MAX:
        raise ConfigError(f"--agents: expected 0 to {AGENTS_MAX}")
    if options.log_level not in LOG_LEVELS:
        raise ConfigError(
            f"--log-level: {options.log_level!r} is none of {', '.join(LOG_LEVELS)}"
        )
    if options.engine not in ENGINES:
        raise ConfigError(
            f"--engine: {options.engine!r} is none of {', '.join(ENGINES)}"
        )
    if options.engine == "single_node" and options.leaders > 1:
        raise ConfigError("--engine: single_node is for one leader")
    if options.agent_resources is not None:
        try:
            parse_resources(options.agent_resources)
        except InvalidInputError as error:
            raise ConfigError(f"--agent-resources: {error}") from error
