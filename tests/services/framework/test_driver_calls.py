"""The driver against scripted leaders: calls and acknowledgements."""

from __future__ import annotations

import pytest
import trio

from raftleader.errors import ApiError, OutcomeUnknownError, UnavailableError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.handlers import Scheduler
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Decline,
    Error,
    Kill,
    Reconcile,
    ReconcileTask,
    Rescind,
    Teardown,
)
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState


def task(name):
    return TaskInfo(
        name=name,
        task_id=name,
        agent_id="agent-1",
        resources=Resources.of({"cpus": 100}),
        command=CommandInfo(value="true"),
    )


def names(node):
    return [type(call).__name__ for call in node.calls]


async def wait_offer(driver):
    await trio.sleep(0.01)
    assert driver.outstanding_offers


async def test_calls_say_what_was_asked(autojump_clock, cluster, recorder):
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send(cluster.offers("o-1", "o-2"))
        await wait_offer(driver)
        await driver.accept(["o-1"], [task("t-1")], refuse_s=0)
        await driver.decline(["o-2"], refuse_s=60)
        await driver.kill("t-1", "agent-1", grace_s=1.5)
        await driver.reconcile([ReconcileTask(task_id="t-1")])
        assert driver.statistics().calls == 4
        assert not driver.outstanding_offers
    assert cluster["a"].calls == [
        Accept(
            framework_id="f-1",
            offer_ids=("o-1",),
            operations=(Launch(tasks=(task("t-1"),)),),
            refuse_ms=0,
        ),
        Decline(framework_id="f-1", offer_ids=("o-2",), refuse_ms=60_000),
        Kill(framework_id="f-1", task_id="t-1", agent_id="agent-1", grace_ms=1500),
        Reconcile(framework_id="f-1", tasks=(ReconcileTask(task_id="t-1"),)),
    ]


async def test_accept_is_repeated_at_the_next_leader_when_its_answer_is_lost(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        await cluster["a"].send(cluster.offers("o-1"))
        await wait_offer(driver)
        cluster["a"].lose.append("Accept")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.accept, ["o-1"], [task("t-1")])
            await trio.sleep(0.01)
            cluster["a"].crash()
            cluster.roles(b="leads", c="follows b")
        assert cluster["a"].calls == cluster["b"].calls
        assert len(cluster["b"].calls) == 1
        # The offer comes again (it was on its way): it is used already.
        await cluster["b"].send(cluster.offers("o-1"))
        await trio.sleep(0.1)
        assert not driver.outstanding_offers
        assert [h for h in recorder.heard if h[0] == "offers"] == [("offers", "o-1")]
        assert driver.statistics().calls_repeated == 1


@pytest.mark.parametrize(
    "answer",
    [
        ("403 Forbidden", "Framework is not subscribed"),
        ("400 Bad Request", "The stream ID does not match"),
        ("503 Unavailable", "No leader elected"),
    ],
)
async def test_call_is_repeated_when_the_stream_was_over(
    autojump_clock, cluster, recorder, answer
):
    async with cluster.driver(recorder, "a") as driver:
        cluster["a"].refuse["Kill"] = answer
        await driver.kill("t-1")
        assert names(cluster["a"]) == ["Kill", "Kill"]


async def test_call_waits_for_a_leader_that_redirects_it(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster.roles(a="follows b", b="leads", c="follows b")
        await driver.kill("t-1")
        assert names(cluster["b"]) == ["Kill"]


async def test_call_that_is_wrong_raises_at_once(autojump_clock, cluster, recorder):
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send(cluster.offers("o-1"))
        await wait_offer(driver)
        cluster["a"].refuse["Accept"] = ("400 Bad Request", "accept.operations: no")
        with pytest.raises(ApiError, match="operations: no"):
            await driver.accept(["o-1"], [task("t-1")])
        assert list(driver.outstanding_offers) == ["o-1"]  # it did not happen


async def test_call_raises_unavailable_when_no_leader_comes(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, call_timeout_s=5.0) as driver:
        for name in "abc":
            cluster[name].crash()
        start_s = trio.current_time()
        with pytest.raises(UnavailableError):
            await driver.kill("t-1")
        assert trio.current_time() - start_s == 5.0


async def test_call_raises_outcome_unknown_when_its_time_ends_before_its_answer_comes(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a", call_timeout_s=2.0) as driver:
        cluster["a"].role = "deaf"
        start_s = trio.current_time()
        with pytest.raises(OutcomeUnknownError, match="no answer in time"):
            await driver.kill("t-1")
        assert trio.current_time() - start_s == 2.0


async def test_call_raises_outcome_unknown_when_it_may_have_been_taken(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a", call_timeout_s=5.0) as driver:
        cluster["a"].crash_on.append("Kill")
        with pytest.raises(OutcomeUnknownError):
            await driver.kill("t-1")
        assert names(cluster["a"]) == ["Kill"]


async def test_call_to_a_leader_that_never_answers_goes_to_the_next(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster.roles(a="deaf", b="leads", c="follows b")
        await driver.kill("t-1")
        assert names(cluster["b"]) == ["Kill"]


async def test_call_to_a_paused_leader_is_repeated_as_soon_as_that_is_noticed(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster.roles(a="paused", b="leads", c="follows b")
        start_s = trio.current_time()
        await driver.kill("t-1")
        assert trio.current_time() - start_s < 3.2  # silence 2 s, probe 1 s
        assert names(cluster["b"]) == ["Kill"]


async def test_many_calls_wait_together_and_leave_in_order(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(driver.kill, f"t-{number}")
        assert {call.task_id for call in cluster["a"].calls} == {
            f"t-{number}" for number in range(300)
        }
        assert len({host for _, host in cluster.dialled}) == 1
        assert len(cluster.dialled) == 3  # probes, stream, calls


async def test_calls_fail_once_the_driver_has_stopped(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        driver.stop()
        await trio.sleep(0.1)
        with pytest.raises(UnavailableError, match="stopped"):
            await driver.kill("t-1")


async def test_teardown_ends_run(autojump_clock, cluster, recorder):
    driver = cluster.driver(recorder, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run)
        await trio.sleep(0.1)
        await driver.teardown()
    assert isinstance(cluster["a"].calls[0], Teardown)


async def test_teardown_succeeds_when_only_its_answer_was_lost(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        cluster["a"].lose.append("Teardown")
        cluster["a"].first_events = [Error(message="Framework has been removed")]
        await driver.teardown()


async def test_updates_are_acknowledged_after_the_handler_returned(
    autojump_clock, cluster
):
    class Slow(Scheduler):
        async def update(self, driver, status):
            await trio.sleep(1)
            assert not cluster["a"].calls

    async with cluster.driver(Slow(), "a"):
        await cluster["a"].send(cluster.update("t-1", number=5))
        await trio.sleep(1.1)
    assert cluster["a"].calls == [
        Acknowledge(
            framework_id="f-1",
            agent_id="agent-1",
            task_id="t-1",
            uuid=(5).to_bytes(16, "big"),
        )
    ]


async def test_update_that_comes_again_is_acknowledged_but_not_delivered(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        for _ in range(3):
            await cluster["a"].send(cluster.update("t-1", number=5))
        await cluster["a"].send(cluster.update("t-1", TaskState.FINISHED, number=6))
        await trio.sleep(0.1)
        assert recorder.heard[1:] == [
            ("update", "t-1", TaskState.RUNNING),
            ("update", "t-1", TaskState.FINISHED),
        ]
        statistics = driver.statistics()
        assert (statistics.updates, statistics.updates_repeated) == (2, 2)
        assert statistics.acknowledgements == 4


async def test_update_without_uuid_is_not_acknowledged(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a"):
        await cluster["a"].send(cluster.update("t-1"))
        await trio.sleep(0.1)
        assert recorder.heard[-1] == ("update", "t-1", TaskState.RUNNING)
    assert cluster["a"].calls == []


async def test_explicit_acknowledgement_is_left_to_the_handler(autojump_clock, cluster):
    class Explicit(Scheduler):
        def __init__(self):
            self.updates = 0

        async def update(self, driver, status):
            self.updates += 1
            if self.updates == 2:
                await driver.acknowledge(status)

    scheduler = Explicit()
    async with cluster.driver(scheduler, "a", automatic_acknowledgement=False):
        for _ in range(3):
            await cluster["a"].send(cluster.update("t-1", number=5))
        await trio.sleep(0.1)
    assert scheduler.updates == 2  # the third was recognised
    assert names(cluster["a"]) == ["Acknowledge", "Acknowledge"]


async def test_acknowledgements_are_pipelined_and_repeated_when_busy(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        cluster["a"].refuse["Acknowledge"] = ("503 Unavailable", "too busy")
        await cluster["a"].send(
            *[cluster.update(f"t-{n}", number=n) for n in range(1, 1001)]
        )
        await trio.sleep(1)
        assert driver.statistics().acknowledgements == 1000
        assert len(cluster["a"].calls) == 1001
        assert len(cluster.dialled) == 3


async def test_a_handler_may_wait_for_a_call_during_a_failover(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")

    class Killer(Scheduler):
        async def update(self, driver, status):
            cluster["a"].crash()
            cluster.roles(b="leads", c="follows b")
            await driver.kill(status.task_id)

    async with cluster.driver(Killer()):
        await cluster["a"].send(cluster.update("t-1", number=5))
        await trio.sleep(0.2)
        assert names(cluster["b"]) == ["Kill", "Acknowledge"]


async def test_an_offer_rescinded_while_it_waits_is_not_delivered(
    autojump_clock, cluster
):
    class Slow(Scheduler):
        seen: list = []  # noqa: RUF012 - one instance

        async def update(self, driver, status):
            await trio.sleep(1)

        async def offers(self, driver, offers):
            self.seen.extend(offer.id for offer in offers)

    async with cluster.driver(Slow(), "a"):
        await cluster["a"].send(
            cluster.update("t-1"),
            cluster.offers("o-1", "o-2"),
            Rescind(offer_id="o-1"),
        )
        await trio.sleep(2)
    assert Slow.seen == ["o-2"]


async def test_an_error_of_a_handler_comes_out_as_it_is(autojump_clock, cluster):
    class Broken(Scheduler):
        async def update(self, driver, status):
            raise LookupError("bug")

    with pytest.raises(LookupError, match="bug"):
        async with cluster.driver(Broken(), "a"):
            await cluster["a"].send(cluster.update("t-1"))
            await trio.sleep_forever()


async def test_call_on_its_way_when_the_session_ends_may_have_happened(
    autojump_clock, cluster, recorder
):
    """Another instance takes over just then: its DECLINE was taken all the same."""
    node = cluster["a"]
    node.lose = ["Decline"]
    async with trio.open_nursery() as nursery:
        driver = cluster.driver(recorder, "a")
        nursery.start_soon(driver_that_ends, driver)
        await trio.sleep(0.1)
        await node.send(cluster.offers("o-1"))
        await wait_offer(driver)
        node.first_events = [Error(message="Framework failed over")]
        with pytest.raises(FrameworkEndedError) as caught:
            await driver.decline(["o-1"], refuse_s=60)
    assert not caught.value.definite
    assert names(node) == ["Decline"]
    assert not driver.outstanding_offers


async def driver_that_ends(driver):
    with pytest.raises(FrameworkEndedError):
        await driver.run()


async def test_teardown_succeeds_while_acknowledgements_wait(
    autojump_clock, cluster, recorder
):
    node = cluster["a"]

    async def lead_again():
        await trio.sleep(0.2)
        node.role = "leads"

    driver = cluster.driver(recorder, "a")
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run)
        node.refuse["Acknowledge"] = ("503 Unavailable", "busy")
        await node.send(cluster.update("t-1", number=1))
        await trio.sleep(0.01)
        await node.send(cluster.update("t-2", number=2))
        await trio.sleep(0.01)
        node.crash_on.append("Teardown")
        node.first_events = [Error(message="Framework has been removed")]
        nursery.start_soon(lead_again)
        await driver.teardown()
    assert names(node) == ["Acknowledge", "Teardown"]


async def test_call_that_may_have_been_taken_stays_in_doubt_when_the_driver_stops(
    autojump_clock, cluster, recorder
):
    node = cluster["a"]
    node.crash_on.append("Kill")
    async with cluster.driver(recorder, "a") as driver, trio.open_nursery() as nursery:

        async def stop() -> None:
            await trio.sleep(1.0)
            driver.stop()

        nursery.start_soon(stop)
        with pytest.raises(OutcomeUnknownError, match="may have been done"):
            await driver.kill("t-1")
    assert names(node) == ["Kill"]


async def test_call_in_doubt_stays_so_when_its_repetition_is_refused(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster["a"].crash_on.append("Kill")
        cluster["b"].refuse["Kill"] = ("400 Bad Request", "kill.task_id: no")

        async def lead() -> None:
            await trio.sleep(0.5)
            cluster.roles(b="leads", c="follows b")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lead)
            with pytest.raises(OutcomeUnknownError, match="task_id: no"):
                await driver.kill("t-1")
