"""Places the work of a ClusterExecutor on offers and gathers the results.

Wants offers only while something waits: otherwise it suppresses them and gives
back what it holds. ``revive`` and ``suppress`` are sent by one task, one at a
time, so that a repetition after a failover cannot overtake its successor. Declines
use no long filter for the same reason: one repeated late would hide an agent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import quote

import attrs
import trio

from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.errors import TaskFailedError, TaskLostError
from raftleader.framework.handlers import Scheduler
from raftleader.framework.http_client import HttpClient
from raftleader.framework.nursery import PlainNursery
from raftleader.framework.packing import Remainder
from raftleader.framework.payload import Outcome, load_outcome
from raftleader.framework.task_runner import RESULT_FILE
from raftleader.framework.work import Ending, Work, WorkItem, ending_of
from raftleader.limits import RESULT_BYTES_MAX
from raftleader.protocol.ids import AgentId, OfferId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources, format_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

log = logging.getLogger("raftleader.framework")

IDLE_S = 0.25
"""Offers are kept so long after the last task was placed: who submits, waits and
submits again should not wait for the allocator each time."""
OFFER_PATIENCE_S = 5.0
"""After so long with nothing running and no offer that suffices, the log says so."""
TASKS_PER_CALL_MAX = 1_000
DATA_PER_CALL_BYTES_MAX = 2 * 1024 * 1024
"""Payloads of one ACCEPT: half an entry of the log (ENTRY_BYTES_MAX)."""
SMALL_REFUSE_S = 5.0
"""Filter for an offer too small for a task. Larger ones pass it."""
FETCHES_MAX = 16
"""Results fetched from agents at once."""
FETCH_PAUSES_S = (0.1, 0.5, 2.0, 0.0)
"""Before each further attempt to fetch a result; the last one gives up."""
FETCHED_BYTES_MAX = 1024 * 1024 * 1024
"""Largest result fetched; it is held in memory twice while it is read."""


@attrs.frozen(kw_only=True)
class TaskShape:
    """What all tasks of an executor have in common."""

    role: str
    needs: dict[str, int]
    command: CommandInfo
    tasks_max: int | None = None


class WorkScheduler(Scheduler):
    """The scheduler behind ClusterExecutor. Lives in its trio thread."""

    def __init__(self, work: Work, shape: TaskShape) -> None:
        self._work = work
        self._shape = shape
        self._wake = trio.Event()
        self._is_suppressed = False
        self._waiting_since: float | None = None
        self._has_said_what_it_needs = False
        self._fetches = trio.CapacityLimiter(FETCHES_MAX)
        self._driver: SchedulerDriver | None = None
        self._nursery: PlainNursery | None = None
        self._client: HttpClient | None = None

    def wake(self) -> None:
        """Something changed: look at work and offers again."""
        self._wake.set()

    def kill(self, item: WorkItem) -> None:
        """End a running item's task; one being launched is killed right after."""
        item.is_kill_wanted = True
        if item.is_accepted:
            self._children.start_soon(self._kill, item.task_id, item.agent_id)

    # --- Placing ------------------------------------------------------------------

    async def run(
        self, driver: SchedulerDriver, nursery: PlainNursery, client: HttpClient
    ) -> None:
        """Place work until cancelled."""
        self._driver, self._nursery, self._client = driver, nursery, client
        while True:
            if self._wants_offers():
                self._place(driver)
            if self._wants_offers():
                if self._is_suppressed:
                    await driver.revive()
                    self._is_suppressed = False
                await self._wait_for_offers()
                continue
            if not self._is_suppressed:
                if await self._wait_woken(IDLE_S):
                    continue
                await driver.suppress()
                self._is_suppressed = True
            held = tuple(driver.outstanding_offers)
            if held and not self._wants_offers():
                await driver.decline(held, refuse_s=0)
            await self._wait_woken()

    async def _wait_for_offers(self) -> None:
        """Say once, in the log, what we wait for if nothing that suffices comes."""
        if self._work.running or self._has_said_what_it_needs:
            self._waiting_since = None
            await self._wait_woken()
            return
        now = trio.current_time()
        since = self._waiting_since = self._waiting_since or now
        if now - since >= OFFER_PATIENCE_S:
            needs = format_resources(Resources.of(self._shape.needs))
            log.warning(
                "waiting calls: %d; no agent has offered %s for role %s yet",
                len(self._work.waiting),
                needs,
                self._shape.role,
            )
            self._has_said_what_it_needs = True
        else:
            await self._wait_woken(since + OFFER_PATIENCE_S - now)

    def _wants_offers(self) -> bool:
        tasks_max = self._shape.tasks_max
        has_room = tasks_max is None or len(self._work.running) < tasks_max
        return has_room and bool(self._work.waiting)

    async def _wait_woken(self, timeout_s: float = float("inf")) -> bool:
        with trio.move_on_after(timeout_s) as scope:
            await self._wake.wait()
        self._wake = trio.Event()
        return not scope.cancelled_caught

    def _place(self, driver: SchedulerDriver) -> None:
        """Use the offers held, as far as the work goes."""
        small: list[OfferId] = []
        for offer in list(driver.outstanding_offers.values()):
            if not self._wants_offers():
                break
            items = self._pack(offer)
            if items:
                self._children.start_soon(self._accept, driver, offer, items)
            elif self._work.waiting:
                small.append(offer.id)
        if small:
            self._children.start_soon(self._decline_small, driver, tuple(small))

    def _pack(self, offer: Offer) -> list[tuple[WorkItem, TaskInfo]]:
        remainder = Remainder(offer.resources, self._shape.role)
        items: list[tuple[WorkItem, TaskInfo]] = []
        data_bytes = 0
        while (
            self._wants_offers()
            and len(items) < TASKS_PER_CALL_MAX
            and data_bytes < DATA_PER_CALL_BYTES_MAX
        ):
            resources = remainder.take(self._shape.needs)
            item = self._work.start_next() if resources is not None else None
            if item is None or resources is None:
                break
            item.agent_id = offer.agent_id
            item.agent_address = (
                f"{offer.agent.ip or offer.agent.hostname}:{offer.agent.port}"
            )
            data_bytes += len(item.payload)
            task = TaskInfo(
                name=item.name,
                task_id=item.task_id,
                agent_id=offer.agent_id,
                resources=resources,
                command=self._shape.command,
                data=item.payload,
            )
            items.append((item, task))
        return items

    async def _accept(
        self,
        driver: SchedulerDriver,
        offer: Offer,
        items: list[tuple[WorkItem, TaskInfo]],
    ) -> None:
        try:
            await driver.accept([offer.id], [task for _, task in items], refuse_s=0)
        except ApiError as error:
            for item, task in items:
                problem = TaskFailedError(task.task_id, f"was refused: {error}")
                self._finish(item, Outcome(error=problem))
            return
        for item, task in items:
            if item.task_id == task.task_id:  # else it was dropped meanwhile
                item.is_accepted = True
                if item.is_kill_wanted and not item.future.done():
                    self._children.start_soon(self._kill, item.task_id, item.agent_id)

    async def _decline_small(
        self, driver: SchedulerDriver, offer_ids: tuple[OfferId, ...]
    ) -> None:
        await driver.decline(offer_ids, refuse_s=SMALL_REFUSE_S)

    async def _kill(self, task_id: TaskId, agent_id: AgentId | None) -> None:
        assert self._driver is not None
        await self._driver.kill(task_id, agent_id)

    @property
    def _children(self) -> PlainNursery:
        assert self._nursery is not None, "not running"
        return self._nursery

    # --- What the driver tells ----------------------------------------------------

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        self.wake()

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        """Settle the task; acknowledged only once its result is safely here."""
        item = self._work.running.get(status.task_id)
        if item is None or ending_of(status) is Ending.NONE:
            await driver.acknowledge_soon(status)
            return
        if item.is_fetching:
            return  # this update comes again; it is acknowledged after the fetch
        has_result = ending_of(status) is Ending.RESULT or bool(status.data)
        if has_result and status.state is not TaskState.KILLED:
            if not status.data:
                if status.uuid is not None:  # else the update itself is to come
                    item.is_fetching = True
                    self._children.start_soon(self._fetch, driver, item, status)
                return
            self._finish(item, await self._load(item, status.data))
        else:
            if status.state is TaskState.UNREACHABLE:
                # Should the agent come back, the task must not go on for nobody.
                self._children.start_soon(self._kill, item.task_id, item.agent_id)
            self._work.end_badly(item, status)
            self.wake()
        await driver.acknowledge_soon(status)

    def _finish(self, item: WorkItem, outcome: Outcome) -> None:
        self._work.finish(item, outcome)
        self.wake()

    async def _load(self, item: WorkItem, data: bytes) -> Outcome:
        if len(data) <= RESULT_BYTES_MAX:
            return load_outcome(item.task_id, data)
        return await trio.to_thread.run_sync(load_outcome, item.task_id, data)

    async def _fetch(
        self, driver: SchedulerDriver, item: WorkItem, status: TaskStatus
    ) -> None:
        async with self._fetches:
            outcome = await self._fetch_outcome(driver, item)
        if self._work.running.get(status.task_id) is item:
            self._finish(item, outcome)
        await driver.acknowledge_soon(status)

    async def _fetch_outcome(self, driver: SchedulerDriver, item: WorkItem) -> Outcome:
        """A result too large for its update, from the agent that has it."""
        assert self._client is not None and item.agent_address is not None
        path = f"frameworks/{driver.framework_id}/tasks/{item.task_id}/{RESULT_FILE}"
        target = f"/files/download?path={quote(path)}"
        problem = ""
        for pause_s in FETCH_PAUSES_S:
            try:
                async with self._client.stream(
                    item.agent_address, "GET", target
                ) as answer:
                    whole = await answer.read_all(bytes_max=FETCHED_BYTES_MAX)
            except RaftLeaderError as error:
                problem = str(error)
            else:
                if whole.status == 200:
                    return await self._load(item, whole.body)
                problem = f"HTTP {whole.status} {whole.text}"
                if whole.status == 404:
                    break
            await trio.sleep(pause_s)
        text = f"it finished, but its result could not be fetched: {problem}"
        log.warning("task %s: %s", item.task_id, text)
        return Outcome(error=TaskLostError(item.task_id, text))
