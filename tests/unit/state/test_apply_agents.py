from __future__ import annotations

import pytest

from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.outcomes import Accepted, Refusal, Registration, Rejected
from raftleader.state.trial import Trial

PARTITION_AWARE = {"capabilities": ("PARTITION_AWARE",)}


def _info(resources: str = "cpus:4", **fields: object) -> AgentInfo:
    return AgentInfo(
        **{"hostname": "h", "ip": "127.0.0.1", "port": 5051, **fields},
        resources=parse_resources(resources),
    )


def test_register_agent_is_idempotent_by_key(trial: Trial) -> None:
    first = trial.one(c.RegisterAgent(key="k", info=_info()))
    trial.now_ms += 1_000
    again = trial.one(c.RegisterAgent(key="k", info=_info(), agent_id="c-S2-0"))

    assert first == again == Accepted(value=Registration(agent_id="c-S2-0"))
    row = trial.state.agents["c-S2-0"]
    assert (row.registered_ms, row.reregistered_ms) == (1_000, 2_000)
    assert trial.state.capacity == {"cpus": 4000}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (c.RegisterAgent(key="", info=_info()), "key"),
        (c.RegisterAgent(key="k", info=_info(hostname="")), "hostname"),
        (c.RegisterAgent(key="k", info=_info(), agent_id="c-S7-0"), "c-S7-0"),
        (
            c.RegisterAgent(
                key="k",
                info=AgentInfo(
                    hostname="h",
                    ip="",
                    port=1,
                    resources=Resources(scalars={"cpus": -1}),
                ),
            ),
            "cpus",
        ),
        (
            c.RegisterAgent(
                key="k",
                info=AgentInfo(
                    hostname="h",
                    ip="",
                    port=1,
                    resources=Resources(ranges={"ports": ((5, 9), (1, 2))}),
                ),
            ),
            "ascending",
        ),
        (
            c.RegisterAgent(
                key="k", info=_info(";".join(f"r{i}:1" for i in range(65)))
            ),
            "65",
        ),
    ],
)
def test_register_agent_is_rejected_when_it_cannot_be_trusted(
    trial: Trial, command: c.RegisterAgent, words: str
) -> None:
    outcome = trial.one(command)
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.INVALID_AGENT
    assert words in outcome.message
    assert not trial.state.agents


def test_register_agent_rescinds_offers_when_it_shrank(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:3"), "t")
    offer = trial.offer(framework, agent, "cpus:3")

    trial.register("cpus:3;mem:100")

    assert offer not in trial.state.offers
    row = trial.state.agents[agent]
    assert not row.shrunk
    assert row.free == parse_resources("cpus:2;mem:100")


def test_agent_has_nothing_free_while_its_tasks_hold_more_than_it_has(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    trial.launch(framework, offer, "a", "b", resources="cpus:2")

    trial.register("cpus:3")
    assert trial.state.agents[agent].shrunk
    assert not trial.state.agents[agent].free

    trial.report(framework, "a", TaskState.FINISHED)
    assert not trial.state.agents[agent].shrunk
    assert trial.state.agents[agent].free == parse_resources("cpus:1")


def test_register_agent_clears_long_filters_when_its_attributes_change(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    trial.accepted(
        c.DeclineOffers(framework_id=framework, offer_ids=(offer,), refuse_ms=600_000)
    )

    trial.register("cpus:4")
    assert trial.state.frameworks[framework].filters
    trial.register("cpus:4", attributes=(Attribute(name="rack", text="r1"),))
    assert not trial.state.frameworks[framework].filters


def test_mark_unreachable_keeps_tasks_of_partition_aware_frameworks(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(**PARTITION_AWARE)
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "t")
    trial.report(framework, "t", TaskState.RUNNING)
    offer = trial.offer(framework, agent, "cpus:1")
    trial.now_ms = 7_000

    trial.accepted(c.MarkUnreachable(agent_ids=(agent, agent, "c-S9-9")))

    task = trial.state.tasks[framework, "t"]
    assert task.state is TaskState.UNREACHABLE
    newest = task.pending[-1]
    assert newest.reason is Reason.AGENT_REMOVED
    assert (newest.unreachable_ms, newest.timestamp_ms) == (7_000, 7_000)
    assert newest.agent_id == agent
    assert newest.uuid is not None and len(newest.uuid) == 16
    assert len(task.pending) == 2
    row = trial.state.agents[agent]
    assert row.used.scalars == {"cpus": 1000}
    assert not row.free
    assert offer not in trial.state.offers
    assert trial.state.capacity == {}


def test_mark_unreachable_loses_tasks_of_other_frameworks(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "t")

    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))

    task = trial.state.tasks[framework, "t"]
    assert task.state is TaskState.LOST
    assert trial.state.agents[agent].used.scalars == {}
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert update.state is TaskState.LOST


def test_returning_agent_brings_its_tasks_back_when_it_reports_them(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(**PARTITION_AWARE)
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")
    first = trial.report(framework, "t", TaskState.RUNNING)
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))

    assert trial.register("cpus:4") == agent
    assert trial.state.tasks[framework, "t"].state is TaskState.UNREACHABLE
    assert len(queries.unreachable_tasks(trial.state, agent)) == 1

    trial.report(framework, "t", TaskState.RUNNING, uuid=first)  # an old one
    assert trial.state.tasks[framework, "t"].state is TaskState.UNREACHABLE
    trial.report(framework, "t", TaskState.RUNNING, uuid=b"n" * 16)

    task = trial.state.tasks[framework, "t"]
    assert task.state is TaskState.RUNNING
    assert [s.state.name for s in task.pending] == ["RUNNING", "UNREACHABLE", "RUNNING"]
    assert [s.state.name for s in task.statuses] == ["UNREACHABLE", "RUNNING"]
    assert trial.state.agents[agent].free.scalars == {"cpus": 3000}
