"""PassTime is proposed when the next deadline in the log has come."""

from __future__ import annotations

import attrs
import pytest
import trio

from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.submitting import Settled
from raftleader.leader.tickets import PendingTicket
from raftleader.leader.timers import LOOK_S_MAX, LOOK_S_MIN, Timers
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.state.cluster import ClusterState, Framework
from raftleader.state.commands import Command, PassTime
from raftleader.state.outcomes import Accepted, Touched


@attrs.define
class Passed:
    """Applies PassTime at once: what is due goes. Remembers when, in ms."""

    state: ClusterState
    clock: ClusterClock
    at_ms: list[int] = attrs.field(factory=list)

    def __call__(self, command: Command, told: Settled | None = None) -> PendingTicket:
        assert isinstance(command, PassTime)
        now_ms = self.clock.now_ms()
        self.at_ms.append(now_ms)
        self.state.frameworks = {
            framework_id: framework
            for framework_id, framework in self.state.frameworks.items()
            if framework.deadline_ms is None or framework.deadline_ms > now_ms
        }
        ticket = PendingTicket(command, 0, trio.current_time(), told)
        ticket.settle(Accepted())
        return ticket


def make() -> tuple[ClusterState, Timers, Passed]:
    state = ClusterState(cluster_id="c")
    clock = ClusterClock(monotonic_s=trio.current_time, wall_ms=lambda: 0)
    clock.now_ms()  # its zero is now
    passed = Passed(state, clock)
    return state, Timers(state, clock=clock, submit=passed), passed


def disconnect(state: ClusterState, deadline_ms: int) -> None:
    state.frameworks["f"] = Framework(
        id="f",
        info=FrameworkInfo(user="u", name="f"),
        registered_ms=0,
        subscribed_ms=0,
        subscription=1,
        connected=False,
        deadline_ms=deadline_ms,
    )


@pytest.mark.parametrize("deadline_ms", [0, 1, 20, 49, 50, 51, 999, 1_020, 3_000])
async def test_time_passes_soon_after_a_deadline_and_never_before(
    deadline_ms, autojump_clock
):
    state, timers, passed = make()
    disconnect(state, deadline_ms)
    with trio.move_on_after(10):
        await timers.run()
    assert len(passed.at_ms) == 1
    late_ms = passed.at_ms[0] - deadline_ms
    assert 0 <= late_ms <= LOOK_S_MIN * 1000 + 1


async def test_a_deadline_that_begins_between_two_looks_is_not_slept_over(
    autojump_clock,
):
    state, timers, passed = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        await trio.sleep(LOOK_S_MAX + 0.3)
        disconnect(state, 1_310)
        timers.on_applied(Touched(frameworks=frozenset({"f"})))
        await trio.sleep(LOOK_S_MIN * 2)
        assert len(passed.at_ms) == 1
        nursery.cancel_scope.cancel()
