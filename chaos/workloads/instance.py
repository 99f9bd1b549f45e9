"""One instance of a framework: a driver, whose every call and event is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import trio

from chaos.history.records import OpType
from chaos.workloads.book import NOWHERE, REFUSED, Launch, OwnTask, TaskBook
from chaos.workloads.interface import Surroundings
from chaos.workloads.recorder import Operation
from raftleader.errors import ApiError, RaftLeaderError, UnavailableError
from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.nursery import PlainNursery, open_plain_nursery
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, OfferId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import Failure, ReconcileTask, Subscribed
from raftleader.protocol.tasks import TaskInfo, TaskStatus

CALL_TIMEOUT_S = 8.0
"""Longer than most failovers, so that calls live through them; shorter than the long
faults of a run, so that some calls end in doubt."""
INSIST_S = 0.5
"""After a call that failed, and is made until it does not."""


ACCEPT_AGAIN_S = 0.05
"""After an ACCEPT whose answer was lost."""


class Owner(Protocol):
    """The framework behind its instances."""

    @property
    def book(self) -> TaskBook: ...

    def subscribed(self, instance: Instance, event: Subscribed) -> None: ...

    async def offered(self, instance: Instance, offers: Sequence[Offer]) -> None: ...

    def updated(
        self, instance: Instance, status: TaskStatus, task: OwnTask | None
    ) -> None:
        """After the book has heard of it."""


class Instance(Scheduler):
    """Runs once. Calls may be made while it runs, and record how they ended.

    Attributes:
        number: Which instance of its framework it is, within this life, from 1.
        begun: Set at the first subscription, or if there will be none.
        ended: Set when ``run`` has ended.
        has_stopped: No call is answered any more.
    """

    def __init__(
        self,
        owner: Owner,
        around: Surroundings,
        number: int,
        *,
        make_driver: Callable[..., SchedulerDriver] = SchedulerDriver,
    ) -> None:
        self.number = number
        self._make_driver = make_driver
        self.begun = trio.Event()
        self.ended = trio.Event()
        self.has_stopped = False
        self._owner = owner
        self._around = around
        self._recorder = around.recorder
        self._driver: SchedulerDriver | None = None
        self._nursery: PlainNursery | None = None
        self._promised: set[OfferId] = set()

    @property
    def driver(self) -> SchedulerDriver:
        assert self._driver is not None, "the instance does not run"
        return self._driver

    @property
    def offers_held(self) -> list[Offer]:
        """Offers in our hands that no call is about to use, the oldest first."""
        held = self.driver.outstanding_offers.values()
        return [offer for offer in held if offer.id not in self._promised]

    async def run(
        self, framework: FrameworkInfo, load: Callable[[Instance], Awaitable[None]]
    ) -> None:
        """Subscribe, and ``load`` the cluster until that returns, or ``stop``.

        Raises FrameworkEndedError when the leader ends us, ApiError when it takes no
        SUBSCRIBE of ours.
        """
        self._driver = self._make_driver(
            self._around.leaders,
            framework,
            self,
            automatic_acknowledgement=False,
            call_timeout_s=CALL_TIMEOUT_S,
            rng=self._around.rng,
        )
        try:
            async with open_plain_nursery() as nursery:
                self._nursery = nursery
                async with self._driver:
                    await load(self)
                nursery.cancel()
        finally:
            self.has_stopped = True
            self.begun.set()
            self.ended.set()

    def stop(self) -> None:
        """Leave the cluster, now, without a word. Calls on their way are in doubt."""
        self.has_stopped = True
        self.driver.stop()
        if self._nursery is not None:
            self._nursery.cancel()

    def start_soon(self, work: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run it beside, as long as this instance runs."""
        assert self._nursery is not None, "the instance does not run"
        self._nursery.start_soon(partial(work, *args))

    # --- Calls --------------------------------------------------------------------

    def accept_soon(
        self,
        offers: Sequence[Offer],
        tasks: Sequence[TaskInfo],
        *,
        refuse_s: float = 0.0,
        and_then: Callable[[Sequence[Offer], Sequence[TaskInfo]], None] | None = None,
    ) -> None:
        """Like ``accept``, beside; from now on the offers and tasks are in use.

        ``and_then`` is called when it is over, also if it is cancelled.
        """

        async def accept() -> None:
            try:
                await self.accept(offers, tasks, refuse_s=refuse_s)
            finally:
                if and_then is not None:
                    and_then(offers, tasks)

        self._owner.book.asked(tasks, self._recorder.now_ns())
        self._promised.update(offer.id for offer in offers)
        self.start_soon(self._use, offers, accept)

    def decline_soon(self, offers: Sequence[Offer], *, refuse_s: float) -> None:
        """Like ``decline``, beside; from now on nothing else uses the offers."""
        self._promised.update(offer.id for offer in offers)
        self.start_soon(
            self._use, offers, partial(self.decline, offers, refuse_s=refuse_s)
        )

    async def _use(
        self, offers: Sequence[Offer], call: Callable[[], Awaitable[object]]
    ) -> None:
        await call()
        self._promised.difference_update(offer.id for offer in offers)

    async def accept(
        self,
        offers: Sequence[Offer | OfferId],
        tasks: Sequence[TaskInfo],
        *,
        refuse_s: float = 0.0,
    ) -> bool:
        """ACCEPT, repeated as it is while its answer is lost; whether it happened.

        What it launches is in the book from now on; unless it was refused.
        """
        offer_ids = [o.id if isinstance(o, Offer) else o for o in offers]
        task_ids = [task.task_id for task in tasks]
        book = self._owner.book
        book.asked(
            [task for task in tasks if not book.is_known(task.task_id)],
            self._recorder.now_ns(),
        )
        attempt = 0
        is_doubtful = any(
            (task := book.tasks.get(task_id)) and task.launch is Launch.DOUBTFUL
            for task_id in task_ids
        )
        while True:
            attempt += 1
            try:
                operation = await self._call(
                    "accept",
                    partial(self.driver.accept, offer_ids, tasks, refuse_s=refuse_s),
                    key=tasks[0].agent_id if tasks else "",
                    value={
                        "offer_ids": offer_ids,
                        "tasks": [_task_line(task) for task in tasks],
                        "refuse_s": refuse_s,
                        "attempt": attempt,
                    },
                )
            except trio.Cancelled:
                book.doubted(task_ids)
                raise
            if operation.is_ok:
                book.accepted(task_ids)
                return True
            problem = operation.problem
            is_doubtful = is_doubtful or operation.type is OpType.INFO
            if not is_doubtful:
                book.refused(task_ids)
                return False
            if self.has_stopped or isinstance(problem, FrameworkEndedError | ApiError):
                book.doubted(task_ids)
                return False
            await trio.sleep(ACCEPT_AGAIN_S)

    async def decline(
        self, offers: Iterable[Offer | OfferId], *, refuse_s: float
    ) -> None:
        """DECLINE."""
        ids = [o.id if isinstance(o, Offer) else o for o in offers]
        await self._call(
            "decline",
            partial(self.driver.decline, ids, refuse_s=refuse_s),
            value={"offer_ids": ids, "refuse_s": refuse_s},
        )

    async def kill(self, task_id: TaskId, agent_id: AgentId | None) -> None:
        """KILL. Its end comes as an update; unless the call was lost, so look."""
        task = self._owner.book.tasks.get(task_id)
        if task is not None:
            task.is_kill_wanted = True
        operation = await self._call(
            "kill",
            partial(self.driver.kill, task_id, agent_id, grace_s=1.0),
            key=task_id,
            value={"task_id": task_id, "agent_id": agent_id},
        )
        if task is not None:
            task.is_kill_wanted = operation.is_ok

    async def reconcile(self, tasks: Sequence[ReconcileTask] = ()) -> None:
        """RECONCILE: of these tasks, or of all. Answers come as updates."""
        lines = [{"task_id": t.task_id, "agent_id": t.agent_id} for t in tasks]
        await self._call(
            "reconcile", partial(self.driver.reconcile, tasks), value={"tasks": lines}
        )

    async def revive(self) -> None:
        """REVIVE, for all roles, until it is in the log or we end."""
        await self._insist("revive", self.driver.revive)

    async def suppress(self) -> None:
        """SUPPRESS, of all roles, until it is in the log or we end."""
        await self._insist("suppress", self.driver.suppress)

    async def _insist(self, f: str, call: Callable[[], Awaitable[None]]) -> None:
        while not self.has_stopped:
            operation = await self._call(f, call)
            if operation.is_ok or isinstance(operation.problem, FrameworkEndedError):
                return
            await trio.sleep(INSIST_S)

    async def acknowledge(self, status: TaskStatus) -> None:
        """ACKNOWLEDGE, until it is in the log or we end."""
        assert status.uuid is not None
        while not self.has_stopped:
            operation = await self._call(
                "acknowledge",
                partial(self.driver.acknowledge, status),
                key=status.task_id,
                value={"task_id": status.task_id, "uuid": status.uuid.hex()},
            )
            if operation.is_ok and status.state.is_terminal:
                self._owner.book.acknowledged(status.task_id)
            if operation.is_ok or isinstance(operation.problem, FrameworkEndedError):
                return
            await trio.sleep(INSIST_S)

    async def _call(
        self,
        f: str,
        call: Callable[[], Awaitable[None]],
        *,
        key: str = "",
        value: Any = None,
    ) -> Operation:
        node = self.driver.leader or ""
        with self._recorder.operation(f, key=key, value=value, node=node) as operation:
            try:
                await call()
            except UnavailableError:
                # A driver that has stopped knows no more what its calls did.
                operation.is_in_doubt = self.has_stopped
                raise
            finally:
                operation.node = self.driver.leader or node
        return operation

    # --- Events -------------------------------------------------------------------

    async def subscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        self._owner.subscribed(self, event)
        self._tell("subscribed", framework_id=event.framework_id, leader=driver.leader)
        self.begun.set()

    async def resubscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        self._tell(
            "resubscribed", framework_id=event.framework_id, leader=driver.leader
        )

    async def disconnected(self, driver: SchedulerDriver) -> None:
        self._tell("disconnected")

    async def error(self, driver: SchedulerDriver, message: str) -> None:
        self._tell("error", message=message)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            self._owner.book.agents.add(offer.agent_id)
            self._tell(
                "offer",
                id=offer.id,
                agent_id=offer.agent_id,
                role=offer.role,
                resources=msgspec.to_builtins(offer.resources),
            )
        await self._owner.offered(self, offers)

    async def rescinded(self, driver: SchedulerDriver, offer_id: OfferId) -> None:
        self._tell("rescinded", id=offer_id)

    async def failure(self, driver: SchedulerDriver, event: Failure) -> None:
        self._tell("failure", agent_id=event.agent_id, executor_id=event.executor_id)

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        self._tell(
            "update",
            task_id=status.task_id,
            state=status.state.value,
            uuid=status.uuid.hex() if status.uuid else None,
            terminal=status.state.is_terminal,
            agent_id=status.agent_id,
            source=status.source.value,
            reason=status.reason.value if status.reason else None,
            message=(status.message or "")[:200],
        )
        book = self._owner.book
        before = book.ended.get(status.task_id)
        # A launch that was refused leaves nothing behind once we know of it.
        is_forgotten = (
            before in REFUSED and status.uuid is None and status.state in NOWHERE
        )
        if before is not None and status.state is not before and not is_forgotten:
            self.tell_impossible(
                f"task {status.task_id} ended with {before.value}, and is now said to "
                f"be {status.state.value}"
            )
        task = book.heard(status, self._recorder.now_ns())
        if status.uuid is not None:
            self.start_soon(self.acknowledge, status)
        self._owner.updated(self, status, task)

    def tell_impossible(self, why: str) -> None:
        """What we were told cannot be, whatever broke: a promise is broken."""
        self._tell("impossible", why=why)

    def _tell(self, what: str, **value: Any) -> None:
        self._recorder.tell(what, instance=self.number, **value)


def _task_line(task: TaskInfo) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "agent_id": task.agent_id,
        "resources": msgspec.to_builtins(task.resources),
    }


def is_taken_over(error: RaftLeaderError) -> bool:
    """Whether an instance was ended because another one of its framework came."""
    return isinstance(error, FrameworkEndedError) and "failed over" in str(error)
