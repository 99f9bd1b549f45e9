"""ExecutorDriver: an executor's connection to the agent that started it.

It subscribes, hands events to an Executor, sends updates until the agent has stored
them, and takes up where it was when the agent comes back.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVarTuple

import trio

from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.errors import ExecutorEndedError
from raftleader.framework.executors.calls import AgentCalls
from raftleader.framework.executors.environment import (
    TOKEN_VARIABLE,
    ExecutorEnvironment,
    read_environment,
)
from raftleader.framework.executors.handlers import Executor
from raftleader.framework.executors.inbox import ExecutorInbox, Loss
from raftleader.framework.executors.ledger import Ledger
from raftleader.framework.executors.subscription import ExecutorSubscription
from raftleader.framework.http_client import Connect, HttpClient, connect_tcp
from raftleader.framework.nursery import PlainNursery, open_plain_nursery
from raftleader.protocol.executor_api import (
    Error,
    Event,
    KillTask,
    LaunchTask,
    LaunchTaskGroup,
    Message,
    Shutdown,
    Subscribed,
)
from raftleader.protocol.ids import TaskId
from raftleader.protocol.labels import Label
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus

Args = TypeVarTuple("Args")

GRACE_SHARE = 0.8
"""Of the grace period is for handlers; the rest is for the process to end."""


class ExecutorDriver:
    """One executor. Give its ``run`` to ``trio.run``.

    Args:
        executor: Is told of events.
        environment: Who we are; None reads the process's variables (and takes the
            token out of them, so that tasks do not inherit it). Raises ConfigError.
        connect: Opens a connection; for tests.
        rng: Chance, for uuids and pauses.
        wall_ms: Wall time, for the timestamps of updates.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        environment: ExecutorEnvironment | None = None,
        connect: Connect = connect_tcp,
        rng: random.Random | None = None,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if environment is None:
            environment = read_environment(os.environ)
            os.environ.pop(TOKEN_VARIABLE, None)
        self.environment = environment
        self._executor = executor
        self._connect = connect
        self._rng = rng or random.SystemRandom()
        self._wall_ms = wall_ms
        self._ledger = Ledger()
        self._inbox = ExecutorInbox(self._ledger, self._end_soon)
        self._is_ending = False
        self._was_registered = False
        self._nursery: PlainNursery | None = None
        self._calls: AgentCalls | None = None

    # --- Life ---------------------------------------------------------------------

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be an executor until SHUTDOWN, ``stop``, or the loss of the agent.

        ``started()`` is called at once. Whatever was begun with ``start_soon`` is
        cancelled in the end. Raises ExecutorEndedError when the agent refuses us,
        and what a handler raises.
        """
        assert self._nursery is None, "a driver runs once"
        async with open_plain_nursery() as nursery:
            self._nursery = nursery
            streams, calls = (
                HttpClient(nursery, connect=self._connect) for _ in range(2)
            )
            subscription = ExecutorSubscription(
                self.environment,
                self._ledger,
                self._inbox,
                streams=streams,
                calls=calls,
                rng=self._rng,
            )
            self._calls = AgentCalls(
                self.environment, self._ledger, subscription, calls
            )
            nursery.start_soon(self._follow, subscription)
            nursery.start_soon(self._dispatch)
            nursery.start_soon(self._calls.beat)
            task_status.started()

    def stop(self) -> None:
        """End ``run`` now. Await ``wait_stored`` before, if updates matter."""
        if self._nursery is not None:
            self._nursery.cancel()

    def start_soon(
        self, work: Callable[[*Args], Awaitable[object]], *args: *Args
    ) -> None:
        """Run ``work`` beside the handlers; an exception of it ends the driver."""
        assert self._nursery is not None, "the driver does not run"
        self._nursery.start_soon(work, *args)

    # --- Calls --------------------------------------------------------------------

    @property
    def unacknowledged(self) -> tuple[TaskStatus, ...]:
        """Updates that the agent is not known to have stored, oldest first."""
        return tuple(self._ledger.updates.values())

    async def update(
        self,
        task_id: TaskId,
        state: TaskState,
        *,
        message: str | None = None,
        reason: Reason | None = None,
        data: bytes | None = None,
        labels: Sequence[Label] = (),
        healthy: bool | None = None,
    ) -> TaskStatus:
        """Tell the agent what became of a task.

        From the first moment the update is among those that are told again after a
        loss, until the agent has stored it. Returns when the agent took it, which
        without an agent may last as long as the recovery timeout; cancelled, it may
        still be told. Raises ApiError with the agent's words if it refused,
        UnavailableError when the agent is lost for good. Updates arrive in the order
        of the calls.
        """
        status = TaskStatus(
            task_id=task_id,
            state=state,
            source=Source.EXECUTOR,
            executor_id=self.environment.executor_id,
            message=message,
            reason=reason,
            data=data,
            labels=tuple(labels),
            healthy=healthy,
            uuid=uuid.UUID(bytes=self._rng.randbytes(16), version=4).bytes,
            timestamp_ms=self._wall_ms(),
        )
        await self._running_calls().tell(status)
        return status

    async def wait_stored(self) -> None:
        """Until the agent has stored every update."""
        await self._ledger.wait_empty()

    async def send_message(self, data: bytes) -> None:
        """Send bytes to our scheduler, once; they may get lost on the way.

        Raises like ``update``, and OutcomeUnknownError when the agent was lost
        meanwhile.
        """
        await self._running_calls().message(data)

    def _running_calls(self) -> AgentCalls:
        assert self._calls is not None, "the driver does not run"
        return self._calls

    # --- Events -------------------------------------------------------------------

    async def _follow(self, subscription: ExecutorSubscription) -> None:
        try:
            await subscription.run()
        except ApiError as error:
            await self._executor.error(self, error.text)
            raise ExecutorEndedError(str(error)) from error
        self._end_soon()
        self._inbox.hear_loss(is_final=True)

    def _end_soon(self) -> None:
        """However long handlers take: we end before the agent ends us."""
        if not self._is_ending:
            self._is_ending = True
            self.start_soon(self._end_in_time)

    async def _end_in_time(self) -> None:
        await trio.sleep(self.environment.shutdown_grace_s * GRACE_SHARE)
        self.stop()

    async def _dispatch(self) -> None:
        while True:
            await self._handle(await self._inbox.take())

    async def _handle(self, event: Event | Loss) -> None:
        executor = self._executor
        match event:
            case LaunchTask(task=task):
                await executor.launch(self, task)
            case LaunchTaskGroup(tasks=tasks):
                await executor.launch_group(self, tasks)
            case KillTask(task_id=task_id, grace_ms=grace_ms):
                grace_s = None if grace_ms is None else grace_ms / 1000
                await executor.kill(self, task_id, grace_s)
            case Message(data=data):
                await executor.message(self, data)
            case Subscribed() if not self._was_registered:
                self._was_registered = True
                await executor.registered(self, event)
            case Subscribed():
                await executor.reregistered(self, event)
            case Loss(is_final=False):
                await executor.disconnected(self)
            case Error(message=message):
                await executor.error(self, message)
                raise ExecutorEndedError(message)
            case Shutdown():
                await executor.shutdown(self)
                await self.wait_stored()
                self.stop()
            case Loss():
                try:
                    await executor.shutdown(self)
                except RaftLeaderError:
                    pass  # nobody is there to be told
                self.stop()
