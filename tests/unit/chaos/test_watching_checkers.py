"""Each checker that watches a run passes what is right, and catches a violation.

Those that look at the cluster state are shown a real one, with a fault planted in it.
"""

from __future__ import annotations

import attrs
import pytest
from msgspec.structs import replace

from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.answered_committed import AnsweredIsCommitted
from chaos.checkers.callbacks_settled import CallbacksSettled
from chaos.checkers.committed_safe import CommittedSafe
from chaos.checkers.committed_stay import CommittedStay
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.deposed_harmless import DeposedHarmless
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.checkers.old_answers import OldAnswers
from chaos.checkers.one_leader import OneLeader
from chaos.checkers.one_vote import OneVote
from chaos.checkers.told_is_durable import ToldIsDurable
from chaos.checkers.updates_delivered import UpdatesDelivered
from raftleader.protocol.ids import FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Reserve, UnsupportedOperation
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import ExecutorType, Source, TaskState, TaskStatus
from raftleader.state import apply_accept
from raftleader.state.commands import Command, Entry, PassTime, decode_entry
from raftleader.state.launch_names import launch_name
from raftleader.state.outcomes import Accepted, Applied, Refusal, Rejected, Touched
from raftleader.state.trial import Trial, reserved

# --- the group ------------------------------------------------------------------


def test_one_leader_catches_a_second_one_in_a_term() -> None:
    checker = OneLeader()
    assert not [*checker.leads("a", 1), *checker.leads("b", 2), *checker.leads("a", 1)]
    assert checker.leads("b", 1) == ["b leads term 1, which a leads too"]


def test_one_vote_catches_a_second_one_in_a_term() -> None:
    checker = OneVote()
    assert not checker.voted("n1", 1, "a")
    assert not checker.voted("n1", 1, "a")
    assert not checker.voted("n2", 1, "b")
    assert checker.voted("n1", 1, "b") == [
        "n1 votes for b in term 1, as for a before",
    ]


def test_told_is_durable_catches_a_term_a_vote_or_an_entry_that_is_gone() -> None:
    checker = ToldIsDurable()
    assert not checker.restarted("n1", term=0, vote=None, last=(0, 0))
    checker.told_term("n1", 4)
    checker.voted("n1", 4, "n2")
    checker.acknowledged("n1", (3, 10))
    assert not checker.restarted("n1", term=4, vote="n2", last=(3, 10))
    assert not checker.restarted("n1", term=5, vote=None, last=(4, 2))
    assert checker.restarted("n1", term=3, vote=None, last=(3, 10)) == [
        "n1 is back in term 3, and was in 4 before"
    ]
    assert checker.restarted("n1", term=4, vote="n3", last=(3, 10)) == [
        "n1 is back in term 4 with its vote for n3, and gave it to n2 before"
    ]
    assert checker.restarted("n1", term=4, vote="n2", last=(3, 9)) == [
        "n1 is back with a log up to entry 9 of term 3, and acknowledged entry 10 of"
        " term 3"
    ]


def test_told_is_durable_catches_a_log_that_became_shorter() -> None:
    checker = ToldIsDurable()
    assert not checker.holds("n1", (1, 3))
    checker.acknowledged("n1", (3, 10))
    assert not checker.holds("n1", (3, 10))
    assert not checker.holds("n1", (4, 6))  # a newer leader has put it there
    assert checker.holds("n1", (3, 9)) == [
        "n1 has a log up to entry 9 of term 3, and acknowledged entry 10 of term 3"
    ]
    assert not checker.holds("n1", (3, 9))


def test_committed_stay_catches_another_entry_at_an_index() -> None:
    checker = CommittedStay()
    for node in ("a", "b"):
        assert not checker.applied(node, 1, 1, b"x")
        assert not checker.committed(node, 7, 2)
    assert checker.last_index == 1
    assert len(checker.applied("c", 1, 1, b"y")) == 1
    assert len(checker.applied("c", 1, 2, b"x")) == 1
    assert checker.committed("c", 7, 3) == [
        "c commits entry 7 of term 3, a that of term 2"
    ]


@attrs.frozen
class FakeLog:
    """Entries 1 to ``end[1]``, all of the term ``end[0]``."""

    end: tuple[int, int]
    voters: tuple[str, ...] = ("a", "b", "c")

    def has(self, index: int, term: int) -> bool:
        return index <= self.end[1] and term == self.end[0]


def test_committed_safe_catches_an_entry_that_a_majority_lacks() -> None:
    checker = CommittedSafe()
    logs = {"a": FakeLog((1, 5)), "b": FakeLog((1, 5)), "c": FakeLog((1, 4))}
    assert not checker.committed("a", 5, 1, logs)
    problems = checker.committed("a", 6, 1, logs | {"a": FakeLog((1, 6))})
    assert "which only a of a, b, c holds" in problems[0]
    assert "b, which lacks it, may be elected by b, c" in problems[1]


def test_committed_safe_catches_who_may_be_elected_without_the_entry() -> None:
    checker = CommittedSafe()
    logs = {"a": FakeLog((2, 5)), "b": FakeLog((2, 5)), "c": FakeLog((3, 1))}
    assert checker.committed("a", 5, 2, logs) == [
        "a commits entry 5 of term 2, and c, which lacks it, may be elected by a, b, c"
    ]


def test_committed_safe_catches_a_count_of_old_copies() -> None:
    checker = CommittedSafe()
    assert not checker.counted("a", 5, 2, leads=2)
    assert checker.counted("a", 5, 1, leads=2) == [
        "a leads term 2, and commits entry 5 of term 1 by counting copies"
    ]


def test_old_answers_catches_one_that_counts() -> None:
    checker = OldAnswers()
    same, other = {"b": (4, 5)}, {"b": (6, 7)}
    assert not checker.received("a", 1, "Reply", same, dict(same), is_refused=True)
    assert checker.received("a", 1, "Reply", same, same, is_refused=False)
    assert checker.received("a", 1, "Reply", same, other, is_refused=True)
    assert checker.seen == 3


def test_equal_digests_catches_a_difference() -> None:
    checker = EqualDigests()
    assert not checker.observed("a", 5, b"\x01")
    assert not checker.observed("b", 5, b"\x01")
    assert not checker.observed("b", 6, b"\x02")
    assert checker.compared == 1
    assert checker.observed("c", 5, b"\x02") == ["at index 5 c has digest 02, a 01"]


def test_answered_is_committed_catches_what_is_not_there_or_gone() -> None:
    checker = AnsweredIsCommitted()
    assert not checker.answered("a", 5, committed=5)
    assert checker.newest == 5
    assert not checker.read("b", asked_after=5, index=5)
    assert not checker.ended(5)
    assert checker.answered("a", 7, committed=6) == [
        "a answers for entry 7, which nobody has applied"
    ]
    assert checker.read("b", asked_after=5, index=4) == [
        "b answers from entry 4, though entry 5 had been answered or read before it was"
        " asked"
    ]
    assert not checker.read("b", asked_after=7, index=9)
    assert checker.newest == 9
    assert checker.ended(6) == ["entry 9 was answered, and the log ends at 6 now"]


def test_callbacks_settled_catches_one_that_is_called_twice_or_never() -> None:
    checker = CallbacksSettled()
    first, second, third = (checker.asked("life", "read", at) for at in (1.0, 2.0, 9.0))
    assert not checker.settled("life", first)
    assert checker.settled("life", first) == [f"callback {first} is called again"]
    assert checker.ended(5.0) == ["a read of 2.000 s was never answered"]
    assert not checker.settled("life", second)
    assert not checker.ended(5.0)
    assert checker.ended(10.0) == ["a read of 9.000 s was never answered"]
    checker.died("life")
    assert not checker.ended(10.0)
    assert checker.settled("life", third)


# --- the cluster ----------------------------------------------------------------


def entry_of(trial: Trial) -> Entry:
    """The newest one."""
    return decode_entry(trial.entries[-1][2])


def with_offer() -> tuple[Trial, FrameworkId, OfferId]:
    trial = Trial()
    agent = trial.register("cpus:4;mem:1024")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    return trial, framework, trial.offer(framework, agent, "cpus:2;mem:512")


def test_offers_accounted_passes_every_end_that_is_told() -> None:
    checker = OffersAccounted()
    trial, framework, offer = with_offer()
    assert not checker.applied(entry_of(trial), trial.state)
    trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    assert not checker.applied(entry_of(trial), trial.state)
    (agent,) = trial.state.agents
    trial.offer(framework, agent, "cpus:1")
    assert not checker.applied(entry_of(trial), trial.state)
    trial.pass_time(400_000)  # it expires
    assert not checker.applied(entry_of(trial), trial.state)
    assert checker.seen == 2


def test_offers_accounted_catches_one_that_is_forgotten() -> None:
    checker = OffersAccounted()
    trial, framework, offer = with_offer()
    checker.applied(entry_of(trial), trial.state)
    trial.begin_term(2, "n2")
    del trial.state.offers[offer]
    assert checker.applied(entry_of(trial), trial.state) == [
        f"entry {trial.state.index} forgets offer {offer} of {framework}"
    ]


def test_accepts_once_passes_a_repeated_accept() -> None:
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    command = trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    assert not checker.applied(entry_of(trial), trial.state)
    trial.accepted(command)
    assert not checker.applied(entry_of(trial), trial.state)
    assert checker.judged == 2
    assert checker.launched == {(framework, TaskId("t1"))}


def test_accepts_once_catches_a_task_without_an_answer() -> None:
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    del trial.state.tasks[framework, TaskId("t1")]
    assert checker.applied(entry_of(trial), trial.state) == [
        f"entry {trial.state.index}: task t1 is neither launched nor refused"
    ]


def test_accepts_once_catches_an_offer_that_is_used_twice() -> None:
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    assert not checker.applied(entry_of(trial), trial.state)
    agent = next(iter(trial.state.agents))
    other = trial.offer(framework, agent, "cpus:1")
    trial.launch(framework, other, "t2", resources="cpus:1")
    key = (framework, TaskId("t2"))
    row = trial.state.tasks[key]
    trial.state.tasks[key] = replace(row, offer_ids=(offer,))
    entry = entry_of(trial)
    (command,) = entry.commands
    forged: Command = replace(command, offer_ids=(offer,))
    assert checker.applied(replace(entry, commands=(forged,)), trial.state) == [
        f"offer {offer} is used by entry {trial.state.index}, as by entry"
        f" {trial.state.index - 2} before"
    ]


def test_accepts_once_catches_a_launch_that_is_refused_when_it_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply_accept, "_is_decided_task", lambda *_: False)
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    command = trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    assert not checker.applied(entry_of(trial), trial.state)
    launched = trial.state.index
    trial.accepted(command)
    assert checker.applied(entry_of(trial), trial.state) == [
        f"entry {trial.state.index} refuses task t1 for its offers, from which entry"
        f" {launched} has launched it"
    ]


def test_accepts_once_passes_a_task_id_that_is_used_with_an_offer_of_old() -> None:
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    command = trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    assert not checker.applied(entry_of(trial), trial.state)
    other = replace(command, offer_ids=(OfferId("never"),))
    trial.accepted(other)
    assert not checker.applied(entry_of(trial), trial.state)


def test_accepts_once_catches_a_group_that_is_launched_in_part() -> None:
    checker = AcceptsOnce()
    trial = Trial()
    agent = trial.register("cpus:4;mem:1024;disk:100")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4;mem:64;disk:100")
    executor = trial.executor(framework, "e", type=ExecutorType.DEFAULT)
    trial.launch_in(framework, offer, executor, "t1", "t2")
    whole = AcceptsOnce()
    assert not whole.applied(entry_of(trial), trial.state)
    del trial.state.tasks[framework, TaskId("t1")]
    name = launch_name("t1", (offer,))
    row = trial.state.frameworks[framework]
    trial.state.frameworks[framework] = replace(row, answered_launches=(name,))
    assert checker.applied(entry_of(trial), trial.state) == [
        f"entry {trial.state.index}: a group was launched in part"
    ]


def test_accepts_once_catches_an_operation_without_an_answer() -> None:
    checker = AcceptsOnce()
    trial, framework, offer = with_offer()
    operations = [UnsupportedOperation(id="o", type="X")]
    trial.accept(framework, offer, operations=operations)
    assert not checker.applied(entry_of(trial), trial.state)
    trial.state.operations.clear()
    assert checker.applied(entry_of(trial), trial.state) == [
        f"entry {trial.state.index}: operation o was not decided"
    ]


def test_no_resource_twice_counts_what_resources_were_made_of() -> None:
    checker = NoResourceTwice()
    trial = Trial()
    agent = trial.register("cpus:2;mem:64;disk:10")
    framework = trial.subscribe(roles=("a",))
    offer = trial.offer(framework, agent, "cpus:2;mem:64;disk:10", role="a")
    made = Resources.of({reserved("cpus", "a"): 1000})
    trial.accept(framework, offer, operations=[Reserve(resources=made)])
    offer = trial.offer(framework, agent, "cpus:1;mem:32;disk:10", role="a")
    executor = trial.executor(framework, "e", "mem:32", type=None)
    trial.launch_in(framework, offer, executor, "t")
    assert not checker.applied(trial.state.agents, trial.state)
    row = trial.state.agents[agent]
    assert row.used == Resources.of({"cpus": 1000, "mem": 32_000})
    trial.state.agents[agent] = replace(row, used=Resources.of({"cpus": 1000}))
    (problem,) = checker.applied(trial.state.agents, trial.state)
    assert "the account says" in problem


def test_no_resource_twice_catches_what_is_given_twice() -> None:
    checker = NoResourceTwice()
    trial, framework, offer = with_offer()
    state = trial.state
    assert not checker.applied(state.agents, state)
    assert not checker.everything(state)
    copy = OfferId("copy")
    state.offers[copy] = replace(state.offers[offer], id=copy)
    state.offers_by_agent[state.offers[offer].agent_id][copy] = None
    assert len(checker.applied(state.agents, state)) == 1
    (agent,) = state.agents.values()
    state.agents[agent.id] = replace(agent, offered=agent.offered + agent.offered)
    assert not checker.applied(state.agents, state)  # 4 of 4 cpus: it just fits
    state.offers[copy] = replace(state.offers[copy], resources=agent.info.resources)
    state.agents[agent.id] = replace(
        agent, offered=agent.offered + agent.info.resources
    )
    (problem,) = checker.applied(state.agents, state)
    assert problem.endswith("are given")
    assert checker.everything(state)
    assert framework


def test_launches_once_catches_a_second_start_and_one_without_a_launch() -> None:
    checker = LaunchesOnce()
    key = (FrameworkId("f"), TaskId("t"))
    assert not checker.started("a1", key, 1.0, {key})
    assert not checker.started("a2", key, 2.0, {key})
    assert checker.started("a1", key, 3.0, {key}) == [
        "a1 starts t of f again; it did at 1.000 s"
    ]
    assert checker.started("a3", key, 4.0, ()) == [
        "a3 starts t, whose launch is not committed"
    ]
    assert checker.ended(["t9"]) == ["the launch of t9 has not reached its agent"]


def test_updates_delivered_catches_gaps_and_inventions() -> None:
    checker = UpdatesDelivered()
    trial, framework, offer = with_offer()
    trial.launch(framework, offer, "t1", resources="cpus:1;mem:64")
    key = (framework, TaskId("t1"))
    for state in (TaskState.RUNNING, TaskState.FINISHED):
        trial.report(framework, "t1", state)
    checker.applied([key], [framework], trial.state)
    running, finished = trial.state.tasks[key].pending
    assert checker.heard(framework, finished) == [
        f"t1 of {framework}: update 2 (TASK_FINISHED) came after update 0"
    ]
    assert not checker.heard(framework, running)
    assert checker.delivered == 1
    unknown = TaskStatus(
        task_id=TaskId("t1"),
        state=TaskState.LOST,
        source=Source.LEADER,
        uuid=b"0123456789abcdef",
    )
    assert checker.heard(framework, unknown) == ["t1 TASK_LOST is in no log"]
    assert len(checker.heard(FrameworkId("other"), running)) == 1
    assert checker.ended(["t1"]) == ["t1 has not arrived"]


def test_deadlines_durable_passes_a_removal_in_time() -> None:
    checker = DeadlinesDurable()
    trial, framework, _ = with_offer()
    assert not checker.applied(entry_of(trial), trial.state, 0.0)
    trial.begin_term(2, "n2")
    assert not checker.applied(entry_of(trial), trial.state, 1.0)
    trial.pass_time(60_000)
    assert framework in trial.state.removed_frameworks
    assert not checker.applied(entry_of(trial), trial.state, 61.0)


def test_deadlines_durable_catches_what_is_moved_or_early() -> None:
    checker = DeadlinesDurable()
    trial, framework, offer = with_offer()
    checker.applied(entry_of(trial), trial.state, 0.0)
    trial.begin_term(2, "n2")
    checker.applied(entry_of(trial), trial.state, 0.0)
    state = trial.state
    row = state.frameworks[framework]
    assert row.deadline_ms is not None
    state.frameworks[framework] = replace(row, deadline_ms=row.deadline_ms - 1)
    state.offers[offer] = replace(state.offers[offer], expires_ms=5)
    problems = checker.applied(None, state, 0.0)
    assert [problem.split(" from ")[0] for problem in problems] == [
        f"entry {state.index} moves the end of offer {offer}",
        f"entry {state.index} moves the deadline of {framework}",
    ]
    del state.frameworks[framework]
    del state.offers[offer]
    (problem,) = checker.applied(None, state, 0.0)
    assert problem.startswith(f"entry {state.index} removes {framework} at")
    state.frameworks[framework] = row
    (problem,) = checker.applied(None, state, 0.0)
    assert problem == f"{framework} was removed, and is registered again"


def test_deadlines_durable_catches_a_clock_that_jumps() -> None:
    checker = DeadlinesDurable()
    trial = Trial()
    assert not checker.applied(entry_of(trial), trial.state, 0.0)
    trial.now_ms += 3_600_000
    trial.apply(PassTime())
    (problem,) = checker.applied(entry_of(trial), trial.state, 1.0)
    assert "3600000 ms in 1.000 s" in problem
    trial.state.clock_ms = 0
    assert checker.applied(None, trial.state, 2.0) == [
        f"cluster time goes back at entry {trial.state.index}"
    ]


def test_deposed_harmless_catches_an_entry_that_counts() -> None:
    checker = DeposedHarmless()
    entry = Entry(term=2, node="n1", now_ms=1, commands=())  # type: ignore[arg-type]
    accepted = Applied(index=1, outcomes=(Accepted(),), touched=Touched())
    refused = Applied(
        index=2, outcomes=(Rejected(refusal=Refusal.STALE_TERM),), touched=Touched()
    )
    assert not checker.applied(entry, 2, accepted)
    assert not checker.applied(replace(entry, term=1), 1, refused)
    assert checker.applied(replace(entry, term=1), 1, accepted) == [
        "entry 1 of n1, made in term 1, counts in term 2"
    ]
    assert checker.fenced == 2


def test_deposed_harmless_catches_an_agent_that_obeys() -> None:
    checker = DeposedHarmless()
    assert not checker.ordered("a1", 2, 2, ["StartTask"])
    assert not checker.ordered("a1", 1, 2, [])
    assert checker.ordered("a1", 1, 2, ["StartTask"]) == [
        "a1 obeys an order of term 1 after one of 2: StartTask"
    ]
