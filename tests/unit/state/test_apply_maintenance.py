from __future__ import annotations

import pytest

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import Unavailability
from raftleader.protocol.operator_values import MachineId, MachineMode, Window
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.cluster import InverseAnswer
from raftleader.state.inverse_offers import next_inverse_deadline_ms
from raftleader.state.machines import (
    agents_on,
    is_machine_down,
    machine_mode,
    unavailability_of,
)
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.trial import Trial

SOON = Unavailability(start_ns=5_000, duration_ns=1)
LATER = Unavailability(start_ns=9_000)
HOST = MachineId(hostname="host-k1")


@pytest.fixture
def trial() -> Trial:
    return Trial()


def _schedule(
    trial: Trial, *machines: MachineId, unavailability: Unavailability = SOON
) -> None:
    windows = (Window(machines=machines, unavailability=unavailability),)
    trial.accepted(o.SetSchedule(windows=windows if machines else ()))


def _problem(trial: Trial, command: c.Command, refusal: Refusal) -> str:
    outcome = trial.one(command)
    assert isinstance(outcome, Rejected) and outcome.refusal is refusal, outcome
    return outcome.message


@pytest.mark.parametrize(
    ("machine", "matches"),
    [
        (MachineId(hostname="Host-K1"), True),
        (MachineId(ip="127.0.0.1"), True),
        (MachineId(hostname="host-k1", ip="127.0.0.1"), True),
        (MachineId(hostname="host-k1", ip="127.0.0.2"), False),
        (MachineId(hostname="host-k2"), False),
    ],
)
def test_machine_is_that_of_an_agent_by_name_or_address(
    trial: Trial, machine: MachineId, matches: bool
) -> None:
    agent = trial.register("cpus:1")
    _schedule(trial, machine)
    info = trial.state.agents[agent].info
    assert unavailability_of(trial.state, info) == (SOON if matches else None)
    found = [row.id for row in agents_on(trial.state, trial.state.windows[0].machines)]
    assert found == ([agent] if matches else [])


def test_closest_name_of_a_machine_counts(trial: Trial) -> None:
    agent = trial.register("cpus:1")
    windows = (
        Window(machines=(MachineId(ip="127.0.0.1"),), unavailability=LATER),
        Window(machines=(HOST,), unavailability=SOON),
    )
    trial.accepted(o.SetSchedule(windows=windows))
    assert unavailability_of(trial.state, trial.state.agents[agent].info) == SOON


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        (
            (Window(machines=(), unavailability=SOON),),
            "List of machines in the maintenance window is empty",
        ),
        (
            (
                Window(
                    machines=(HOST,),
                    unavailability=Unavailability(start_ns=1, duration_ns=-1),
                ),
            ),
            "Unavailability 'duration' is negative",
        ),
        (
            (Window(machines=(MachineId(),), unavailability=SOON),),
            "Both 'hostname' and 'ip' for a machine are empty",
        ),
        (
            (Window(machines=(MachineId(ip="x"),), unavailability=SOON),),
            "Failed to parse the IP 'x'",
        ),
        (
            (
                Window(machines=(HOST,), unavailability=SOON),
                Window(machines=(MachineId(hostname="HOST-K1"),), unavailability=SOON),
            ),
            """Machine '{"hostname":"host-k1"}' appears more than once in the""",
        ),
        (
            (Window(machines=(HOST,), unavailability=Unavailability(start_ns=2**63)),),
            "Unavailability is not a time in nanoseconds",
        ),
    ],
)
def test_schedule_is_refused_when_it_makes_no_sense(
    trial: Trial, windows: tuple[Window, ...], words: str
) -> None:
    command = o.SetSchedule(windows=windows)
    assert _problem(trial, command, Refusal.INVALID_SCHEDULE).startswith(words)


def test_new_schedule_rescinds_offers_of_its_machines_only(trial: Trial) -> None:
    one, two = trial.register("cpus:1"), trial.register("cpus:1", key="k2")
    framework = trial.subscribe()
    offer, other = (
        trial.offer(framework, one, "cpus:1"),
        trial.offer(framework, two, "cpus:1"),
    )
    _schedule(trial, HOST)
    assert list(trial.state.offers) == [other]
    again = trial.offer(framework, one, "cpus:1")
    _schedule(trial, HOST)  # nothing is new for the agent
    assert again in trial.state.offers
    _schedule(trial, HOST, unavailability=LATER)
    assert again not in trial.state.offers
    rescinds = trial.state.frameworks[framework].rescinds
    assert [r.offer_id for r in rescinds] == [offer, again]


def test_framework_is_asked_to_leave_as_long_as_it_is_there(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework, _ = trial.subscribe(), trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "t1", "t2")
    assert not trial.state.inverse_offers

    applied = trial.apply(
        o.SetSchedule(windows=(Window(machines=(HOST,), unavailability=SOON),))
    )

    (row,) = trial.state.inverse_offers.values()
    assert (row.framework_id, row.agent_id) == (framework, agent)
    assert row.unavailability == SOON
    assert set(applied.touched.inverse_offers) == {row.id}
    trial.report(framework, "t1", TaskState.FINISHED)
    assert row.id in trial.state.inverse_offers
    trial.report(framework, "t2", TaskState.FINISHED)
    assert not trial.state.inverse_offers
    rescinds = trial.state.frameworks[framework].rescinds
    assert [(r.offer_id, r.is_inverse) for r in rescinds] == [(row.id, True)]


def test_framework_is_asked_when_it_starts_something_on_a_machine_to_leave(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    _schedule(trial, HOST)
    assert not trial.state.inverse_offers
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    assert len(trial.state.inverse_offers) == 1


def test_question_changes_with_the_schedule_and_goes_with_the_framework(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    _schedule(trial, HOST)
    (first,) = trial.state.inverse_offers
    _schedule(trial, HOST, unavailability=LATER)
    (second,) = trial.state.inverse_offers.values()
    assert second.id != first and second.unavailability == LATER
    trial.accepted(c.TeardownFramework(framework_id=framework))
    assert not trial.state.inverse_offers


def test_question_goes_with_the_agent_and_comes_with_it(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=("PARTITION_AWARE",))
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    trial.report(framework, "t1", TaskState.RUNNING)
    _schedule(trial, HOST)
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    assert not trial.state.inverse_offers
    trial.register("cpus:4")
    assert len(trial.state.inverse_offers) == 1


def test_answer_is_remembered_and_the_question_repeated_after_its_time(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework, other = trial.subscribe(), trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    _schedule(trial, HOST)
    (asked,) = trial.state.inverse_offers
    foreign = c.AnswerInverseOffers(
        framework_id=other, inverse_offer_ids=(asked,), is_accepted=False
    )
    trial.accepted(foreign)
    assert asked in trial.state.inverse_offers

    trial.accepted(
        c.AnswerInverseOffers(
            framework_id=framework,
            inverse_offer_ids=(asked, "c-I1-0-0"),
            is_accepted=True,
            refuse_ms=5_000,
        )
    )

    assert not trial.state.inverse_offers
    assert trial.state.inverse_answers[agent] == (
        InverseAnswer(
            framework_id=framework, is_accepted=True, at_ms=1_000, until_ms=6_000
        ),
    )
    assert next_inverse_deadline_ms(trial.state) == 6_000
    trial.pass_time(4_999)
    assert not trial.state.inverse_offers
    trial.pass_time(1)
    (again,) = trial.state.inverse_offers
    assert again != asked
    assert next_inverse_deadline_ms(trial.state) is None
    (answer,) = trial.state.inverse_answers[agent]
    assert answer.is_accepted and not answer.until_ms
    _schedule(trial)
    assert not trial.state.inverse_offers and not trial.state.inverse_answers


def test_answers_of_a_framework_go_with_it(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    _schedule(trial, HOST)
    trial.accepted(
        c.AnswerInverseOffers(
            framework_id=framework,
            inverse_offer_ids=tuple(trial.state.inverse_offers),
            is_accepted=False,
        )
    )
    assert agent in trial.state.inverse_answers
    trial.accepted(c.TeardownFramework(framework_id=framework))
    assert not trial.state.inverse_answers


def test_machine_goes_down_and_comes_up_again(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=("PARTITION_AWARE",))
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    _schedule(trial, HOST)
    trial.offer(framework, agent, "cpus:1")

    trial.accepted(o.StartMaintenance(machines=(MachineId(hostname="Host-k1"),)))

    assert machine_mode(trial.state, HOST) is MachineMode.DOWN
    row = trial.state.agents[agent]
    assert is_machine_down(trial.state, row.info)
    assert row.unreachable_ms == 1_000
    assert not trial.state.offers and not trial.state.inverse_offers
    (status,) = trial.state.tasks[framework, "t1"].pending
    assert (status.state, status.reason) == (TaskState.LOST, Reason.AGENT_REMOVED)
    assert status.message == (
        "Agent host-k1 removed: Operator initiated 'Machine DOWN'"
    )
    hello = c.RegisterAgent(key="k1", info=row.info, agent_id=agent)
    assert _problem(trial, hello, Refusal.MACHINE_DOWN) == "Machine is `DOWN`"
    fresh = c.RegisterAgent(key="new", info=row.info)
    assert _problem(trial, fresh, Refusal.MACHINE_DOWN) == "Machine is `DOWN`"
    assert _problem(trial, o.SetSchedule(windows=()), Refusal.INVALID_SCHEDULE) == (
        """Machine '{"hostname":"host-k1"}' is deactivated and cannot be removed"""
        " from the schedule"
    )

    trial.accepted(o.StopMaintenance(machines=(HOST,)))

    assert (trial.state.windows, trial.state.down_machines) == ((), ())
    assert machine_mode(trial.state, HOST) is None
    trial.accepted(hello)
    assert trial.state.agents[agent].unreachable_ms is None


def test_maintenance_is_refused_when_the_machine_is_in_the_wrong_mode(
    trial: Trial,
) -> None:
    def problem(command: c.Command) -> str:
        return _problem(trial, command, Refusal.INVALID_MACHINES)

    start, stop = (
        o.StartMaintenance(machines=(HOST,)),
        o.StopMaintenance(machines=(HOST,)),
    )
    text = """Machine '{"hostname":"host-k1"}'"""
    assert problem(o.StartMaintenance(machines=())) == "List of machines is empty"
    assert problem(start) == f"{text} is not part of a maintenance schedule"
    _schedule(trial, HOST)
    assert problem(stop) == f"{text} is not in DOWN mode and cannot be brought up"
    twice = o.StartMaintenance(machines=(HOST, HOST))
    assert problem(twice) == f"{text} appears more than once in the schedule"
    trial.accepted(start)
    assert problem(start) == (
        f"{text} is not in DRAINING mode and cannot be brought down"
    )


def test_agent_that_moves_to_another_machine_is_asked_for_anew(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    _schedule(trial, HOST)
    offer = trial.offer(framework, agent, "cpus:1")
    old = trial.state.agents[agent].info
    moved = AgentInfo(hostname="else", ip="10.0.0.9", port=1, resources=old.resources)

    trial.accepted(c.RegisterAgent(key="k1", info=moved, agent_id=agent))

    assert offer not in trial.state.offers
    assert not trial.state.inverse_offers
