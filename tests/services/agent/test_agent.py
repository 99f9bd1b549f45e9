"""A whole agent with scripted tasks and a scripted leader, on a virtual clock."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import trio

from agent.checkpoint import read_checkpoint
from agent.config import AgentConfig
from agent.containerizer.fake import FakeContainerizer, Script
from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import EndCommitted
from agent.recovery import recover
from agent.service import run_agent
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.protocol.agent_rpc import TaskDigest, digest_of_tasks
from raftleader.protocol.tasks import CommandInfo, Reason, TaskState

S = TaskState
COMMAND = CommandInfo(value="scripted")
KEY = ("fw", "t")
FOREVER = Script(duration_s=1e9)


async def test_task_runs_and_is_reported(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer(lambda launch: Script(duration_s=3.0))
    async with world.agent(fake):
        await leader.wait(lambda it: it.heard[1:])
        assert leader.heard[1] == TaskDigest(digest=digest_of_tasks([]))
        await leader.run("t", COMMAND)
        end = await leader.wait_state("t", S.FINISHED)

    assert leader.states("t") == [S.STARTING, S.RUNNING, S.FINISHED]
    assert (end.agent_id, end.timestamp_ms) == ("a1", 1_000)
    assert fake.starts == [KEY]


async def test_launch_that_is_repeated_for_ever_starts_once(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader(is_committing=False)
    fake = FakeContainerizer(lambda launch: FOREVER)
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        for _ in range(20):
            await leader.run("t", COMMAND)
            await trio.sleep(5)
    assert fake.starts == [KEY]


async def test_updates_reach_the_next_leader_when_the_first_is_gone(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    first = await world.add_leader("n1", is_committing=False)
    second = await world.add_leader("n2", is_leading=False)
    fake = FakeContainerizer(
        lambda launch: Script(duration_s=1.0, exit=ProcessExit(code=3))
    )
    async with world.agent(fake):
        await first.wait(lambda it: it.links)
        await first.run("t", COMMAND)
        await first.wait_state("t", S.STARTING)
        await trio.sleep(2)
        assert second.statuses == []
        world.network.close_links("n1")
        second.is_leading, second.term = True, 2
        begun = trio.current_time()
        await second.greet(second.links[-1])
        await second.wait_state("t", S.FAILED)
        assert trio.current_time() - begun < 0.1
    assert second.states("t") == [S.STARTING, S.RUNNING, S.FAILED]


async def test_deposed_leader_is_not_obeyed(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    old = await world.add_leader("n1", term=4)
    new = await world.add_leader("n2", term=5)
    fake = FakeContainerizer()
    async with world.agent(fake):
        await trio.sleep(1)
        await old.run("t", COMMAND)
        await old.kill("u")
        await new.run("v", COMMAND)
        await new.wait_state("v", S.FINISHED)
        await trio.sleep(60)
    assert fake.starts == [("fw", "v")]
    assert old.statuses == []
    assert new.states("u") == []


async def test_kill_gives_grace_and_then_ends_the_task(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer(
        lambda launch: Script(duration_s=1e9, is_term_ignored=True)
    )
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        await leader.run("t", COMMAND)
        await leader.wait_state("t", S.RUNNING)
        begun = trio.current_time()
        await leader.kill("t", grace_ms=2_000)
        end = await leader.wait_state("t", S.KILLED)
        assert trio.current_time() - begun == pytest.approx(2.0, abs=0.01)
    assert fake.signals == [(KEY, Signal.TERM), (KEY, Signal.KILL)]
    assert "SIGKILL" in (end.message or "")


async def test_start_that_fails_is_reported(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer(lambda launch: Script(problem="no such program"))
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        await leader.run("t", COMMAND)
        end = await leader.wait_state("t", S.FAILED)
    assert (end.message, end.reason) == (
        "no such program",
        Reason.CONTAINER_LAUNCH_FAILED,
    )


async def test_kill_before_the_launch_means_that_it_never_starts(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer()
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        await leader.kill("t")
        end = await leader.wait_state("t", S.KILLED)
        await leader.run("t", COMMAND)
        await leader.wait_state("t", S.DROPPED)
    assert end.reason is Reason.TASK_KILLED_DURING_LAUNCH
    assert fake.starts == []


async def test_agent_that_crashed_fails_its_tasks_and_starts_none_again(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer(lambda launch: FOREVER)
    crash = trio.CancelScope()
    async with world.agent(fake, crash=crash):
        await leader.wait(lambda it: it.links)
        await leader.run("t", COMMAND)
        await leader.wait_state("t", S.RUNNING)
        crash.cancel()
        await trio.sleep(1)
    assert fake.running == [KEY]

    async with world.agent(fake):
        end = await leader.wait_state("t", S.FAILED)
        assert fake.running == []
        await leader.run("t", COMMAND)
        await leader.wait_state("t", S.DROPPED)
    assert end.reason is Reason.AGENT_RESTARTED
    assert fake.starts == [KEY]
    assert [h.agent_id for h in leader.hellos] == [None, "a1"]
    assert len({h.key for h in leader.hellos}) == 1


async def test_end_that_was_not_committed_is_sent_again_after_a_crash(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader(is_committing=False)
    crash = trio.CancelScope()
    async with world.agent(FakeContainerizer(), crash=crash):
        await leader.wait(lambda it: it.links)
        await leader.run("t", COMMAND)
        await trio.sleep(10)
        end = await leader.wait_state("t", S.FINISHED)
        crash.cancel()
        await trio.sleep(1)

    leader.statuses.clear()
    leader.is_committing = True
    async with world.agent(FakeContainerizer()):
        await leader.wait_state("t", S.FINISHED)
        await trio.sleep(60)
    assert leader.statuses == [end]


async def test_clean_stop_kills_tasks_and_notes_their_ends(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer(
        lambda launch: Script(
            duration_s=1e9, is_term_ignored=launch.key[1] == "stubborn"
        )
    )
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        for task in ("t", "stubborn"):
            await leader.run(task, COMMAND)
            await leader.wait_state(task, S.RUNNING)
        begun = trio.current_time()
    assert 3.0 <= trio.current_time() - begun < 6.0
    assert fake.running == []
    assert leader.states("t")[-1] is leader.states("stubborn")[-1] is S.KILLED
    records = read_checkpoint(world.work_dir / "meta" / "checkpoint")
    assert [r for r in records if isinstance(r, EndCommitted)] != []
    assert recover(records).unended == {}


async def test_clean_stop_without_a_leader_keeps_the_ends_for_the_next_start(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    async with world.agent(FakeContainerizer(lambda launch: FOREVER)):
        await leader.wait(lambda it: it.links)
        await leader.run("t", COMMAND)
        await leader.wait_state("t", S.RUNNING)
        world.network.close_links("n1")
        world.network.refuse_dials("n1")

    world.network.allow_dials("n1")
    async with world.agent(FakeContainerizer()):
        await leader.wait_state("t", S.KILLED)


async def test_agent_of_a_folder_in_use_refuses_to_start(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    await world.add_leader()
    async with world.agent(FakeContainerizer()):
        with pytest.raises(ExceptionGroup) as caught:
            async with world.agent(FakeContainerizer()):
                pass
    assert caught.group_contains(ConfigError, match="another agent runs")


async def test_agent_refuses_a_checkpoint_that_is_damaged(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    async with world.agent(FakeContainerizer()):
        await leader.wait(lambda it: it.links)
        for task in ("t", "u"):
            await leader.run(task, COMMAND)
            await leader.wait_state(task, S.FINISHED)
    path = world.work_dir / "meta" / "checkpoint"
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)

    with pytest.raises(ExceptionGroup) as caught:
        async with world.agent(FakeContainerizer()):
            pass
    assert caught.group_contains(JournalDamagedError, match="damaged at byte 0")
    assert path.read_bytes() == data


async def test_agent_without_its_identity_refuses_to_start(
    autojump_clock: trio.testing.MockClock, world: Any
) -> None:
    leader = await world.add_leader()
    async with world.agent(FakeContainerizer()):
        await leader.wait(lambda it: it.links)
        await leader.kill("t")
        await leader.wait_state("t", S.KILLED)
    (world.work_dir / "meta" / "identity.json").unlink()

    with pytest.raises(ExceptionGroup) as caught:
        async with world.agent(FakeContainerizer()):
            pass
    assert caught.group_contains(ConfigError, match=r"identity\.json is missing")


async def test_thousands_of_launches_at_once_all_end(
    autojump_clock: trio.testing.MockClock, world: Any, caplog: Any
) -> None:
    leader = await world.add_leader()
    fake = FakeContainerizer()
    async with world.agent(fake):
        await leader.wait(lambda it: it.links)
        for number in range(2_000):
            await leader.run(f"t{number}", COMMAND)
        await leader.wait(
            lambda it: sum(s.state is S.FINISHED for s in it.statuses) == 2_000
        )
    assert len(fake.starts) == len(set(fake.starts)) == 2_000
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_agent_raises_its_problem_plainly(tmp_path: Path) -> None:
    config = AgentConfig(leaders=("nowhere",), work_dir=tmp_path, http=None)
    with pytest.raises(ConfigError, match=r"^leaders: "):
        await run_agent(config)
    config = AgentConfig(
        leaders=("tcp://127.0.0.1:1",), work_dir=tmp_path, http=None, resources="x"
    )
    with pytest.raises(ConfigError, match=r"^resources: "):
        await run_agent(config)


async def test_agent_cancelled_while_it_begins_ends(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    with trio.fail_after(60), trio.CancelScope() as scope:
        scope.cancel()
        await run_agent(
            AgentConfig(leaders=("tcp://127.0.0.1:9",), work_dir=tmp_path, http=None),
            containerizer=FakeContainerizer(lambda launch: FOREVER),
            run_blocking=run_inline,
        )
    assert scope.cancelled_caught


async def run_inline(function: Any, *args: Any) -> Any:
    """No thread, which an autojump clock would not wait for."""
    await trio.lowlevel.checkpoint()
    return function(*args)
