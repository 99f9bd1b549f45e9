"""The driver against scripted leaders: finding them, losing them, coming back."""

from __future__ import annotations

import pytest
import trio

from raftleader.errors import ApiError, ConfigError, InvalidInputError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.protocol.scheduler_api import Error, Heartbeat, Rescind, Revive


async def test_driver_subscribes_at_the_node_a_redirect_names(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="follows c", b="follows c", c="leads")
    async with cluster.driver(recorder, "a") as driver:
        assert driver.leader == "c:1"
        assert driver.framework_id == "f-1"
        await trio.sleep(0.1)
    assert recorder.heard == [("subscribed", "f-1")]
    assert len(cluster["c"].subscribes) == 1
    assert cluster["c"].subscribes[0].framework_id is None


async def test_driver_waits_for_an_election_and_subscribes_soon_after(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="none", b="none", c="down")
    async with trio.open_nursery() as nursery:
        driver = cluster.driver(recorder)
        nursery.start_soon(driver.run)
        await trio.sleep(0.3)
        assert recorder.heard == []
        cluster.roles(b="leads", a="follows b")
        await trio.sleep(0.05)
        assert recorder.heard == [("subscribed", "f-1")]
        driver.stop()


async def test_driver_asks_rarely_when_the_outage_is_long(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="none", b="none", c="none")
    with trio.move_on_after(60):
        await cluster.driver(recorder).run()
    probes = len(cluster.dialled)
    assert probes <= 3  # connections are kept
    cluster.roles(a="down", b="down", c="down")
    cluster.dialled.clear()
    with trio.move_on_after(60):
        await cluster.driver(recorder).run()
    assert 60 < len(cluster.dialled) < 320  # three nodes about once a second


async def test_driver_resubscribes_with_its_id_when_the_leader_dies(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        await trio.sleep(1)
        cluster["a"].crash()
        cluster.roles(b="none", c="none")
        await trio.sleep(0.2)
        cluster.roles(b="follows c", c="leads")
        await trio.sleep(0.05)
        assert recorder.heard == [
            ("subscribed", "f-1"),
            ("disconnected",),
            ("resubscribed", "f-1"),
        ]
        assert cluster["c"].subscribes[0].framework_id == "f-1"
        assert cluster["c"].subscribes[0].framework_info.id == "f-1"
        (gap,) = driver.statistics().leaderless_s
        assert 0.2 <= gap <= 0.25
        assert driver.statistics().failovers == 1


async def test_driver_follows_a_leader_that_closes_the_stream(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster.roles(a="follows b", b="leads", c="follows b")
        await cluster["a"].streams[0].send_all(b"0\r\n\r\n")
        await trio.sleep(0.05)
        assert driver.leader == "b:1"


async def test_driver_gives_up_a_paused_leader_within_seconds(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        cluster.roles(a="paused", b="leads", c="follows b")
        start_s = trio.current_time()
        await trio.sleep(3.5)
        assert driver.leader == "b:1"
        assert recorder.heard[-1] == ("resubscribed", "f-1")
        assert recorder.times[-1] - start_s <= 3.1  # silence 2 s, probe 1 s


async def test_driver_keeps_a_silent_leader_that_answers_probes(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        for _ in range(5):
            await trio.sleep(10)
            await cluster["a"].send(Heartbeat())
        assert driver.leader == "a:1"
        assert recorder.heard == [("subscribed", "f-1")]


async def test_driver_resubscribes_after_three_missed_heartbeats(
    autojump_clock, cluster, recorder
):
    cluster["a"].heartbeat_s = 4.0
    async with cluster.driver(recorder, "a"):
        start_s = trio.current_time()
        await trio.sleep(11.9)
        assert ("disconnected",) not in recorder.heard
        await trio.sleep(1.0)
        assert recorder.heard[1:] == [("disconnected",), ("resubscribed", "f-1")]
        assert recorder.times[1] - start_s == pytest.approx(12.0, abs=0.1)


async def test_driver_is_not_held_up_by_a_node_that_answers_nothing(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="paused", b="paused", c="leads")
    async with cluster.driver(recorder) as driver:
        assert driver.leader == "c:1"
        assert trio.current_time() < 0.15


async def test_driver_moves_on_when_subscribe_is_not_answered(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="deaf", b="follows a", c="follows a")
    async with trio.open_nursery() as nursery:
        driver = cluster.driver(recorder)
        nursery.start_soon(driver.run)
        await trio.sleep(1)
        cluster.roles(a="follows b", b="leads", c="follows b")
        await trio.sleep(4.2)
        assert driver.leader == "b:1"
        # The SUBSCRIBE given up is carried out late and throws out its successor.
        await cluster["b"].send(Error(message="Framework failed over"))
        await trio.sleep(0.1)
        assert driver.leader == "b:1"
        assert len(cluster["b"].subscribes) == 2
        driver.stop()


@pytest.mark.parametrize(
    "message", ["Framework failed over", "Framework has been removed", "Bad role"]
)
async def test_driver_ends_when_the_leader_sends_error(
    autojump_clock, cluster, recorder, message
):
    with pytest.raises(FrameworkEndedError, match=message):
        async with cluster.driver(recorder):
            await cluster["a"].send(Error(message=message))
            await trio.sleep_forever()
    assert recorder.heard[-1] == ("error", message)


async def test_driver_ends_when_subscribe_is_refused(autojump_clock, cluster, recorder):
    cluster["a"].refuse["Subscribe"] = ("400 Bad Request", "no such role")
    with pytest.raises(ApiError, match="no such role"):
        async with cluster.driver(recorder, "a"):
            pytest.fail("not subscribed")


async def test_driver_ends_when_the_first_event_is_error(
    autojump_clock, cluster, recorder
):
    cluster["a"].first_events = [Error(message="Framework has been removed")]
    with pytest.raises(FrameworkEndedError):
        await cluster.driver(recorder, "a").run()
    assert recorder.heard == [("error", "Framework has been removed")]


async def test_driver_tries_again_when_subscribe_is_answered_503(
    autojump_clock, cluster, recorder
):
    cluster["a"].refuse["Subscribe"] = ("503 Unavailable", "")
    async with cluster.driver(recorder, "a"):
        assert len(cluster["a"].subscribes) == 2


async def test_driver_skips_an_event_it_cannot_read(
    autojump_clock, cluster, recorder, caplog
):
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send_bytes(b'20\n{"type":"UPDATE", 1}')
        await cluster["a"].send(cluster.offers("o-1"))
        await trio.sleep(0.1)
        assert recorder.heard[-1] == ("offers", "o-1")
        assert driver.statistics().failovers == 0
    assert "could not be read" in caplog.text


async def test_driver_resubscribes_when_the_framing_is_broken(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send_bytes(b"twenty\n{}")
        await trio.sleep(0.1)
        assert driver.statistics().failovers == 1


async def test_offers_carried_over_a_failover_are_not_delivered_twice(
    autojump_clock, cluster, recorder
):
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        await cluster["a"].send(cluster.offers("o-1", "o-2"), cluster.offers("o-3"))
        await trio.sleep(0.1)
        cluster["a"].crash()
        cluster.roles(b="leads", c="follows b")
        await trio.sleep(0.1)
        await cluster["b"].send(
            cluster.offers("o-1", "o-3", "o-4"), Rescind(offer_id="o-2")
        )
        await trio.sleep(0.1)
        assert recorder.heard == [
            ("subscribed", "f-1"),
            ("offers", "o-1", "o-2"),
            ("offers", "o-3"),
            ("disconnected",),
            ("resubscribed", "f-1"),
            ("offers", "o-4"),
            ("rescinded", "o-2"),
        ]
        assert list(driver.outstanding_offers) == ["o-1", "o-3", "o-4"]
        assert driver.statistics().offers_carried == (2,)
        assert driver.statistics().offers == 4


async def test_offers_a_new_leader_forgot_are_rescinded_at_the_second_heartbeat(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send(cluster.offers("o-1", "o-2"))
        await trio.sleep(0.1)
        await cluster["a"].streams[-1].send_all(b"0\r\n\r\n")
        await trio.sleep(0.1)
        await cluster["a"].send(cluster.offers("o-2"))
        await trio.sleep(1)
        assert list(driver.outstanding_offers) == ["o-1", "o-2"]
        await cluster["a"].send(Heartbeat())
        await trio.sleep(0.1)
        assert list(driver.outstanding_offers) == ["o-2"]
        assert recorder.heard[-1] == ("rescinded", "o-1")


async def test_suppression_is_told_again_on_resubscription(
    autojump_clock, cluster, recorder
):
    async with cluster.driver(recorder, "a") as driver:
        await driver.suppress()
        await cluster["a"].streams[-1].send_all(b"0\r\n\r\n")
        await trio.sleep(0.1)
        await driver.revive()
        await cluster["a"].streams[-1].send_all(b"0\r\n\r\n")
        await trio.sleep(0.1)
    roles = [call.suppressed_roles for call in cluster["a"].subscribes]
    assert roles == [(), ("eng",), ()]
    assert isinstance(cluster["a"].calls[-1], Revive)


def test_driver_refuses_addresses_that_are_none(recorder):
    from raftleader.framework.driver import SchedulerDriver
    from raftleader.protocol.frameworks import FrameworkInfo

    info = FrameworkInfo(user="u", name="n")
    with pytest.raises(ConfigError):
        SchedulerDriver([], info, recorder)
    for address in ("localhost", "localhost:http", ":5050", "h:99999"):
        with pytest.raises(InvalidInputError):
            SchedulerDriver([address], info, recorder)
