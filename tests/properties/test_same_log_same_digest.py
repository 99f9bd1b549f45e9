"""Same log, same bytes (promise P9): in processes that hash strings differently, and
whether or not a replica was restored from snapshots on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from raftleader.state import commands as c
from raftleader.state.snapshot import digest
from raftleader.state.trial import Trial

ROOT = Path(__file__).parents[2]
ROUNDS = 120

REPLAY = """
import sys
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot import decode_snapshot, digest, encode_snapshot

state = ClusterState(cluster_id="c")
restore_every = int(sys.argv[1])
for line in sys.stdin:
    index, term, data = line.split()
    apply_entry(state, int(index), int(term), bytes.fromhex(data))
    if restore_every and int(index) % restore_every == 0:
        state = decode_snapshot(encode_snapshot(state))
print(digest(state).hex(), hash("c-F3-0"))
"""


def _record() -> Trial:
    """A few busy minutes of a small cluster, ending with something of everything."""
    rng = random.Random(7)
    trial = Trial()
    state = trial.state
    agents = [
        trial.register("cpus:9;mem:900;ports:[1-99]", key=f"k{n}") for n in range(16)
    ]
    frameworks = [
        trial.subscribe(
            roles=("a", "b"),
            capabilities=("MULTI_ROLE", "PARTITION_AWARE")[: n % 2 + 1],
            failover_timeout_ms=30_000,
        )
        for n in range(6)
    ]
    for number in range(ROUNDS):
        trial.now_ms += 3_000
        framework = rng.choice(frameworks)
        grants = tuple(
            c.Grant(
                framework_id=framework,
                role="a",
                agent_id=agent,
                resources=state.agents[agent].free,
            )
            for agent in rng.sample(agents, 12)
        )
        trial.apply(
            c.GrantOffers(grants=grants, offer_timeout_ms=rng.choice([10_000, 60_000]))
        )
        for offer in rng.sample(sorted(state.offers), min(3, len(state.offers))):
            row = state.offers[offer]
            if rng.random() < 0.8:
                trial.launch(row.framework_id, offer, f"t{number}-{offer}", "same")
            else:
                trial.apply(
                    c.DeclineOffers(
                        framework_id=row.framework_id,
                        offer_ids=(offer,),
                        refuse_ms=120_000,
                    )
                )
        updates: dict[str, list[AgentUpdate]] = {}
        for key in rng.sample(sorted(state.tasks), min(3, len(state.tasks))):
            status = TaskStatus(
                task_id=key[1],
                state=rng.choices([TaskState.RUNNING, TaskState.FINISHED], [5, 1])[0],
                source=Source.EXECUTOR,
                uuid=rng.randbytes(16),
            )
            updates.setdefault(state.tasks[key].info.agent_id, []).append(
                AgentUpdate(framework_id=key[0], status=status)
            )
        for agent_id, some in updates.items():
            trial.apply(c.UpdateTasks(agent_id=agent_id, updates=tuple(some)))
        for framework_id, task_id in rng.sample(
            sorted(state.tasks), min(2, len(state.tasks))
        ):
            for status in state.tasks[framework_id, task_id].pending[:1]:
                assert status.uuid is not None
                trial.acknowledge(framework_id, task_id, status.uuid)
        if number % 25 == 20:
            trial.apply(c.MarkUnreachable(agent_ids=tuple(agents[number % 3 :: 3])))
        if number % 25 == 24:
            for n, _ in enumerate(agents):
                trial.register("cpus:9;mem:900;ports:[1-99]", key=f"k{n}")
        if number == ROUNDS // 2:
            trial.begin_term(2, "n2")
            for framework_id in frameworks[1:]:
                trial.subscribe(
                    framework_id=framework_id,
                    roles=("a",),
                    failover_timeout_ms=30_000,
                )
        trial.apply(c.PassTime())
    for agent in agents:
        free = state.agents[agent].free
        if free:
            trial.offer(frameworks[1], agent, str(free), role="a")
    assert state.offers and state.tasks and state.completed_tasks
    assert state.removed_frameworks
    assert any(framework.rescinds for framework in state.frameworks.values())
    assert any(framework.orphan_updates for framework in state.frameworks.values())
    return trial


def test_replicas_agree_whatever_their_hash_seed_and_restores() -> None:
    trial = _record()
    log = "".join(f"{i} {term} {data.hex()}\n" for i, term, data in trial.entries)
    answers = [
        subprocess.run(
            [sys.executable, "-P", "-c", REPLAY, str(seed % 2 * 9)],
            input=log,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            timeout=60,
        ).stdout.split()
        for seed in range(10)
    ]
    assert {answer[0] for answer in answers} == {digest(trial.state).hex()}
    assert len({answer[1] for answer in answers}) == 10  # the seeds did take effect
