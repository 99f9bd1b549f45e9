"""A log with a bit of everything: a small cluster in some busy minutes."""

from __future__ import annotations

import random
from typing import Any

from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.offers import Create, Launch, Reserve, Unreserve
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from raftleader.state import commands as c
from raftleader.state.trial import Trial, reserved, volume

ROOM = "cpus:9;mem:900;disk:90;ports:[1-99]"
CPUS, DISK = reserved("cpus", "a"), reserved("disk", "a")
SHARED = volume("a", "s", is_shared=True)


def _operate(trial: Trial, rng: random.Random, number: int) -> None:
    """Someone reserves, makes a volume, runs an executor; some executors end."""
    state = trial.state
    able = [
        o for o in sorted(state.offers) if len(state.offers[o].resources.scalars) > 2
    ]
    if not able:
        return
    offer = state.offers[rng.choice(able)]
    framework, agent = offer.framework_id, offer.agent_id
    executor = trial.executor(framework, f"e{number % 4}", "mem:32")
    task = trial.task(f"x{number}", agent, executor=executor, command=None)
    conversions: list[Any] = [
        Reserve(id=f"r{number}", resources=Resources.of({CPUS: 1000, DISK: 9000})),
        Create(id="c", volumes=Resources.of({volume("a", f"v{number % 4}"): 2000})),
        Create(volumes=Resources.of({SHARED: 1000})),
        Unreserve(id="u", resources=Resources.of({CPUS: 500})),
    ]
    operations = rng.sample(conversions, 2)
    trial.accept(framework, offer.id, operations=[*operations, Launch(tasks=(task,))])
    for key in rng.sample(sorted(state.executors), min(1, len(state.executors))):
        if number % 2 == 0:
            trial.report_executor(key[0], key[1], key[2])
    for framework_id, name in rng.sample(
        sorted(state.operations), min(1, len(state.operations))
    ):
        uuid = state.operations[framework_id, name].status.uuid
        assert uuid is not None
        trial.accepted(
            c.AcknowledgeOperation(
                framework_id=framework_id, operation_id=name, uuid=uuid
            )
        )


def busy_cluster(seed: int, rounds: int) -> Trial:
    """The replica that lived through it; ``entries`` is the log."""
    rng = random.Random(seed)
    trial = Trial()
    state = trial.state
    agents = [trial.register(ROOM, key=f"k{n}") for n in range(16)]
    frameworks = [
        trial.subscribe(
            roles=("a", "b"),
            capabilities=("MULTI_ROLE", "PARTITION_AWARE")[: n % 2 + 1],
            failover_timeout_ms=30_000,
        )
        for n in range(6)
    ]
    for number in range(rounds):
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
        if number % 3 == 0:
            _operate(trial, rng, number)
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
                trial.register(ROOM, key=f"k{n}")
        if number == rounds // 2:
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
            trial.offer(frameworks[1], agent, free, role="a")
    return trial
