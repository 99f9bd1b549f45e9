"""What a cluster of a run consists of: which processes, with which command lines.

Pure but for free ports, and for what the network and the disks answer.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from pathlib import Path

import attrs

from chaos.disks.preload import merged
from chaos.live.plan_file import WorkloadPlan
from chaos.live.seams import DRIVER, Disks, LiveNode, Network
from chaos.live.variables import (
    CRASH_FILE,
    CRASH_FILE_VARIABLE,
    MUTANT_VARIABLE,
    RECORD_VARIABLE,
)
from chaos.nemeses.clock.environment import clock_environment
from chaos.observation.reading import NAME as APPLIED
from raftleader.cli.local_plan import completed, share_of_machine
from raftleader.cli.local_ports import free_ports
from raftleader.cli.priority import LOCAL_LEADER_NICE, may_be_urgent

LEADER, AGENT, FRAMEWORK = "leader", "agent", "framework"
NODES, WORKLOADS = "nodes", "workloads"
"""Folders in that of the run."""
LOG, WORK, STATE = "log", "work", "state.json"
"""In the folder of a node: its log; of an agent its work; of a framework its memory."""
HTTP_PORT, PEER_PORT, SESSION_PORT, AGENT_HTTP_PORT = 5050, 5060, 5150, 5051
"""Where every host has an address of its own."""
_PORTS_OF_A_LEADER = 3


@attrs.frozen(kw_only=True)
class LiveOptions:
    """The cluster of a run.

    Attributes:
        agent_resources: Of each agent; what it does not name is shared out.
        snapshot_entries, keep_entries: Few, so that there are snapshots in a run.
        agent_timeout_s: A silent agent is unreachable after so long; None as usual.
        workloads: A framework process each.
        guests: Frameworks that somebody else runs: each has a place in the network, but
            no process here. Where there are proxies, leader nodes name to everybody the
            first one's way to them, so that it is followed by redirects too.
        mutant: A bug to plant into leader nodes and agents.
        has_clocks: Their clocks can be changed later.
        port_seed: Of the free ports, where hosts share an address.
    """

    leaders: int = 3
    agents: int = 5
    engine: str = "raft"
    agent_resources: str = "cpus:2;mem:1024"
    snapshot_entries: int = 500
    keep_entries: int = 100
    agent_timeout_s: float | None = None
    workloads: Sequence[WorkloadPlan] = ()
    guests: Sequence[str] = ()
    mutant: str | None = None
    has_clocks: bool = False
    log_level: str = "info"
    port_seed: int | None = None

    @property
    def hosts(self) -> list[str]:
        """All that have a place of their own in the network, without the driver."""
        return [
            *node_names(LEADER, self.leaders),
            *node_names(AGENT, self.agents),
            *(workload.name for workload in self.workloads),
            *self.guests,
        ]


def node_names(kind: str, count: int) -> list[str]:
    """``leader-1`` and so on."""
    return [f"{kind}-{number}" for number in range(1, count + 1)]


@attrs.frozen(kw_only=True)
class _Ports:
    """``HOST:PORT`` of what each node listens at, by its name."""

    http: dict[str, str]
    peers: dict[str, str]
    sessions: dict[str, str]


def plan_live_cluster(
    options: LiveOptions, network: Network, disks: Disks, folder: Path
) -> list[LiveNode]:
    """Leader nodes, then agents, then frameworks. Raises ConfigError for impossible
    options, UnavailableError where there are no free ports."""
    planner = _Planner(
        options=options,
        network=network,
        disks=disks,
        folder=folder,
        leaders=node_names(LEADER, options.leaders),
        agents=node_names(AGENT, options.agents),
        ports=_ports(options, network),
    )
    return [
        *map(planner.leader, planner.leaders),
        *map(planner.agent, planner.agents),
        *map(planner.framework, options.workloads),
    ]


def _ports(options: LiveOptions, network: Network) -> _Ports:
    leaders = node_names(LEADER, options.leaders)
    agents = node_names(AGENT, options.agents)
    addresses = [network.ip(name) for name in (*leaders, *agents)]
    is_own_each = len(set(addresses)) == len(addresses) and not any(
        ipaddress.ip_address(address).is_loopback for address in addresses
    )
    if is_own_each:
        ports = [HTTP_PORT, PEER_PORT, SESSION_PORT] * len(leaders)
        ports += [AGENT_HTTP_PORT] * len(agents)
    else:
        count = _PORTS_OF_A_LEADER * len(leaders) + len(agents)
        ports = free_ports(count, random.Random(options.port_seed))
    numbers = iter(ports)
    made = _Ports(http={}, peers={}, sessions={})
    for name in leaders:
        for table in (made.http, made.peers, made.sessions):
            table[name] = f"{network.ip(name)}:{next(numbers)}"
    for name in agents:
        made.http[name] = f"{network.ip(name)}:{next(numbers)}"
    return made


@attrs.frozen(kw_only=True)
class _Planner:
    options: LiveOptions
    network: Network
    disks: Disks
    folder: Path
    leaders: list[str]
    agents: list[str]
    ports: _Ports

    def leader(self, name: str) -> LiveNode:
        options, ports, via = self.options, self.ports, self.network.via
        folder = self._folder(name)
        data_dir = self.disks.data_dir(name)
        arguments = [LEADER, "--node-id", name, "--data-dir", str(data_dir)]
        arguments += ["--http", ports.http[name]]
        for guest in options.guests[:1]:
            if (other := via(guest, name, ports.http[name])) != ports.http[name]:
                arguments += ["--http-advertise", other]
        arguments += ["--agents", f"tcp://{ports.sessions[name]}"]
        for peer, address in ports.peers.items():
            arguments += ["--peer", f"{peer}=tcp://{address}"]
        for peer, address in ports.peers.items():
            if peer != name and (other := via(name, peer, address)) != address:
                arguments += ["--peer-via", f"{peer}=tcp://{other}"]
        arguments += ["--engine", options.engine]
        arguments += ["--snapshot-entries", str(options.snapshot_entries)]
        arguments += ["--keep-entries", str(options.keep_entries)]
        if options.agent_timeout_s is not None:
            arguments += ["--agent-timeout-s", f"{options.agent_timeout_s:g}"]
        arguments += ["--external-log-file", str(folder / LOG)]
        arguments += ["--log-level", options.log_level]
        if may_be_urgent():
            # It stands for a machine of its own, and shares one with all the rest.
            arguments += ["--nice", str(LOCAL_LEADER_NICE)]
        recorded = {RECORD_VARIABLE: str(folder / APPLIED)}
        environment = merged(recorded, self.disks.environment(name))
        return LiveNode(
            name=name,
            kind=LEADER,
            http=via(DRIVER, name, ports.http[name]),
            folder=folder,
            data_dir=data_dir,
            log_file=folder / LOG,
            arguments=arguments,
            environment=merged(environment, self._chaos_variables(folder)),
        )

    def agent(self, name: str) -> LiveNode:
        options, ports, via = self.options, self.ports, self.network.via
        folder = self._folder(name)
        share = share_of_machine(self.agents.index(name), len(self.agents), folder)
        arguments = [AGENT, "--work-dir", str(folder / WORK)]
        # Their hosts' names need not be known to anybody; they tell agents apart.
        arguments += ["--http", ports.http[name], "--hostname", name]
        for leader, address in ports.sessions.items():
            arguments += ["--leader", f"tcp://{via(name, leader, address)}"]
        arguments += ["--resources", completed(options.agent_resources, share)]
        arguments += ["--log-level", options.log_level]
        return LiveNode(
            name=name,
            kind=AGENT,
            http=via(DRIVER, name, ports.http[name]),
            folder=folder,
            data_dir=folder / WORK,
            log_file=folder / LOG,
            arguments=arguments,
            environment=self._chaos_variables(folder),
        )

    def framework(self, workload: WorkloadPlan) -> LiveNode:
        name, via = workload.name, self.network.via
        folder = self._folder(name)
        history = self.folder / WORKLOADS / f"{name}.jsonl"
        history.parent.mkdir(parents=True, exist_ok=True)
        addresses = [self.ports.http[leader] for leader in self.leaders]
        arguments = [workload.kind, "--name", name]
        arguments += ["--leaders", ",".join(addresses), "--seed", str(workload.seed)]
        arguments += ["--history", str(history), "--state", str(folder / STATE)]
        for leader, address in zip(self.leaders, addresses, strict=True):
            if (other := via(name, leader, address)) != address:
                arguments += ["--via", f"{address}={other}"]
        return LiveNode(
            name=name,
            kind=FRAMEWORK,
            http="",
            folder=folder,
            data_dir=None,
            log_file=folder / LOG,
            arguments=arguments,
        )

    def _folder(self, name: str) -> Path:
        folder = self.folder / NODES / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _chaos_variables(self, folder: Path) -> dict[str, str]:
        variables = {CRASH_FILE_VARIABLE: str(folder / CRASH_FILE)}
        if self.options.mutant:
            variables[MUTANT_VARIABLE] = self.options.mutant
        if self.options.has_clocks:
            variables = merged(variables, clock_environment(folder))
        return variables
