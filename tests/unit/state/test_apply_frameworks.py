from __future__ import annotations

import pytest

from raftleader.limits import FAILOVER_TIMEOUT_S_MAX, ROLES_MAX
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.tasks import TaskState
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.outcomes import Accepted, Refusal, Rejected, Subscription
from raftleader.state.trial import Trial


def _info(**fields: object) -> FrameworkInfo:
    return FrameworkInfo(**{"user": "user", "name": "name", **fields})


def test_subscribe_gives_an_id_from_the_place_in_the_log(trial: Trial) -> None:
    applied = trial.apply(
        c.SubscribeFramework(info=_info()), c.SubscribeFramework(info=_info())
    )

    values = [o.value for o in applied.outcomes if isinstance(o, Accepted)]
    assert [v.framework_id for v in values if isinstance(v, Subscription)] == [
        "c-F2-0",
        "c-F2-1",
    ]
    assert trial.state.frameworks["c-F2-1"].info.id == "c-F2-1"


def test_subscribe_gives_a_growing_number_to_each_subscription(trial: Trial) -> None:
    framework = trial.subscribe(failover_timeout_ms=60_000)
    first = trial.state.frameworks[framework].subscription

    trial.subscribe(framework_id=framework, failover_timeout_ms=60_000)

    assert trial.state.frameworks[framework].subscription > first


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"roles": ()}, "must be set"),
        ({"roles": ("a", "b")}, "MULTI_ROLE"),
        ({"roles": ("a", "a"), "capabilities": ("MULTI_ROLE",)}, "duplicate"),
        (
            {
                "roles": tuple(f"r{n}" for n in range(ROLES_MAX + 1)),
                "capabilities": ("MULTI_ROLE",),
            },
            "more than 1000 roles",
        ),
        ({"roles": ("a b",)}, "Role 'a b' is invalid"),
        ({"roles": ("../x",)}, "Role '../x' is invalid"),
        ({"failover_timeout_ms": -1}, "failover_timeout"),
        (
            {"failover_timeout_ms": int(FAILOVER_TIMEOUT_S_MAX * 1000) + 1},
            "failover_timeout",
        ),
    ],
)
def test_subscribe_is_rejected_when_the_framework_is_invalid(
    trial: Trial, info: dict[str, object], words: str
) -> None:
    outcome = trial.one(c.SubscribeFramework(info=_info(**info)))

    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.INVALID_FRAMEWORK
    assert words in outcome.message
    assert not trial.state.frameworks


def test_subscribe_is_rejected_when_it_suppresses_a_foreign_role(trial: Trial) -> None:
    outcome = trial.one(
        c.SubscribeFramework(info=_info(roles=("web",)), suppressed_roles=("db",))
    )
    assert isinstance(outcome, Rejected)
    assert "Suppressed roles" in outcome.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"principal": "other"}, "Changing framework's principal is not allowed."),
        ({"user": "other"}, "Updating 'FrameworkInfo.user' is unsupported"),
        ({"checkpoint": True}, "Updating 'FrameworkInfo.checkpoint' is unsupported"),
    ],
)
def test_resubscribe_is_rejected_when_it_changes_what_is_fixed(
    trial: Trial, change: dict[str, object], words: str
) -> None:
    framework = trial.subscribe()

    outcome = trial.one(
        c.SubscribeFramework(info=_info(**change), framework_id=framework)
    )

    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.INVALID_FRAMEWORK
    assert words in outcome.message


def test_subscribe_takes_over_an_id_that_was_never_seen(trial: Trial) -> None:
    assert trial.subscribe(framework_id="older-0001") == "older-0001"


@pytest.mark.parametrize("framework_id", ["", "a/b", "x" * 300])
def test_subscribe_is_rejected_when_the_id_cannot_be_one(
    trial: Trial, framework_id: str
) -> None:
    outcome = trial.one(c.SubscribeFramework(info=_info(), framework_id=framework_id))
    assert isinstance(outcome, Rejected)
    assert outcome.message.startswith("Framework ID")


def test_subscribe_gives_another_id_when_the_next_one_was_claimed(
    trial: Trial,
) -> None:
    trial.subscribe(framework_id="c-F3-0")
    assert trial.subscribe() == "c-F3-0-x"


def test_resubscribe_connects_again_and_clears_filters(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    offer = trial.offer(framework, agent, "cpus:4")
    trial.apply(
        c.DeclineOffers(
            framework_id=framework, offer_ids=(offer,), refuse_ms=3_600_000
        ),
        c.SuppressRoles(framework_id=framework),
    )
    trial.begin_term(2, "n2")
    assert trial.state.frameworks[framework].filters

    trial.subscribe(framework_id=framework, failover_timeout_ms=60_000)

    row = trial.state.frameworks[framework]
    assert row.connected
    assert (row.deadline_ms, row.filters, row.suppressed_roles) == (None, (), ())


def test_resubscribe_rescinds_offers_when_their_role_is_gone(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    both = {"roles": ("a", "b"), "capabilities": ("MULTI_ROLE",)}
    framework = trial.subscribe(**both)
    for_a = trial.offer(framework, agent, "cpus:1", role="a")
    for_b = trial.offer(framework, agent, "cpus:1", role="b")

    trial.subscribe(framework_id=framework, roles=("b",))

    assert set(trial.state.offers) == {for_b}
    (rescinded,) = trial.state.frameworks[framework].rescinds
    assert rescinded.offer_id == for_a


def test_disconnect_starts_the_failover_timeout_and_keeps_offers_for_a_moment(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    offer = trial.offer(framework, agent, "cpus:4")
    subscription = trial.state.frameworks[framework].subscription

    trial.accepted(
        c.DisconnectFramework(framework_id=framework, subscription=subscription)
    )

    row = trial.state.frameworks[framework]
    assert (row.connected, row.deadline_ms) == (False, 61_000)
    assert offer in trial.state.offers
    assert queries.next_deadline_ms(trial.state) == 6_000
    trial.pass_time(4_999)
    assert offer in trial.state.offers
    trial.pass_time(1)
    assert not trial.state.offers
    (rescinded,) = trial.state.frameworks[framework].rescinds
    assert rescinded.offer_id == offer
    assert queries.next_deadline_ms(trial.state) == 61_000


def test_offers_stay_when_their_framework_is_back_in_time(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    offer = trial.offer(framework, agent, "cpus:4")
    subscription = trial.state.frameworks[framework].subscription
    trial.accepted(
        c.DisconnectFramework(framework_id=framework, subscription=subscription)
    )

    trial.pass_time(4_999)
    trial.subscribe(framework_id=framework, failover_timeout_ms=60_000)
    trial.pass_time(60_000)

    assert offer in trial.state.offers


def test_offers_of_who_does_not_come_back_to_a_new_leader_are_rescinded(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(failover_timeout_ms=600_000)
    offer = trial.offer(framework, agent, "cpus:4")
    trial.begin_term(2, "n2")

    trial.pass_time(19_999)
    assert offer in trial.state.offers
    trial.pass_time(1)
    assert not trial.state.offers
    assert framework in trial.state.frameworks


def test_disconnect_is_void_when_a_later_subscription_exists(trial: Trial) -> None:
    framework = trial.subscribe()
    old = trial.state.frameworks[framework].subscription
    trial.subscribe(framework_id=framework)

    trial.accepted(c.DisconnectFramework(framework_id=framework, subscription=old))

    assert trial.state.frameworks[framework].connected


def test_disconnect_does_not_move_a_running_deadline(trial: Trial) -> None:
    framework = trial.subscribe(failover_timeout_ms=60_000)
    subscription = trial.state.frameworks[framework].subscription
    leave = c.DisconnectFramework(framework_id=framework, subscription=subscription)
    trial.accepted(leave)
    trial.now_ms += 30_000
    trial.accepted(leave)
    assert trial.state.frameworks[framework].deadline_ms == 61_000


def test_framework_without_failover_timeout_is_due_at_once(trial: Trial) -> None:
    framework = trial.subscribe()
    subscription = trial.state.frameworks[framework].subscription
    trial.apply(
        c.DisconnectFramework(framework_id=framework, subscription=subscription),
        c.PassTime(),
    )
    assert framework in trial.state.removed_frameworks


def test_removed_framework_is_refused_and_its_tasks_are_killed(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:2"), "live", "ended")
    trial.report(framework, "live", TaskState.RUNNING)
    trial.report(framework, "ended", TaskState.FINISHED)
    offer = trial.offer(framework, agent, "cpus:1")

    trial.accepted(c.TeardownFramework(framework_id=framework))

    state = trial.state
    assert offer not in state.offers
    assert list(state.tasks) == [(framework, "live")]
    (doomed,) = queries.wanted_kills(state, agent)
    assert doomed.pending == ()
    assert state.agents[agent].used.scalars == {"cpus": 1000}
    again = trial.one(c.SubscribeFramework(info=_info(), framework_id=framework))
    assert again == Rejected(
        refusal=Refusal.FRAMEWORK_REMOVED, message="Framework has been removed"
    )

    trial.report(framework, "live", TaskState.KILLED)

    assert not state.tasks
    assert not state.completed_tasks
    assert state.agents[agent].free.scalars == {"cpus": 4000}


@pytest.mark.parametrize(
    "command",
    [
        c.TeardownFramework(framework_id="c-F9-9"),
        c.DisconnectFramework(framework_id="c-F9-9", subscription=1),
        c.ReviveRoles(framework_id="c-F9-9"),
        c.SuppressRoles(framework_id="c-F9-9"),
        c.AcceptOffers(framework_id="c-F9-9", offer_ids=()),
        c.DeclineOffers(framework_id="c-F9-9", offer_ids=()),
        c.KillTask(framework_id="c-F9-9", task_id="t"),
        c.AcknowledgeUpdate(framework_id="c-F9-9", task_id="t", uuid=b""),
    ],
)
def test_commands_are_rejected_when_the_framework_is_unknown(
    trial: Trial, command: c.Command
) -> None:
    assert trial.one(command) == Rejected(
        refusal=Refusal.UNKNOWN_FRAMEWORK, message="Framework cannot be found"
    )


def test_suppress_and_revive_work_role_by_role(trial: Trial) -> None:
    framework = trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))

    trial.accepted(c.SuppressRoles(framework_id=framework))
    assert trial.state.frameworks[framework].suppressed_roles == ("a", "b")
    trial.accepted(c.ReviveRoles(framework_id=framework, roles=("a",)))
    assert trial.state.frameworks[framework].suppressed_roles == ("b",)
    trial.accepted(c.ReviveRoles(framework_id=framework))
    assert trial.state.frameworks[framework].suppressed_roles == ()


def test_suppress_is_void_as_a_whole_when_one_role_is_foreign(trial: Trial) -> None:
    framework = trial.subscribe(roles=("a",))
    trial.accepted(c.SuppressRoles(framework_id=framework, roles=("a", "x")))
    assert trial.state.frameworks[framework].suppressed_roles == ()


def test_revive_clears_long_filters_of_the_role(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))
    for role in ("a", "b"):
        offer = trial.offer(framework, agent, "cpus:4", role=role)
        trial.accepted(
            c.DeclineOffers(
                framework_id=framework, offer_ids=(offer,), refuse_ms=600_000
            )
        )

    trial.accepted(c.ReviveRoles(framework_id=framework, roles=("a",)))

    assert [f.role for f in trial.state.frameworks[framework].filters] == ["b"]
