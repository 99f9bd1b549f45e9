"""Each invariant is broken once, by hand, to see that it is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from raftleader.protocol.ids import OfferId
from raftleader.protocol.offers import Create, Launch, Reserve, Unavailability
from raftleader.protocol.operator_values import MachineId, Quota
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState, InverseAnswer, InverseOfferRow
from raftleader.state.indexes import INDEXES
from raftleader.state.invariants import violations
from raftleader.state.trial import Trial, reserved, volume

SHARED, VOLUME = volume("a", "s", is_shared=True), volume("a", "v")
FRAMEWORK, AGENT, OFFER, TASK = "c-F3-0", "c-S2-0", "c-O6-0-0", ("c-F3-0", "t")


@pytest.fixture
def state(trial: Trial) -> ClusterState:
    """One of everything: t runs, an offer is out, a task has completed."""
    agent = trial.register("cpus:4;mem:100;ports:[1-9]")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "t", "done")
    trial.offer(framework, agent, "cpus:1;ports:[1-3]")
    trial.report(framework, "t", TaskState.RUNNING)
    uuid = trial.report(framework, "done", TaskState.FINISHED)
    trial.acknowledge(framework, "done", uuid)
    assert violations(trial.state) == []
    assert trial.state.offers.keys() == {OFFER}
    return trial.state


@pytest.fixture
def rich(trial: Trial) -> ClusterState:
    """With an executor, a shared volume in an offer and a task, an operation."""
    agent = trial.register("cpus:9;mem:100;disk:100")
    framework = trial.subscribe(roles=("a",), capabilities=("SHARED_RESOURCES",))
    offer = trial.offer(framework, agent, "disk:50", role="a")
    made = Resources.of({reserved("disk", "a"): 50_000})
    volumes = Resources.of({SHARED: 10_000, VOLUME: 10_000})
    operations = [Reserve(id="o", resources=made), Create(volumes=volumes)]
    trial.accept(framework, offer, operations=operations)
    trial.accept(framework, "x", operations=[Reserve(id="p", resources=made)])
    shared = Resources.of({SHARED: 10_000, "cpus": 2_000})
    offer = trial.offer(framework, agent, shared, role="a")
    executor = trial.executor(framework, "e", "cpus:1")
    task = trial.task("t", agent, Resources.of({SHARED: 10_000}), executor=executor)
    task = replace(task, command=None)
    trial.accept(framework, offer, operations=[Launch(tasks=(task,))])
    trial.offer(framework, agent, shared, role="a")
    assert trial.state.executors and trial.state.tasks and trial.state.offers
    assert trial.state.operations and violations(trial.state) == []
    return trial.state


def _only(state: ClusterState, table: str, /, **fields: object) -> None:
    rows = getattr(state, table)
    (key, row), *_ = rows.items()
    rows[key] = replace(row, **fields)


def _inverse(state: ClusterState, /, **fields: object) -> None:
    row = InverseOfferRow(
        id=OfferId("i"),
        framework_id=next(iter(state.frameworks)),
        agent_id=next(iter(state.agents)),
        unavailability=Unavailability(start_ns=1),
        made_ms=1,
    )
    state.inverse_offers["i"] = replace(row, **fields)


ANSWER = InverseAnswer(framework_id="x", is_accepted=True, at_ms=1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s.executors.clear(), "no executor e runs it"),
        (lambda s: _only(s, "executors", agent_id="x"), "on unknown agent x"),
        (lambda s: _only(s, "executors", framework_id="x"), "its row says"),
        (
            lambda s: _only(
                s,
                "executors",
                info=replace(
                    next(iter(s.executors.values())).info,
                    resources=Resources.of({SHARED: 1}),
                ),
            ),
            "holds what is shared",
        ),
        (lambda s: s.frameworks.clear(), "it is not to be shut down"),
        (lambda s: s.frameworks.clear(), "operation o of c-F3-0: its framework"),
        (
            lambda s: _only(
                s,
                "operations",
                status=replace(next(iter(s.operations.values())).status, uuid=None),
            ),
            "a status without uuid",
        ),
        (lambda s: _only(s, "operations", framework_id="x"), "its row says o of x"),
        (lambda s: _agent(s, dynamic=Resources()), "a shared volume that is not"),
        (
            lambda s: _agent(s, dynamic=parse_resources("cpus:1")),
            "nothing was made of what is in cpus:1",
        ),
        (
            lambda s: _agent(
                s,
                dynamic=Resources.of({VOLUME: 1, volume("a", "v", is_shared=True): 1}),
            ),
            "two volumes have the id 'v'",
        ),
        (
            lambda s: _agent(s, offered=Resources.of({VOLUME: 4_000})),
            "disk(a)[v:data] was divided",
        ),
        (lambda s: _agent(s, executor_reports=(b"",) * 257), "too many ends"),
        (lambda s: s.gone_agents.update({AGENT: 1}), "registered and gone"),
        (lambda s: _framework(s, offer_constraints={"x": ()}), "constrains a role"),
        (lambda s: _inverse(s, framework_id="x"), "inverse offer i: of unknown frame"),
        (lambda s: _inverse(s, agent_id="x"), "inverse offer i: on unknown agent x"),
        (lambda s: _inverse(s, id="x"), "inverse offer i: its row says x"),
        (lambda s: s.inverse_answers.update({"x": (ANSWER,)}), "of unknown agent x"),
        (lambda s: s.inverse_answers.update({AGENT: ()}), "not one answer of each"),
        (
            lambda s: s.inverse_answers.update({AGENT: (ANSWER, ANSWER)}),
            "not one answer of each",
        ),
        (
            lambda s: setattr(s, "down_machines", (MachineId(hostname="h"),)),
            "down, and not in the maintenance schedule",
        ),
        (
            lambda s: s.quotas.update({"a": Quota(limits={"cpus": -1})}),
            "quota of role a: an amount below zero",
        ),
    ],
)
def test_violations_name_what_is_broken_of_executors_volumes_and_operators(
    rich: ClusterState, damage: Callable[[ClusterState], object], words: str
) -> None:
    damage(rich)
    found = violations(rich)
    assert any(words in line for line in found), found


def _agent(state: ClusterState, /, **fields: object) -> None:
    state.agents[AGENT] = replace(state.agents[AGENT], **fields)


def _framework(state: ClusterState, /, **fields: object) -> None:
    state.frameworks[FRAMEWORK] = replace(state.frameworks[FRAMEWORK], **fields)


def _offer(state: ClusterState, /, **fields: object) -> None:
    state.offers[OFFER] = replace(state.offers[OFFER], **fields)


def _task(state: ClusterState, /, **fields: object) -> None:
    state.tasks[TASK] = replace(state.tasks[TASK], **fields)


def _shrink(state: ClusterState, total: str) -> None:
    info = replace(state.agents[AGENT].info, resources=parse_resources(total))
    _agent(state, info=info)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: _agent(s, used=Resources()), "used is"),
        (lambda s: _agent(s, offered=Resources()), "offered is"),
        (lambda s: _shrink(s, "cpus:1"), "used, cpus:1"),
        (lambda s: _agent(s, shrunk=True), "marked as shrunk"),
        (lambda s: _agent(s, unreachable_ms=5), "unreachable, and something"),
        (
            lambda s: _agent(s, used=Resources(scalars={"cpus": 0})),
            "used is not canonical",
        ),
        (
            lambda s: (
                _shrink(s, "cpus:9;ports:[1-9]"),
                _agent(s, used=parse_resources("cpus:1;ports:[3-4]")),
            ),
            "something is used and offered",
        ),
        (lambda s: _framework(s, connected=False), "with a deadline"),
        (lambda s: _framework(s, deadline_ms=7), "with a deadline"),
        (lambda s: _framework(s, id="x"), "its row says"),
        (lambda s: _framework(s, suppressed_roles=("db",)), "suppresses a role"),
        (
            lambda s: _framework(s, answered_launches=(b"",) * 10_001),
            "remembers 10001 launches",
        ),
        (lambda s: s.removed_frameworks.update({FRAMEWORK: 1}), "and removed"),
        (lambda s: s.frameworks.clear(), "of unknown framework"),
        (lambda s: s.agents.clear(), "on unknown agent"),
        (lambda s: _offer(s, id="x"), "its row says"),
        (lambda s: _offer(s, role="db"), "which is not its framework's"),
        (lambda s: _offer(s, resources=Resources()), "empty or not canonical"),
        (
            lambda s: _offer(s, resources=parse_resources("cpus(db):1")),
            "reserved for another role",
        ),
        (lambda s: _task(s, framework_id="x"), "its row says"),
        (lambda s: _task(s, state=TaskState.FAILED), "TASK_FAILED, ended at None"),
        (
            lambda s: _task(s, state=TaskState.FAILED, ended_ms=1, pending=()),
            "still in the table",
        ),
        (lambda s: _task(s, state=TaskState.STARTING), "newest update is not"),
        (
            lambda s: _task(s, state=TaskState.STARTING, pending=()),
            "newest status is not",
        ),
        (lambda s: s.frameworks.clear(), "updates for a framework that is gone"),
        (lambda s: s.frameworks.clear(), "it is not to be killed"),
        (lambda s: s.frameworks.clear(), "completed task done of"),
        (
            lambda s: _task(s, pending=(replace(s.tasks[TASK].pending[0], uuid=None),)),
            "without uuid",
        ),
        (
            lambda s: _task(
                s,
                pending=(
                    replace(s.tasks[TASK].pending[0], state=TaskState.FAILED),
                    s.tasks[TASK].pending[0],
                ),
            ),
            "an update after its end",
        ),
        (
            lambda s: s.completed_tasks.update(
                {
                    (FRAMEWORK, "done"): replace(
                        s.completed_tasks[FRAMEWORK, "done"], state=TaskState.RUNNING
                    )
                }
            ),
            "has not ended",
        ),
    ],
)
def test_violations_name_what_is_broken(
    state: ClusterState, damage: Callable[[ClusterState], object], words: str
) -> None:
    damage(state)
    assert any(words in line for line in violations(state)), violations(state)


@pytest.mark.parametrize("name", INDEXES)
def test_violations_name_an_index_that_drifted(state: ClusterState, name: str) -> None:
    getattr(state, name)["x"] = {}
    assert violations(state) == [f"index {name} is not what the tables say"]


def test_violations_name_operations_in_another_order(rich: ClusterState) -> None:
    ring = rich.operations_by_framework
    ring[FRAMEWORK] = dict(reversed(ring[FRAMEWORK].items()))
    assert violations(rich) == [
        f"operations_by_framework of {FRAMEWORK}: ring and table differ in order"
    ]


def test_violations_name_a_ring_in_another_order(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "a", "b")
    for task_id in ("a", "b"):
        uuid = trial.report(framework, task_id, TaskState.FINISHED)
        trial.acknowledge(framework, task_id, uuid)
    ring = trial.state.completed_by_framework
    ring[framework] = dict(reversed(ring[framework].items()))
    assert violations(trial.state) == [
        f"completed_by_framework of {framework}: ring and table differ in order"
    ]
