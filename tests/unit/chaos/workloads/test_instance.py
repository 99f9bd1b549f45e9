"""An instance of a framework: what its calls do to the book, and to the history."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chaos.history.merge import read_history
from chaos.history.queries import Operation, operations
from chaos.history.records import Happening, OpType
from chaos.history.writer import HistoryWriter
from chaos.workloads.book import Launch, OwnTask, TaskBook
from chaos.workloads.instance import Instance, is_taken_over
from chaos.workloads.interface import Surroundings
from chaos.workloads.recorder import Recorder
from chaos.workloads.state_file import StateFile
from raftleader.errors import (
    ApiError,
    OutcomeUnknownError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework import SchedulerDriver
from raftleader.framework.errors import FrameworkEndedError
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.scheduler_api import Subscribed
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus

AGENT = AgentId("A-1")
LOST = OutcomeUnknownError("the answer was lost")
NO_LEADER = UnavailableError("no leader")
REFUSED = ApiError(400, "no")
ENDED = FrameworkEndedError("Framework failed over")


def offer(name: str = "O-1") -> Offer:
    return Offer(
        id=OfferId(name),
        framework_id=FrameworkId("F-1"),
        agent_id=AGENT,
        role="*",
        resources=parse_resources("cpus:1;mem:64"),
        agent=AgentInfo(
            hostname="a",
            ip="10.0.0.3",
            port=1,
            resources=parse_resources("cpus:1;mem:64"),
        ),
    )


TASK = TaskInfo(
    name="t",
    task_id=TaskId("t1"),
    agent_id=AGENT,
    resources=parse_resources("cpus:0.1"),
)


def status(state: TaskState, uuid: bytes | None = b"u" * 16) -> TaskStatus:
    return TaskStatus(
        task_id=TASK.task_id,
        state=state,
        source=Source.AGENT,
        agent_id=AGENT,
        uuid=uuid,
    )


@attrs.define
class FakeDriver:
    """Ends its calls as it is told, in order; then all are well."""

    ends: list[RaftLeaderError | None]
    outstanding_offers: dict[OfferId, Offer] = attrs.field(factory=dict)
    leader: str = "10.0.0.1:1"
    calls: list[tuple[Any, ...]] = attrs.field(factory=list)
    is_stuck: bool = False

    async def __aenter__(self) -> FakeDriver:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def stop(self) -> None: ...

    async def accept(
        self, ids: Sequence[OfferId], tasks: Sequence[TaskInfo], **_: object
    ) -> None:
        self.calls.append(("accept", *ids, *(task.task_id for task in tasks)))
        await self._end()

    async def acknowledge(self, status: TaskStatus) -> None:
        self.calls.append(("acknowledge", status.uuid))
        await self._end()

    async def _end(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_stuck:
            await trio.sleep_forever()
        end = self.ends.pop(0) if self.ends else None
        if end is not None:
            raise end


@attrs.define
class Framework:
    """The owner of one instance."""

    folder: Path
    driver: FakeDriver
    book: TaskBook = attrs.field(factory=TaskBook)
    heard: list[TaskState] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.history = self.folder / "history"
        self.instance = Instance(
            self,
            Surroundings(
                name="w-1",
                leaders=["10.0.0.1:1"],
                life=1,
                rng=random.Random(1),
                recorder=Recorder("w-1", HistoryWriter(self.history)),
                state=StateFile(self.folder / "state"),
            ),
            1,
            make_driver=self._make,
        )

    history: Path = attrs.field(init=False)
    instance: Instance = attrs.field(init=False)

    def _make(self, *_: object, **__: object) -> SchedulerDriver:
        return self.driver  # type: ignore[return-value]

    def subscribed(self, instance: Instance, event: Subscribed) -> None: ...

    async def offered(self, instance: Instance, offers: Sequence[Offer]) -> None: ...

    def updated(
        self, instance: Instance, status: TaskStatus, task: OwnTask | None
    ) -> None:
        self.heard.append(status.state)

    async def run(self, work: Callable[[Instance], Awaitable[None]]) -> None:
        await self.instance.run(FrameworkInfo(user="u", name="w-1"), work)

    @property
    def ops(self) -> list[Operation]:
        return operations(read_history(self.history))

    def told(self, what: str) -> list[Any]:
        return [
            record.value
            for record in read_history(self.history)
            if isinstance(record, Happening) and record.what == what
        ]

    @property
    def launch(self) -> Launch | None:
        task = self.book.tasks.get(TASK.task_id)
        return task.launch if task else None


Make = Callable[..., Framework]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda *ends: Framework(tmp_path, FakeDriver(list(ends)))


@pytest.mark.parametrize(
    ("ends", "types", "is_done", "launch"),
    [
        ([], [OpType.OK], True, Launch.ACCEPTED),
        ([REFUSED], [OpType.FAIL], False, None),
        ([NO_LEADER], [OpType.FAIL], False, None),
        ([LOST], [OpType.INFO, OpType.OK], True, Launch.ACCEPTED),
        (
            [LOST, NO_LEADER, LOST],
            [OpType.INFO, OpType.FAIL, OpType.INFO, OpType.OK],
            True,
            Launch.ACCEPTED,
        ),
        ([LOST, REFUSED], [OpType.INFO, OpType.FAIL], False, Launch.DOUBTFUL),
        ([ENDED], [OpType.INFO], False, Launch.DOUBTFUL),
    ],
)
async def test_accept_is_repeated_as_it_is_while_its_answer_is_lost(
    make: Make,
    autojump_clock: trio.testing.MockClock,
    ends: list[RaftLeaderError],
    types: list[OpType],
    is_done: bool,
    launch: Launch | None,
) -> None:
    framework = make(*ends)

    async def work(instance: Instance) -> None:
        assert await instance.accept([offer()], [TASK]) is is_done

    await framework.run(work)
    assert [op.type for op in framework.ops] == types
    assert framework.driver.calls == [("accept", "O-1", "t1")] * len(types)
    assert [op.value["attempt"] for op in framework.ops] == [
        number + 1 for number in range(len(types))
    ]
    assert framework.launch is launch


async def test_accept_says_what_it_asks_for(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make()

    async def work(instance: Instance) -> None:
        await instance.accept([offer()], [TASK], refuse_s=2)

    await framework.run(work)
    (op,) = framework.ops
    assert (op.f, op.key, op.node) == ("accept", "A-1", "10.0.0.1:1")
    assert op.value == {
        "offer_ids": ["O-1"],
        "tasks": [
            {
                "task_id": "t1",
                "agent_id": "A-1",
                "resources": {"scalars": {"cpus": 100}},
            }
        ],
        "refuse_s": 2,
        "attempt": 1,
    }


async def test_repeated_accept_of_a_task_that_ended_does_not_revive_it(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make()

    async def work(instance: Instance) -> None:
        framework.book.heard(status(TaskState.FINISHED, None), 1)
        await instance.accept([offer()], [TASK])

    framework.book.asked([TASK], 0)
    await framework.run(work)
    assert framework.book.left() == []


async def test_offer_that_a_call_is_about_to_use_is_not_held_any_more(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make(REFUSED)
    held = [offer("O-1"), offer("O-2")]
    framework.driver.outstanding_offers = {each.id: each for each in held}

    async def work(instance: Instance) -> None:
        instance.accept_soon([held[0]], [TASK])
        assert [each.id for each in instance.offers_held] == ["O-2"]
        assert framework.launch is Launch.ASKED
        await trio.sleep(1)
        # It was refused, so the driver has it back.
        assert [each.id for each in instance.offers_held] == ["O-1", "O-2"]

    await framework.run(work)


async def test_call_of_an_instance_that_stops_is_in_doubt(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make()
    framework.driver.is_stuck = True
    told: list[str] = []

    async def work(instance: Instance) -> None:
        instance.accept_soon(
            [offer()],
            [TASK],
            and_then=lambda offers, tasks: told.append(tasks[0].task_id),
        )
        await trio.sleep(1)
        instance.stop()
        await trio.sleep_forever()

    await framework.run(work)
    assert framework.instance.has_stopped
    assert framework.instance.ended.is_set()
    assert [op.type for op in framework.ops] == [OpType.INFO]
    assert framework.launch is Launch.DOUBTFUL
    assert told == ["t1"]


async def test_definite_error_of_a_stopped_driver_is_in_doubt(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make(NO_LEADER)

    async def work(instance: Instance) -> None:
        instance.has_stopped = True
        await instance.accept([offer()], [TASK])

    await framework.run(work)
    assert [op.type for op in framework.ops] == [OpType.INFO]


async def test_update_is_acknowledged_until_it_is_in_the_log(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make(LOST, NO_LEADER)
    framework.book.asked([TASK], 0)

    async def work(instance: Instance) -> None:
        await instance.update(instance.driver, status(TaskState.FINISHED))
        assert framework.book.left()
        await trio.sleep(5)

    await framework.run(work)
    assert [op.type for op in framework.ops] == [OpType.INFO, OpType.FAIL, OpType.OK]
    assert framework.ops[0].value == {"task_id": "t1", "uuid": "75" * 16}
    assert framework.book.left() == []
    (told,) = framework.told("update")
    assert told["state"] == "TASK_FINISHED"
    assert told["terminal"] is True
    assert framework.heard == [TaskState.FINISHED]


async def test_another_end_of_a_task_is_impossible(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make()

    async def work(instance: Instance) -> None:
        for state in (TaskState.FINISHED, TaskState.FINISHED, TaskState.FAILED):
            await instance.update(instance.driver, status(state, None))

    framework.book.asked([TASK], 0)
    await framework.run(work)
    assert [value["why"] for value in framework.told("impossible")] == [
        "task t1 ended with TASK_FINISHED, and is now said to be TASK_FAILED"
    ]


async def test_offers_are_told_with_agent_and_resources(
    make: Make, autojump_clock: trio.testing.MockClock
) -> None:
    framework = make()

    async def work(instance: Instance) -> None:
        await instance.offers(instance.driver, [offer()])
        await instance.rescinded(instance.driver, OfferId("O-1"))

    await framework.run(work)
    assert framework.told("offer") == [
        {
            "instance": 1,
            "id": "O-1",
            "agent_id": "A-1",
            "role": "*",
            "resources": {"scalars": {"cpus": 1000, "mem": 64000}},
        }
    ]
    assert framework.told("rescinded") == [{"instance": 1, "id": "O-1"}]


def test_being_taken_over_is_told_from_other_ends() -> None:
    assert is_taken_over(ENDED)
    assert not is_taken_over(FrameworkEndedError("Framework has been removed"))
    assert not is_taken_over(REFUSED)


@pytest.mark.parametrize("refusal", [TaskState.DROPPED, TaskState.ERROR])
async def test_a_refused_launch_may_be_forgotten(
    make: Make, autojump_clock: trio.testing.MockClock, refusal: TaskState
) -> None:
    framework = make()

    async def work(instance: Instance) -> None:
        await instance.update(instance.driver, status(refusal))
        await instance.update(instance.driver, status(TaskState.GONE, None))

    framework.book.asked([TASK], 0)
    await framework.run(work)
    assert framework.told("impossible") == []
