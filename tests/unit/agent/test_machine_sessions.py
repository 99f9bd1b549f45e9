"""Sessions with leader nodes: who is followed, who is fenced, what each is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.machine.effects import CloseSession, Send, Signal, SignalTask
from agent.machine.events import ProcessStarted, SessionLost, SessionOpened, Tick
from agent.machine.machine import REGISTRATION_TICKS_MAX
from agent.records import Identity
from agent.status_updates import RESEND_TICKS
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import (
    AgentHello,
    Dismissed,
    HeldTask,
    NodeHello,
    Registered,
    TaskDigest,
    TaskList,
    TaskListWanted,
    digest_of_tasks,
)
from raftleader.protocol.tasks import TaskState

S = TaskState


def hello(*, term: int = 1, leading: bool = True, cluster_id: str = "c") -> NodeHello:
    return NodeHello(cluster_id=cluster_id, node_id="n", term=term, leading=leading)


def test_session_opens_with_who_the_agent_is(make_driver: Callable[..., Any]) -> None:
    driver = make_driver()
    (effect,) = driver.do(SessionOpened(4))

    assert isinstance(effect, Send)
    assert effect.session == 4
    assert isinstance(effect.message, AgentHello)
    assert (effect.message.key, effect.message.agent_id) == ("k", "a1")


def test_registration_is_answered_with_the_digest_of_what_is_held(driver: Any) -> None:
    driver.run("b", "a")
    effects = driver.hear(Registered(term=1, agent_id="a1"))

    digest = digest_of_tasks([driver.key("a"), driver.key("b")])
    assert driver.sent(effects)[0] == TaskDigest(digest=digest)


def test_list_names_tasks_with_the_newest_state_until_the_end_is_committed(
    driver: Any,
) -> None:
    driver.run("b", "a")
    driver.do(ProcessStarted(driver.key("b"), driver.mark()))
    killed = driver.updates(driver.kill("never came"))

    effects = driver.hear(TaskListWanted(term=1))
    assert driver.sent(effects) == [
        TaskList(
            tasks=(
                HeldTask(framework_id="fw", task_id="a", state=S.STARTING),
                HeldTask(framework_id="fw", task_id="b", state=S.RUNNING),
                HeldTask(framework_id="fw", task_id="never came", state=S.KILLED),
            )
        )
    ]
    driver.commit(*killed)
    (listing,) = driver.sent(driver.hear(TaskListWanted(term=1)))
    assert [t.task_id for t in listing.tasks] == ["a", "b"]


def test_identity_is_kept_when_a_leader_gives_an_id(
    make_driver: Callable[..., Any],
) -> None:
    driver = make_driver()
    driver.machine.identity = Identity(key="k")
    driver.join()

    given = Identity(key="k", agent_id="a1", cluster_id="c")
    assert driver.turns[-1].identity == given
    driver.hear(Registered(term=1, agent_id="a1"))
    assert driver.turns[-1].identity is None


def test_node_of_another_cluster_is_refused(make_driver: Callable[..., Any]) -> None:
    driver = make_driver()
    driver.do(SessionOpened(1))
    effects = driver.hear(hello(cluster_id="other"))

    assert effects == [
        CloseSession(1, "leader node n is of cluster 'other', this agent of 'c'", True)
    ]
    assert driver.run("t") == []


def test_node_that_knows_no_cluster_yet_is_kept_but_not_followed(
    make_driver: Callable[..., Any],
) -> None:
    driver = make_driver()
    driver.do(SessionOpened(1))
    assert driver.hear(hello(cluster_id="", leading=False, term=0)) == []
    assert driver.hear(hello(cluster_id="")) == []
    assert driver.starts(driver.run("t")) == []

    assert driver.join(session=2) != []


def test_leader_of_a_lower_term_is_ignored(driver: Any) -> None:
    driver.join(session=2, term=5)
    driver.do(SessionLost(2))

    assert driver.run("t", term=4) == []
    assert driver.kill("t", term=4) == []
    assert driver.hear(hello(term=4)) == []
    assert driver.machine.leading is None
    assert driver.machine.fenced_count == 3


def test_message_of_a_higher_term_raises_the_fence(driver: Any) -> None:
    driver.run("t", term=3)

    assert driver.machine.term == 3
    assert driver.starts(driver.run("u", term=2)) == []


def test_only_the_leading_session_hears_updates(driver: Any) -> None:
    driver.join(session=2, term=2)
    effects = driver.hear(hello(term=1, leading=False), session=1)
    assert effects == []

    driver.machine.turn([], 0)
    effects = driver.do(Tick())
    effects += driver.kill("t", term=2)
    assert {e.session for e in effects if isinstance(e, Send)} <= {2}


def test_updates_are_sent_at_once_to_a_new_leader_that_registers_us(
    driver: Any,
) -> None:
    sent = driver.updates(driver.run("t"))
    driver.do(SessionLost(1))
    assert driver.updates(driver.kill("u")) == []

    effects = driver.join(session=2, term=2)
    assert driver.states(effects) == [("t", S.STARTING)]
    assert driver.updates(effects) == sent  # under the same uuid


def test_updates_wait_until_the_leader_has_registered_us(driver: Any) -> None:
    driver.run("t")
    driver.do(SessionOpened(2))

    assert driver.updates(driver.hear(hello(term=2), session=2)) == []
    effects = driver.hear(Registered(term=2, agent_id="a1"), session=2)
    assert driver.states(effects) == [("t", S.STARTING)]


def test_updates_are_sent_again_until_committed(driver: Any) -> None:
    updates = driver.updates(driver.run("t"))
    for _ in range(3):
        for _ in range(RESEND_TICKS - 1):
            assert driver.do(Tick()) == []
        assert driver.updates(driver.do(Tick())) == updates

    driver.commit(*updates)
    assert all(driver.do(Tick()) == [] for _ in range(3 * RESEND_TICKS))


def test_leader_that_does_not_register_us_is_dialled_anew(
    make_driver: Callable[..., Any],
) -> None:
    driver = make_driver()
    driver.do(SessionOpened(1))
    driver.hear(hello())

    effects = [e for _ in range(REGISTRATION_TICKS_MAX) for e in driver.do(Tick())]
    (close,) = effects
    assert isinstance(close, CloseSession)
    assert not close.is_refusal


def test_messages_of_a_closed_session_are_ignored(driver: Any) -> None:
    driver.do(SessionLost(1))
    assert driver.run("t") == []
    assert driver.machine.tasks.held == {}


def test_agent_that_is_dismissed_ends_all_it_runs(driver: Any) -> None:
    driver.run("t")
    driver.do(ProcessStarted(driver.key("t"), driver.mark()))
    driver.run_for("of-executor")
    run = driver.begin()
    driver.subscribe(run)

    effects = driver.hear(Dismissed(term=1, problem="Agent has been marked gone"))

    assert SignalTask(driver.key("t"), Signal.TERM) in effects
    assert driver.events(effects) == [executor_api.Shutdown()]
    assert CloseSession(1, "Agent has been marked gone", True, True) in effects


def test_dismissal_by_a_deposed_leader_is_nothing(driver: Any) -> None:
    driver.join(session=2, term=2)
    driver.run("t", term=2)

    assert driver.hear(Dismissed(term=1, problem="gone"), session=1) == []


def test_new_id_is_told_to_nodes_that_do_not_lead(
    make_driver: Callable[..., Any],
) -> None:
    """Else the next leader would register an agent that was declared gone meanwhile
    as one that was never here."""
    driver = make_driver()
    driver.machine.identity = Identity(key="k")
    driver.do(SessionOpened(1), SessionOpened(2))
    driver.hear(hello(), session=1)
    driver.hear(hello(leading=False), session=2)

    effects = driver.hear(Registered(term=1, agent_id="a7"), session=1)

    (told,) = [e for e in effects if isinstance(e, Send) and e.session == 2]
    assert isinstance(told.message, AgentHello)
    assert (told.message.agent_id, told.message.cluster_id) == ("a7", "c")
    again = driver.hear(Registered(term=1, agent_id="a7"), session=1)
    assert [e.session for e in again if isinstance(e, Send)] == [1]
