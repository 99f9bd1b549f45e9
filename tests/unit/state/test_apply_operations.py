"""RESERVE, CREATE and the others within an ACCEPT: in order, once, and told."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.offers import (
    Create,
    Destroy,
    GrowVolume,
    Launch,
    OperationState,
    OperationStatus,
    Reserve,
    ShrinkVolume,
    UnsupportedOperation,
)
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import TaskState
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.snapshot import encode_snapshot
from raftleader.state.trial import Trial, reserved, volume

CPUS, DISK = reserved("cpus", "a"), reserved("disk", "a")
VOLUME, SHARED = volume("a", "v"), volume("a", "s", is_shared=True)


def _of(**scalars: int) -> Resources:
    return Resources.of(scalars)


def _cluster(trial: Trial, **info: Any) -> tuple[AgentId, FrameworkId]:
    agent = trial.register("cpus:4;mem:100;disk:500")
    return agent, trial.subscribe(**{"roles": ("a",), **info})


def _statuses(trial: Trial, framework: FrameworkId) -> list[OperationStatus]:
    rows = queries.unacknowledged_operations(trial.state, framework)
    return [row.status for row in rows]


def test_operations_are_performed_in_order_on_what_is_left(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    offer = trial.offer(framework, agent, "cpus:4;disk:500", role="a")
    task = trial.task("t", agent, _of(**{CPUS: 1000, VOLUME: 300_000}))

    trial.accept(
        framework,
        offer,
        operations=[
            Reserve(id="r", resources=_of(**{CPUS: 2000, DISK: 400_000})),
            Create(id="c", volumes=_of(**{VOLUME: 300_000})),
            Launch(tasks=(task,)),
            Create(id="late", volumes=_of(**{volume("a", "w"): 200_000})),
        ],
    )

    row = trial.state.agents[agent]
    assert row.dynamic == _of(**{CPUS: 2000, DISK: 100_000, VOLUME: 300_000})
    assert row.total == _of(
        cpus=2000, mem=100_000, disk=100_000, **dict(row.dynamic.scalars)
    )
    assert row.used == task.resources
    assert not row.offered and row.free == row.total - row.used
    assert queries.volumes_of(trial.state, agent) == (VolumeName(role="a", id="v"),)
    first, second, third = _statuses(trial, framework)
    assert (first.operation_id, first.state) == ("r", OperationState.FINISHED)
    assert first.agent_id == agent and first.uuid is not None
    assert second.converted == _of(**{VOLUME: 300_000})
    assert (third.operation_id, third.state) == ("late", OperationState.ERROR)
    assert third.message is not None and "does not contain" in third.message


def test_only_operations_with_a_name_are_told(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    offer = trial.offer(framework, agent, "cpus:4", role="a")

    trial.accept(
        framework,
        offer,
        operations=[
            Reserve(resources=_of(**{CPUS: 1000})),
            Reserve(resources=_of(**{CPUS: 9000})),
            UnsupportedOperation(type="CREATE_DISK"),
            UnsupportedOperation(id="x", type="CREATE_DISK", problem="no such thing"),
        ],
    )

    assert trial.state.agents[agent].dynamic == _of(**{CPUS: 1000})
    (status,) = _statuses(trial, framework)
    assert (status.operation_id, status.message) == ("x", "no such thing")
    assert status.state is OperationState.ERROR


@pytest.mark.parametrize("when", ["at once", "acknowledged", "next leader"])
def test_repeated_accept_changes_nothing(trial: Trial, when: str) -> None:
    agent, framework = _cluster(trial, failover_timeout_ms=60_000)
    offer = trial.offer(framework, agent, "cpus:4", role="a")
    command = trial.accept(
        framework,
        offer,
        operations=[
            Reserve(id="good", resources=_of(**{CPUS: 1000})),
            Reserve(id="bad", resources=_of(**{CPUS: 9000})),
            Reserve(resources=_of(**{CPUS: 1000})),
        ],
    )
    if when == "acknowledged":
        for status in _statuses(trial, framework):
            assert status.operation_id and status.uuid
            trial.accepted(
                c.AcknowledgeOperation(
                    framework_id=framework,
                    operation_id=status.operation_id,
                    uuid=status.uuid,
                )
            )
        assert not trial.state.operations
    elif when == "next leader":
        trial.begin_term(2, "n2")
    before = encode_snapshot(trial.state)

    trial.accepted(command)

    trial.state.index -= 1
    assert encode_snapshot(trial.state) == before


def test_operations_on_offers_that_are_gone_are_told_so_once(trial: Trial) -> None:
    _, framework = _cluster(trial)
    operations = [
        Reserve(id="r", resources=_of(**{CPUS: 1000})),
        Reserve(resources=_of(**{CPUS: 1000})),
    ]

    for _ in range(2):
        trial.accept(framework, "c-O1-0-0", operations=operations)

    (status,) = _statuses(trial, framework)
    assert status.state is OperationState.ERROR
    assert status.message == (
        "Operation attempted with invalid offers: Offer c-O1-0-0 is no longer valid"
    )
    assert status.agent_id is None


def test_a_name_that_is_used_again_is_another_operation(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    commands = []
    for _ in range(2):
        offer = trial.offer(framework, agent, "cpus:1", role="a")
        operation = Reserve(id="r", resources=_of(**{CPUS: 1000}))
        commands.append(trial.accept(framework, offer, operations=[operation]))
    (status,) = _statuses(trial, framework)
    assert trial.state.agents[agent].dynamic == _of(**{CPUS: 2000})
    before = encode_snapshot(trial.state)

    for command in commands:
        trial.accepted(command)

    trial.state.index -= 2
    assert encode_snapshot(trial.state) == before
    assert status.state is OperationState.FINISHED


def test_acknowledgement_with_another_uuid_is_ignored(trial: Trial) -> None:
    _, framework = _cluster(trial)
    operation = Reserve(id="r", resources=_of(**{CPUS: 1}))
    trial.accept(framework, "c-O1-0-0", operations=[operation])

    trial.accepted(
        c.AcknowledgeOperation(framework_id=framework, operation_id="r", uuid=b"x" * 16)
    )
    trial.accepted(
        c.AcknowledgeOperation(framework_id=framework, operation_id="q", uuid=b"x" * 16)
    )

    assert len(_statuses(trial, framework)) == 1


def test_a_framework_reserves_for_the_role_of_its_offers_and_names_itself(
    trial: Trial,
) -> None:
    agent, framework = _cluster(trial, principal="p")
    offer = trial.offer(framework, agent, "cpus:4", role="a")
    named = reserved("cpus", "a", principal="p")

    trial.accept(
        framework,
        offer,
        operations=[
            Reserve(id="1", resources=_of(**{reserved("cpus", "b"): 1000})),
            Reserve(id="2", resources=_of(**{CPUS: 1000})),
            Reserve(id="3", resources=_of(**{named: 1000})),
        ],
    )

    messages = [status.message for status in _statuses(trial, framework)]
    assert "no principal set" in str(messages[0])
    assert "no principal set" in str(messages[1])
    assert messages[2] is None
    assert trial.state.agents[agent].dynamic == _of(**{named: 1000})


def test_what_operations_made_is_not_declined(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    offer = trial.offer(framework, agent, "cpus:4;mem:100", role="a")

    trial.accepted(
        c.AcceptOffers(
            framework_id=framework,
            offer_ids=(offer,),
            operations=(Reserve(resources=_of(**{CPUS: 1000})),),
            refuse_ms=90_000,
        )
    )

    (kept,) = trial.state.frameworks[framework].filters
    assert kept.resources == parse_resources("cpus:3;mem:100")


def _with_volumes(trial: Trial, **info: Any) -> tuple[AgentId, FrameworkId]:
    agent, framework = _cluster(trial, capabilities=("SHARED_RESOURCES",), **info)
    offer = trial.offer(framework, agent, "disk:500", role="a")
    trial.accept(
        framework,
        offer,
        operations=[
            Reserve(resources=_of(**{DISK: 400_000})),
            Create(volumes=_of(**{VOLUME: 100_000, SHARED: 50_000})),
        ],
    )
    return agent, framework


def test_a_volume_is_offered_and_used_as_a_whole(trial: Trial) -> None:
    agent, framework = _with_volumes(trial)
    half = c.Grant(
        framework_id=framework,
        role="a",
        agent_id=agent,
        resources=_of(**{VOLUME: 50_000}),
    )
    trial.accepted(c.GrantOffers(grants=(half,), offer_timeout_ms=1_000))
    assert not trial.state.offers
    offer = trial.offer(framework, agent, _of(cpus=2000, **{VOLUME: 100_000}), role="a")
    some = trial.task("some", agent, _of(cpus=1000, **{VOLUME: 60_000}))
    whole = trial.task("whole", agent, _of(cpus=1000, **{VOLUME: 100_000}))

    trial.accept(framework, offer, operations=[Launch(tasks=(some, whole))])

    assert list(trial.state.tasks) == [(framework, "whole")]


def test_a_volume_grows_and_shrinks_unless_it_is_used(trial: Trial) -> None:
    agent, framework = _with_volumes(trial)
    offer = trial.offer(
        framework, agent, _of(**{VOLUME: 100_000, DISK: 250_000}), role="a"
    )

    trial.accept(
        framework,
        offer,
        operations=[
            GrowVolume(
                id="g",
                volume=_of(**{VOLUME: 100_000}),
                addition=_of(**{DISK: 200_000}),
            ),
            ShrinkVolume(
                id="s", volume=_of(**{VOLUME: 300_000}), subtract_millis=10_000
            ),
            Destroy(id="d", volumes=_of(**{VOLUME: 300_000})),
        ],
    )

    states = [status.state for status in _statuses(trial, framework)]
    assert states == [
        OperationState.FINISHED,
        OperationState.FINISHED,
        OperationState.ERROR,
    ]
    dynamic = trial.state.agents[agent].dynamic
    assert dynamic == _of(**{VOLUME: 290_000, DISK: 60_000, SHARED: 50_000})


def test_a_shared_volume_is_in_any_number_of_offers_and_tasks(trial: Trial) -> None:
    agent, framework = _with_volumes(trial)
    shared = _of(cpus=1000, **{SHARED: 50_000})
    offers = [trial.offer(framework, agent, shared, role="a") for _ in range(2)]
    still = trial.offer(framework, agent, shared, role="a")
    tasks = tuple(trial.task(name, agent, shared) for name in ("t1", "t2"))

    trial.accept(framework, *offers, operations=[Launch(tasks=tasks)])

    assert len(trial.state.tasks) == 2 and still in trial.state.offers
    row = trial.state.agents[agent]
    assert (row.used, row.offered) == (_of(cpus=2000), _of(cpus=1000))
    assert row.free.scalars[SHARED] == 50_000


def test_a_shared_volume_is_destroyed_when_no_task_uses_it(trial: Trial) -> None:
    agent, framework = _with_volumes(trial)
    other = trial.subscribe(roles=("a",), capabilities=("SHARED_RESOURCES",))
    shared = _of(cpus=1000, **{SHARED: 50_000})
    destroy = Destroy(id="d", volumes=_of(**{SHARED: 50_000}))
    task = trial.task("t", agent, shared)

    offer = trial.offer(framework, agent, shared, role="a")
    trial.accept(framework, offer, operations=[Launch(tasks=(task,)), destroy])
    offer = trial.offer(framework, agent, shared, role="a")
    trial.accept(framework, offer, operations=[destroy])
    assert [status.message for status in _statuses(trial, framework)] == [
        f"Persistent volumes in use; on agent {agent}"
    ]
    trial.report(framework, "t", TaskState.FINISHED)
    lost = trial.offer(other, agent, shared, role="a")
    offer = trial.offer(framework, agent, shared, role="a")
    trial.accept(framework, offer, operations=[destroy])

    (status,) = _statuses(trial, framework)
    assert status.state is OperationState.FINISHED
    assert lost not in trial.state.offers
    assert trial.state.frameworks[other].rescinds[0].offer_id == lost
    assert SHARED not in trial.state.agents[agent].total.scalars


def test_what_was_made_outlives_its_framework_and_its_agents_absence(
    trial: Trial,
) -> None:
    agent, framework = _with_volumes(trial)
    dynamic = trial.state.agents[agent].dynamic

    trial.accepted(c.TeardownFramework(framework_id=framework))
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    trial.register("cpus:4;mem:100;disk:500")

    assert trial.state.agents[agent].dynamic == dynamic


def test_an_agent_that_lost_what_was_made_of_it_offers_nothing(trial: Trial) -> None:
    agent, framework = _with_volumes(trial)
    offer = trial.offer(framework, agent, "cpus:1", role="a")

    trial.register("cpus:4;mem:100;disk:300")
    row = trial.state.agents[agent]
    assert row.shrunk and not row.free and offer not in trial.state.offers
    trial.register("cpus:4;mem:100;disk:500")

    assert trial.state.agents[agent].free == trial.state.agents[agent].total


@pytest.mark.parametrize("key", [CPUS, VOLUME])
def test_an_agent_announces_only_what_it_is_configured_with(
    trial: Trial, key: str
) -> None:
    info = AgentInfo(hostname="h", ip="", port=1, resources=_of(**{key: 1000}))
    outcome = trial.one(c.RegisterAgent(key="k", info=info))
    assert "no dynamic reservations" in str(outcome)


def test_oldest_operation_is_forgotten_beyond_the_bound(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftleader.state.tables.OPERATIONS_MAX", 3)
    _, framework = _cluster(trial)
    operations = [UnsupportedOperation(id=f"o{n}", type="X") for n in range(4)]

    command = trial.accept(framework, "c-O1-0-0", operations=operations)
    trial.accepted(command)

    assert [s.operation_id for s in _statuses(trial, framework)] == ["o1", "o2", "o3"]


def test_reconciliation_of_operations(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    trial.accept(
        framework, "c-O1-0-0", operations=[UnsupportedOperation(id="o", type="X")]
    )
    (known,) = queries.implicit_operation_reconciliation(trial.state, framework)

    def ask(operation_id: str, agent_id: AgentId | None) -> OperationStatus:
        return queries.operation_reconciliation(
            trial.state, framework, operation_id, agent_id
        )

    assert known == ask("o", None)
    assert (known.state, known.uuid) == (OperationState.ERROR, None)
    assert ask("x", agent).state is OperationState.UNKNOWN
    assert ask("x", None).state is OperationState.UNKNOWN
    assert ask("x", AgentId("c-S9-9")).state is OperationState.UNKNOWN
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    assert ask("x", agent).state is OperationState.UNREACHABLE
