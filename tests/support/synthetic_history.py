"""A made-up run on real processes: a folder as such a run leaves it behind.

    folder = make_synthetic_run(tmp_path, seed=7)

The log is a real one (every entry was applied to a real state), and so are the digests;
processes, faults and times are invented. ``violation`` plants one thing that must not
be (``support.planted_violations`` names them).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import msgspec
from support.synthetic_client import Client
from support.synthetic_clients import Clients
from support.synthetic_cluster import MS, SyntheticCluster

from chaos.history.records import (
    FaultPhase,
    FaultRecord,
    NodeSample,
    PhaseRecord,
    ProcessEvent,
    Record,
)
from chaos.live.run_file import FINAL, HISTORY, RUN, VERSION, write_json
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.resources import parse_resources
from raftleader.state import commands as c
from raftleader.state.outcomes import Registration
from raftleader.state.snapshot import digest

SECOND = 1000 * MS
STEP_NS = 25 * MS
ELECTION_NS = 420 * MS
LEADERS = ("leader-1", "leader-2", "leader-3")
AGENTS = tuple(f"agent-{number}" for number in range(1, 6))
WORKLOADS = {
    "churn-1": "churn",
    "churn-2": "churn",
    "hoarder-1": "hoarder",
    "futures-1": "futures",
    "reconcile-1": "reconcile",
    "registry-1": "registry",
    "registry-2": "registry",
}
BEGAN_NS = 5_000 * SECOND
EVERY_FAULT_NS = 3 * SECOND


@attrs.define(eq=False)
class SyntheticRun:
    """Everything of a run, before it is written."""

    cluster: SyntheticCluster
    clients: Clients
    records: list[Record]
    run: dict[str, Any]
    final: dict[str, Any] = attrs.field(factory=dict)

    def save(self, folder: Path) -> Path:
        """Write it; the folder."""
        self.cluster.save(folder)
        for name in (*AGENTS, *WORKLOADS):
            log = folder / "nodes" / name / "log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"INFO {name}: started\n")
        for name, document in self.final.items():
            write_json(folder / FINAL / f"{name}.json", document)
        encoder = msgspec.json.Encoder()
        ordered = sorted(self.records, key=lambda record: record.at_ns)
        lines = [encoder.encode(record) + b"\n" for record in ordered]
        (folder / HISTORY).write_bytes(b"".join(lines))
        write_json(folder / RUN, self.run)
        return folder


def make_synthetic_run(
    folder: Path, seed: int, violation: str | None = None, *, seconds: float = 20.0
) -> Path:
    """Write the run of ``seed`` into ``folder``; returns it."""
    from support.planted_violations import plant  # they know of runs, too

    folder.mkdir(parents=True, exist_ok=True)
    run = imagine_run(seed, seconds=seconds)
    if violation is not None:
        plant(violation, run)
    return run.save(folder)


def imagine_run(seed: int, *, seconds: float = 20.0) -> SyntheticRun:
    """A run in which all is well. Half of its time is that of the faults."""
    rng = random.Random(seed)
    records: list[Record] = []
    cluster = SyntheticCluster(rng=rng, names=LEADERS, now_ns=BEGAN_NS)
    frameworks = [
        Client(name=name, kind=kind, records=records, rng=rng)
        for name, kind in WORKLOADS.items()
    ]
    clients = Clients(cluster=cluster, rng=rng, records=records, frameworks=frameworks)
    story = _Story(cluster=cluster, clients=clients, records=records, rng=rng)
    story.tell(seconds)
    request = {
        "seed": seed,
        "for_s": seconds / 2,
        "faults": "kill,pause,partition",
        "leaders": len(LEADERS),
        "agents": len(AGENTS),
        "workload": "mixed",
        "engine": "raft",
        "network": "bridge",
        "disks": "ext4",
    }
    nodes = [
        {"name": name, "kind": kind, "log": f"nodes/{name}/log"}
        for kind, names in (
            ("leader", LEADERS),
            ("agent", AGENTS),
            ("framework", WORKLOADS),
        )
        for name in names
    ]
    run = {
        "version": VERSION,
        "raftleader": "0.4.0",
        "request": request,
        "command": f"raftleader chaos live --seed {seed} --for {seconds / 2:g}s",
        "machine": [
            {"name": "root", "ok": True, "why": ""},
            {"name": "loop", "ok": False, "why": "no loop device: apt install mount"},
        ],
        "drawn": {
            "network": "bridge",
            "disks": "plain",
            "faults": ["kill", "pause", "partition"],
            "workloads": [
                {"name": name, "kind": kind, "seed": number}
                for number, (name, kind) in enumerate(WORKLOADS.items())
            ],
        },
        "schedule": story.schedule,
        "left_out": [
            {"fault": "power-cut", "why": "no loop device", "is_missing": True}
        ],
        "nodes": nodes,
        "began_ns": BEGAN_NS,
        "ended_ns": cluster.now_ns,
    }
    return SyntheticRun(
        cluster=cluster,
        clients=clients,
        records=records,
        run=run,
        final=_documents(cluster, clients),
    )


@attrs.define(eq=False)
class _Story:
    cluster: SyntheticCluster
    clients: Clients
    records: list[Record]
    rng: random.Random
    schedule: list[dict[str, Any]] = attrs.field(factory=list)
    _due: list[tuple[int, Callable[[], None]]] = attrs.field(factory=list)
    _sampled_ns: int = 0

    def tell(self, seconds: float) -> None:
        cluster = self.cluster
        self._phase("start")
        for name in (*LEADERS, *AGENTS, *WORKLOADS):
            self._process(name, "started")
        cluster.now_ns += ELECTION_NS
        cluster.elect()
        for name in AGENTS:
            info = AgentInfo(
                hostname=name,
                ip="127.0.0.1",
                port=5051,
                resources=parse_resources("cpus:4;mem:1024"),
            )
            command = c.RegisterAgent(key=name, info=info)
            value = getattr(cluster.propose(command).outcomes[0], "value", None)
            assert isinstance(value, Registration)
            self.clients.agents[name] = value.agent_id
        for number, client in enumerate(self.clients.frameworks):
            client.hears(
                "began",
                cluster.now_ns,
                kind=client.kind,
                seed=number,
                life=1,
                pid=number,
            )
        tenth = round(seconds / 10 * SECOND)
        self._run(tenth)
        self._phase("before")
        self._run(2 * tenth)
        self._phase("faults")
        self._plan_faults(5 * tenth)
        self._run(5 * tenth)
        self._phase("heal")
        self._run(SECOND)
        self._phase("settle")
        self._settle()
        self._phase("end")
        self._run(200 * MS)
        for client in self.clients.frameworks:
            client.hears("ended", cluster.now_ns + MS, counts={}, figures={})
        cluster.now_ns += 2 * MS

    def _run(self, for_ns: int) -> None:
        until_ns = self.cluster.now_ns + for_ns
        while self.cluster.now_ns < until_ns:
            self.cluster.now_ns += STEP_NS
            self._due.sort(key=lambda item: item[0])
            while self._due and self._due[0][0] <= self.cluster.now_ns:
                self._due.pop(0)[1]()
            self.clients.step()
            if self.cluster.now_ns - self._sampled_ns > 200 * MS:
                self._sample()

    def _settle(self) -> None:
        for client in self.clients.frameworks:
            client.begins_nothing = True
        for _ in range(400):
            self._run(STEP_NS)
            if self.clients.is_done():
                break
        self._run(SECOND)
        for client in self.clients.frameworks:
            client.hears("settled", self.cluster.now_ns, left=[], took_s=1.0)

    def _plan_faults(self, for_ns: int) -> None:
        at_ns = self.cluster.now_ns + 500 * MS
        ends_ns = self.cluster.now_ns + for_ns - 1500 * MS
        number = 0
        while at_ns < ends_ns:
            number += 1
            fault = ("kill", "partition", "pause")[number % 3 - 1]
            self._due.append((at_ns, lambda n=number, f=fault: self._break(n, f)))
            self.schedule.append(
                {
                    "number": number,
                    "fault": fault,
                    "target": "leader",
                    "at_s": (at_ns - self.cluster.now_ns) / SECOND,
                    "for_s": 1.2,
                    "seed": number,
                }
            )
            at_ns += EVERY_FAULT_NS

    def _break(self, number: int, fault: str) -> None:
        cluster = self.cluster
        if cluster.leader is None:
            return
        name = cluster.leader.name
        means = {"kill": "SIGKILL", "partition": "nft", "pause": "SIGSTOP"}[fault]
        self._fault(number, fault, FaultPhase.INJECT, name, means)
        self._doubts()
        if fault == "kill":
            cluster.kill(name)
            self._process(name, "died")
        else:
            cluster.cut(name)
        self.clients.disconnected()
        elected_ns = cluster.now_ns + ELECTION_NS + self.rng.randrange(200) * MS
        self._due.append((elected_ns, self._elect))
        healed_ns = cluster.now_ns + 1200 * MS
        self._due.append((healed_ns, lambda: self._heal(number, fault, name, means)))

    def _doubts(self) -> None:
        """Some operations are on their way while the leader goes."""
        now_ns = self.cluster.now_ns
        for client in self.clients.frameworks:
            if client.kind == "registry" and client.busy_until_ns < now_ns:
                value = self.rng.randrange(1, 1_000_000)
                ended_ns = now_ns + 900 * MS
                client.doubt(now_ns - 1000, ended_ns, "write", value, "register-0")

    def _elect(self) -> None:
        self.cluster.elect()
        self._sample()

    def _heal(self, number: int, fault: str, name: str, means: str) -> None:
        if fault == "kill":
            self.cluster.start(name)
            self._process(name, "started")
        else:
            self.cluster.heal(name)
        self._fault(number, fault, FaultPhase.HEAL, name, means)

    def _fault(
        self, number: int, fault: str, phase: FaultPhase, name: str, means: str
    ) -> None:
        self.records.append(
            FaultRecord(
                id=number,
                fault=fault,
                phase=phase,
                at_ns=self.cluster.now_ns,
                targets=(name,),
                means=means,
                detail={},
            )
        )

    def _phase(self, name: str) -> None:
        self.records.append(PhaseRecord(name=name, at_ns=self.cluster.now_ns))

    def _process(self, name: str, what: str) -> None:
        self.records.append(
            ProcessEvent(node=name, what=what, at_ns=self.cluster.now_ns)
        )

    def _sample(self) -> None:
        cluster = self.cluster
        self._sampled_ns = cluster.now_ns
        leader = cluster.leader.name if cluster.leader else ""
        for node in cluster.nodes.values():
            is_leader = node is cluster.leader
            self.records.append(
                NodeSample(
                    node=node.name,
                    at_ns=cluster.now_ns,
                    is_up=node.is_up,
                    role=("leader" if is_leader else "follower") if node.is_up else "",
                    term=node.term if node.is_up else 0,
                    leader=leader if node.is_there else "",
                    commit_index=node.applied if node.is_up else 0,
                    applied_index=node.applied if node.is_up else 0,
                )
            )


def _documents(cluster: SyntheticCluster, clients: Clients) -> dict[str, Any]:
    state, index = cluster.state, cluster.state.index
    found: dict[str, Any] = {
        "offers": {
            "index": index,
            "offers": [
                {
                    "id": row.id,
                    "framework_id": row.framework_id,
                    "agent_id": row.agent_id,
                    "role": row.role,
                    "resources": str(row.resources),
                }
                for row in state.offers.values()
            ],
        },
        "tasks": {"index": index, "tasks": []},
        "frameworks": {
            "index": index,
            "frameworks": [
                {"id": row.id, "name": row.info.name, "connected": row.connected}
                for row in state.frameworks.values()
            ],
        },
        "agents": {
            "index": index,
            "agents": [
                {
                    "id": row.id,
                    "hostname": row.info.hostname,
                    "state": "reachable",
                    "connected": True,
                    "resources": str(row.info.resources),
                    "used": str(row.used),
                    "offered": str(row.offered),
                }
                for row in state.agents.values()
            ],
        },
    }
    for name in LEADERS:
        found[name] = {
            "node_id": name,
            "index": index,
            "term": cluster.term,
            "leading": cluster.leader is cluster.nodes[name],
            "digest": digest(state).hex(),
        }
    for name in AGENTS:
        found[name] = {"type": "GET_STATE", "get_state": {"get_tasks": {}}}
    return found
