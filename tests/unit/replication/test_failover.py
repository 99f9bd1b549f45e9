"""Leaders die, are cut off and come back; nothing answered is lost."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import NotLeaderError, OutcomeUnknownError, RaftLeaderError
from raftleader.replication.settings import RaftSettings


async def test_leader_crash_loses_nothing_answered(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        answered = []
        for life in range(6):
            leader = await lab.cluster.leader(timeout_s=5)
            for number in range(10):
                command = b"%d.%d" % (life, number)
                await leader.log.propose(command, timeout_s=5)
                answered.append(command)
            await lab.cluster.crash(leader.node_id)
            leader = await lab.cluster.leader(timeout_s=5)
            assert leader.commands == answered
            await lab.cluster.start(*_dead(lab))
        await lab.cluster.settle(timeout_s=5)
        for node in lab.cluster.running:
            assert node.commands == answered


def _dead(lab: Any) -> list[str]:
    return [name for name, node in lab.cluster.nodes.items() if not node.is_running]


async def test_leader_crash_has_a_successor_within_an_election_timeout(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        for _ in range(10):
            leader = await lab.cluster.leader(timeout_s=5)
            await trio.sleep(0.2)
            died_at = trio.current_time()
            await lab.cluster.crash(leader.node_id)
            successor = await lab.cluster.leader(timeout_s=5)
            await successor.log.propose(b"x", timeout_s=1)
            assert trio.current_time() - died_at < 0.45
            await lab.cluster.start(leader.node_id)


async def test_silent_leader_has_a_successor_too(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    """No end of a link is seen, as when a machine loses its power."""
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await trio.sleep(0.5)
        others = lab.others(leader.node_id)
        silent_at = trio.current_time()
        for other in others:
            lab.plan.silence(leader.node_id, other)
            lab.plan.silence(other, leader.node_id)
        successor = await lab.cluster.leader(among=others, timeout_s=5)
        await successor.log.propose(b"x", timeout_s=1)
        assert trio.current_time() - silent_at < 1.0


async def test_isolated_leader_steps_down_and_its_proposals_fail(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        others = lab.others(leader.node_id)
        await leader.log.propose(b"before", timeout_s=5)
        led = leader.log.leadership
        lab.isolate(leader.node_id)
        cut_at = trio.current_time()
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"in the cut", timeout_s=30)
        assert trio.current_time() - cut_at < 0.6  # told at once, not at its timeout
        assert not leader.log.leadership.leading
        with pytest.raises(NotLeaderError):
            await leader.log.propose(b"refused", timeout_s=5)

        successor = await lab.cluster.leader(among=others, timeout_s=5)
        assert successor.log.leadership.term > led.term
        await successor.log.propose(b"after", timeout_s=5)
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=5)
        assert leader.log.leadership.leader == successor.node_id
        for node in lab.cluster.running:
            assert node.commands == [b"before", b"after"]


async def test_proposals_in_flight_fail_when_a_deposed_leader_is_told(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    """A leader that can still send hears of its successor by a refusal."""
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        others = lab.others(leader.node_id)
        outcomes: list[str] = []

        async def propose(number: int) -> None:
            try:
                await leader.log.propose(b"%d" % number, timeout_s=60)
            except RaftLeaderError as error:
                outcomes.append(type(error).__name__)

        for other in others:
            lab.plan.silence(leader.node_id, other)
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(propose, number)
            await lab.cluster.leader(among=others, timeout_s=5)
            lab.plan.heal_all()
        assert outcomes == ["OutcomeUnknownError"] * 10
        assert not leader.log.leadership.leading


async def test_follower_restart_does_not_disturb_the_leader(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        led = leader.log.leadership
        for follower in lab.others(leader.node_id):
            await lab.cluster.crash(follower)
            await leader.log.propose(b"x", timeout_s=5)
            await trio.sleep(3)
            await lab.cluster.start(follower)
            await lab.cluster.settle(timeout_s=1)
            assert lab.cluster.nodes[follower].commands == leader.commands
        await trio.sleep(1)
        assert leader.log.leadership == led


async def test_follower_that_was_cut_off_does_not_depose_the_leader(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        led = leader.log.leadership
        lab.isolate(lab.others(leader.node_id)[0])
        await trio.sleep(20)
        await leader.log.propose(b"x", timeout_s=5)
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=3)
        await trio.sleep(2)
        assert leader.log.leadership == led


async def test_links_come_back_soon_after_a_silent_partition(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    """Nothing says that the links are dead; they are replaced all the same."""
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        cut = lab.others(leader.node_id)[0]
        for other in lab.others(cut):
            lab.plan.half_open(cut, other)
        await trio.sleep(60)
        await leader.log.propose(b"x", timeout_s=5)
        assert cut not in leader.log.statistics().peers_connected
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=2.5)


async def test_cluster_without_a_majority_answers_nothing(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.crash(*lab.others(leader.node_id))
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"lonely", timeout_s=10)
        await trio.sleep(5)
        assert not leader.log.leadership.leading
        term = leader.log.leadership.term
        await trio.sleep(60)
        assert leader.log.leadership.term == term  # probes do not raise it
        await lab.cluster.start(*lab.others(leader.node_id))
        again = await lab.cluster.leader(timeout_s=5)
        await again.log.propose(b"together", timeout_s=5)


async def test_proposal_times_out_as_unknown(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        lab.isolate(leader.node_id)
        started_at = trio.current_time()
        with pytest.raises(OutcomeUnknownError, match=r"not committed within 0\.1 s"):
            await leader.log.propose(b"slow", timeout_s=0.1)
        assert trio.current_time() - started_at == pytest.approx(0.1)


async def test_node_far_behind_catches_up_in_messages_of_bounded_size(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    """Also with a conflicting tail, where PySyncObj resends everything for ever."""
    settings = RaftSettings(append_bytes_max=4096, window_bytes_max=16 * 1024)
    async with laboratory(settings=settings) as lab:
        await lab.cluster.start()
        old = await lab.cluster.leader(timeout_s=5)
        lab.isolate(old.node_id)
        async with trio.open_nursery() as nursery:

            async def lose(number: int) -> None:
                with pytest.raises(OutcomeUnknownError):
                    await old.log.propose(b"lost%d" % number, timeout_s=5)

            for number in range(20):
                nursery.start_soon(lose, number)
        leader = await lab.cluster.leader(among=lab.others(old.node_id), timeout_s=5)
        for number in range(300):
            await leader.log.propose(b"%d" % number + bytes(1000), timeout_s=5)
        await leader.log.propose(bytes(50_000), timeout_s=5)  # larger than a message
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=5)
        assert old.commands == leader.commands
        assert len(old.commands) == 301


async def test_lossy_links_lose_nothing_answered(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        lab.plan.drop("*", "*", probability=0.02)
        await lab.cluster.start()
        answered: list[bytes] = []
        for number in range(200):
            try:
                leader = await lab.cluster.leader(timeout_s=5)
                await leader.log.propose(b"%d" % number, timeout_s=5)
                answered.append(b"%d" % number)
            except RaftLeaderError:
                pass
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=10)
        assert len(answered) > 150
        for node in lab.cluster.running:
            assert [c for c in node.commands if c in set(answered)] == answered
