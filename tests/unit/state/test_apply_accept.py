from __future__ import annotations

from typing import Any

import pytest

from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.offers import Launch, UnsupportedOperation
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import Reason, Source, TaskState
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.outcomes import Accepted
from raftleader.state.snapshot import encode_snapshot
from raftleader.state.trial import Trial


def _accept(framework: str, *offers: str, **fields: Any) -> c.AcceptOffers:
    tasks = fields.pop("tasks", ())
    operations = (Launch(tasks=tuple(tasks)),)
    return c.AcceptOffers(
        **{"operations": operations, **fields},
        framework_id=framework,
        offer_ids=offers,
    )


def test_accept_launches_tasks_and_returns_what_is_left(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100;ports:[1-100]")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4;mem:100;ports:[1-100]")

    trial.launch(framework, offer, "a", resources="cpus:1.5;ports:[10-19]")

    task = trial.state.tasks[framework, "a"]
    assert (task.state, task.role) == (TaskState.STAGING, "*")
    assert task.offer_ids == (offer,)
    row = trial.state.agents[agent]
    assert row.used == parse_resources("cpus:1.5;ports:[10-19]")
    assert row.free == parse_resources("cpus:2.5;mem:100;ports:[1-9,20-100]")
    assert not trial.state.offers
    assert queries.unconfirmed_tasks(trial.state, agent) == (task,)


def test_accept_joins_offers_of_one_agent(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offers = [trial.offer(framework, agent, "cpus:2") for _ in range(2)]

    trial.accepted(
        _accept(framework, *offers, tasks=[trial.task("t", agent, "cpus:3")])
    )

    assert trial.state.agents[agent].used == parse_resources("cpus:3")


def test_accept_subtracts_task_after_task(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    sizes = {"a": "cpus:3", "b": "cpus:2", "c": "cpus:1"}

    trial.accepted(
        _accept(
            framework,
            offer,
            tasks=[trial.task(name, agent, size) for name, size in sizes.items()],
        )
    )

    assert [key[1] for key in trial.state.tasks] == ["a", "c"]
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert update.task_id == "b"
    assert update.message is not None
    assert "cpus:2 required" in update.message
    assert "more than available cpus:1" in update.message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"task_id": ""}, "Task ID must not be empty"),
        ({"task_id": "a/b"}, "Task ID must not contain"),
        ({"task_id": "x" * 256}, "longer than 255"),
        ({"agent_id": "c-S9-9"}, "c-S9-9"),
        ({"command": None}, "CommandInfo or ExecutorInfo present"),
        ({"unsupported": ("container", "health_check")}, "container, health_check"),
        ({"resources": ""}, "no resources"),
        ({"resources": "cpus:5"}, "is more than available"),
        ({"resources": "cpus(db):1"}, "is more than available"),
        ({"resources": Resources(scalars={"cpus": -1})}, "cpus"),
        ({"kill_grace_ms": -1}, "grace_period"),
        ({"kill_grace_ms": 10**9}, "grace_period"),
        ({"data": b"x" * (TASK_DATA_BYTES_MAX + 1)}, "data"),
    ],
)
def test_accept_answers_an_invalid_task_with_error_and_launches_the_others(
    trial: Trial, fields: dict[str, Any], words: str
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    good = trial.task("good", agent)
    given = dict(fields)
    if isinstance(given.get("resources"), str):
        given["resources"] = parse_resources(given["resources"])
    defaults = {
        "name": "bad",
        "task_id": "bad",
        "agent_id": agent,
        "resources": good.resources,
        "command": good.command,
    }
    bad = type(good)(**{**defaults, **given})

    trial.accepted(_accept(framework, offer, tasks=[bad, good]))

    assert list(trial.state.tasks) == [(framework, "good")]
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert (update.state, update.reason, update.source, update.agent_id) == (
        TaskState.ERROR,
        Reason.TASK_INVALID,
        Source.LEADER,
        bad.agent_id,
    )
    assert update.message is not None and words in update.message
    assert update.uuid is not None and len(update.uuid) == 16


def test_accept_leaves_a_live_task_alone_when_its_id_is_used_again(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")
    before = trial.state.tasks[framework, "t"]

    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "t", "u", "u")

    assert trial.state.tasks[framework, "t"] == before
    orphans = trial.state.frameworks[framework].orphan_updates
    assert [(o.task_id, o.state) for o in orphans] == [
        ("t", TaskState.ERROR),
        ("u", TaskState.ERROR),
    ]
    assert len({o.uuid for o in orphans}) == 2
    assert trial.state.tasks[framework, "u"].state is TaskState.STAGING


def test_task_id_can_be_used_again_on_another_agent_only(trial: Trial) -> None:
    one = trial.register("cpus:4", key="k1")
    two = trial.register("cpus:4", key="k2")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, one, "cpus:1"), "t")
    end = trial.report(framework, "t", TaskState.FINISHED)
    trial.acknowledge(framework, "t", end)

    trial.launch(framework, trial.offer(framework, one, "cpus:1"), "t")
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert update.message == "Task ID t was used on this agent before"
    assert not trial.state.tasks

    trial.launch(framework, trial.offer(framework, two, "cpus:1"), "t")
    assert trial.state.tasks[framework, "t"].info.agent_id == two


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [(("PARTITION_AWARE",), TaskState.DROPPED), ((), TaskState.LOST)],
)
def test_accept_drops_its_tasks_and_returns_its_offers_when_one_offer_is_gone(
    trial: Trial, capabilities: tuple[str, ...], told: TaskState
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=capabilities)
    valid = trial.offer(framework, agent, "cpus:2")

    trial.accepted(
        _accept(framework, valid, "c-O1-0-0", tasks=[trial.task("t", agent)])
    )

    assert not trial.state.offers
    assert not trial.state.tasks
    assert trial.state.agents[agent].free == parse_resources("cpus:4")
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert (update.state, update.reason) == (told, Reason.INVALID_OFFERS)
    assert update.message is not None
    assert update.message.endswith(": Offer c-O1-0-0 is no longer valid")
    assert update.uuid is not None


def test_accept_is_invalid_when_offers_do_not_go_together(trial: Trial) -> None:
    one = trial.register("cpus:8", key="k1")
    two = trial.register("cpus:8", key="k2")
    framework = trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))
    other = trial.subscribe(roles=("a",))
    messages = []
    on_one = trial.offer(framework, one, "cpus:1", role="a")
    cases = [
        (),
        (on_one, on_one),
        (
            trial.offer(framework, one, "cpus:1", role="a"),
            trial.offer(framework, two, "cpus:1", role="a"),
        ),
        (
            trial.offer(framework, one, "cpus:1", role="a"),
            trial.offer(framework, one, "cpus:1", role="b"),
        ),
        (trial.offer(other, one, "cpus:1", role="a"),),
    ]
    for number, offers in enumerate(cases):
        task = trial.task(f"t{number}", one)
        trial.accepted(_accept(framework, *offers, tasks=[task]))
        messages.append(trial.state.frameworks[framework].orphan_updates[-1].message)

    words = [
        "No offers specified",
        f"Duplicate offer {on_one} in offer list",
        "Aggregated offers must belong to one single agent",
        "Aggregated offers must be allocated to the same role",
        f"Offer {cases[4][0]} is no longer valid",
    ]
    for message, expected in zip(messages, words, strict=True):
        assert message is not None
        assert message.startswith(f"Task launched with invalid offers: {expected}")
    assert list(trial.state.offers) == [cases[4][0]]  # another framework's: untouched


@pytest.mark.parametrize("when", ["at once", "running", "completed", "next leader"])
def test_repeated_accept_changes_nothing(trial: Trial, when: str) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    offer = trial.offer(framework, agent, "cpus:2")
    command = _accept(
        framework,
        offer,
        tasks=[trial.task("good", agent), trial.task("bad", agent, "cpus:9")],
    )
    trial.accepted(command)
    if when in ("running", "completed"):
        uuid = trial.report(framework, "good", TaskState.FINISHED)
        if when == "completed":
            trial.acknowledge(framework, "good", uuid)
            (orphan,) = trial.state.frameworks[framework].orphan_updates
            assert orphan.uuid is not None
            trial.acknowledge(framework, "bad", orphan.uuid)
            assert list(trial.state.completed_tasks) == [(framework, "good")]
    elif when == "next leader":
        trial.begin_term(2, "n2")
        trial.subscribe(framework_id=framework, failover_timeout_ms=60_000)
    before = encode_snapshot(trial.state)

    assert trial.one(command) == Accepted()

    trial.state.index -= 1
    assert encode_snapshot(trial.state) == before


def test_repeated_accept_changes_nothing_when_its_offer_was_gone(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    command = _accept(framework, "c-O1-0-0", tasks=[trial.task("t", agent)])
    trial.accepted(command)
    (first,) = trial.state.frameworks[framework].orphan_updates
    assert first.uuid is not None
    trial.acknowledge(framework, "t", first.uuid)

    trial.accepted(command)

    assert trial.state.frameworks[framework].orphan_updates == ()


def test_repeated_accept_is_known_when_its_task_id_was_used_again(
    trial: Trial,
) -> None:
    framework = trial.subscribe()
    commands = []
    for key in ("k1", "k2"):
        agent = trial.register("cpus:1", key=key)
        offer = trial.offer(framework, agent, "cpus:1")
        commands.append(trial.launch(framework, offer, "t"))
        uuid = trial.report(framework, "t", TaskState.FINISHED)
        trial.acknowledge(framework, "t", uuid)
    before = encode_snapshot(trial.state)

    for command in commands:
        trial.accepted(command)

    trial.state.index -= 2
    assert encode_snapshot(trial.state) == before


def test_accept_drops_only_the_operation_it_cannot_perform(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")

    trial.accepted(
        _accept(
            framework,
            offer,
            operations=(
                UnsupportedOperation(type="RESERVE"),
                Launch(tasks=(trial.task("t", agent),)),
            ),
        )
    )

    assert list(trial.state.tasks) == [(framework, "t")]


def test_accept_without_operations_declines(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")

    trial.accepted(_accept(framework, offer, "c-O1-0-0", operations=()))

    assert not trial.state.offers
    assert trial.state.frameworks[framework].orphan_updates == ()


def test_accept_filters_what_is_left_of_its_offers(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")

    trial.accepted(
        _accept(framework, offer, tasks=[trial.task("t", agent)], refuse_ms=90_000)
    )

    (kept,) = trial.state.frameworks[framework].filters
    assert (kept.agent_id, kept.role) == (agent, "*")
    assert kept.resources == parse_resources("cpus:3")
