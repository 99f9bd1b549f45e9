"""Functions on the cluster: every future ends once, with what its function did."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from typing import Any

import attrs
import trio

import chaos
from chaos.workloads import functions
from chaos.workloads.interface import Surroundings, wait_turn
from chaos.workloads.operator_client import OperatorClient
from raftleader.errors import RaftLeaderError
from raftleader.framework import ClusterExecutor, open_http_client
from raftleader.framework.errors import TaskFailedError, TaskLostError
from raftleader.protocol.ids import FrameworkId

CALLS_PER_S = 2.5
"""Each is a Python interpreter that starts."""
WAITING_MAX = 8
FAILOVER_TIMEOUT_S = 3600.0
CONNECT_TIMEOUT_S = 3600.0
BEGIN_AGAIN_S = 1.0
LARGE = 100_000
KILL_WITHIN_S = 1.5
SHUTDOWN_TIMEOUT_S = 4.0
TEARDOWN_AGAIN_S = 0.5


class WrongResultError(RaftLeaderError):
    """A future ended with what its function cannot have done."""


@attrs.frozen(kw_only=True)
class Call:
    """A function and what may become of it.

    Attributes:
        is_killed: It is killed at some moment, if it has not ended.
        check: Whether this value, or this error, is right.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    check: Callable[[Any], bool]
    is_killed: bool = False


def draw_call(rng: random.Random, number: int) -> Call:
    """One of all kinds of calls."""
    choice = rng.random()
    if choice < 0.6:
        return Call(
            name="square",
            function=functions.square,
            arguments=(number,),
            check=lambda end: end == number * number,
        )
    if choice < 0.75:
        return Call(
            name="fail",
            function=functions.fail,
            arguments=(number,),
            check=lambda end: isinstance(end, ValueError) and str(end) == str(number),
        )
    if choice < 0.82:
        return Call(
            name="quit",
            function=functions.quit_at_once,
            arguments=(number,),
            check=lambda end: isinstance(end, TaskFailedError),
        )
    if choice < 0.94:
        return Call(
            name="nap",
            function=functions.nap,
            arguments=(number,),
            check=lambda end: end == number or isinstance(end, CancelledError),
            is_killed=True,
        )
    return Call(
        name="repeat",
        function=functions.repeat,
        arguments=(number, LARGE),
        check=lambda end: end == str(number % 10) * LARGE,
    )


class Futures:
    """Submits calls to a ClusterExecutor, which is a framework of its own.

    Futures do not outlive their process, so a later life ends the framework of the
    one before, with its tasks.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._number = around.life * 100_000
        self._waiting: dict[int, str] = {}
        self._executor: ClusterExecutor | None = None
        self._is_settling = False
        self._earlier = around.state.framework_id

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            if self._earlier is not None:
                nursery.start_soon(self._tear_down, self._earlier)
            while True:
                self._executor = self._new_executor()
                broken = trio.Event()
                async with trio.open_nursery() as calls:
                    calls.start_soon(self._keep_id, self._executor)
                    calls.start_soon(self._submit, calls, self._executor, broken)
                    await broken.wait()
                    calls.cancel_scope.cancel()
                await trio.sleep(BEGIN_AGAIN_S)

    async def settle(self) -> None:
        self._is_settling = True
        while self.left():  # noqa: ASYNC110 - futures belong to another thread
            await trio.sleep(0.1)

    def left(self) -> list[dict[str, Any]]:
        earlier = [{"framework_id": self._earlier}] if self._earlier else []
        return earlier + [
            {"future": number, "call": name}
            for number, name in sorted(self._waiting.items())
        ]

    def figures(self) -> dict[str, Any]:
        if self._executor is None:
            return {}
        statistics = self._executor.statistics()
        return {
            "framework_id": self._executor.framework_id,
            "failovers": statistics.failovers,
            "leaderless_s": [round(gap, 3) for gap in statistics.leaderless_s],
        }

    async def end(self) -> None:
        """The executor takes its framework with it, if a leader hears of it."""
        executor = self._executor
        if executor is None:
            return

        def shut_down() -> None:
            executor.shutdown(wait=True, cancel_futures=True)

        with trio.move_on_after(SHUTDOWN_TIMEOUT_S):
            await trio.to_thread.run_sync(shut_down, abandon_on_cancel=True)

    # --- How ----------------------------------------------------------------------

    def _new_executor(self) -> ClusterExecutor:
        return ClusterExecutor(
            self._around.leaders,
            name=self._around.name,
            role=self._around.name,
            cpus=0.05,
            mem_mb=32,
            tasks_max=WAITING_MAX,
            failover_timeout_s=FAILOVER_TIMEOUT_S,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            paths=[str(Path(chaos.__file__).resolve().parents[1])],
        )

    async def _keep_id(self, executor: ClusterExecutor) -> None:
        while executor.framework_id is None:  # noqa: ASYNC110 - another thread has it
            await trio.sleep(0.02)
        framework_id = FrameworkId(executor.framework_id)
        self._around.state.set_framework_id(framework_id)
        self._around.recorder.tell(
            "subscribed", instance=1, framework_id=framework_id, leader=None
        )

    async def _submit(
        self, nursery: trio.Nursery, executor: ClusterExecutor, broken: trio.Event
    ) -> None:
        while True:
            await wait_turn(self._around.rng, CALLS_PER_S * self._around.pace)
            if self._is_settling or len(self._waiting) >= WAITING_MAX:
                continue
            self._number += 1
            call = draw_call(self._around.rng, self._number)
            nursery.start_soon(self._make, executor, self._number, call, broken)

    async def _make(
        self, executor: ClusterExecutor, number: int, call: Call, broken: trio.Event
    ) -> None:
        value = {"call": call.name, "number": number}
        self._waiting[number] = call.name
        try:
            with self._around.recorder.operation(
                "submit", key=str(number), value=value
            ) as operation:
                ended = await self._result(executor, call)
                operation.answer = describe(ended)
                if isinstance(ended, BrokenExecutor):
                    self._around.recorder.tell("error", message=str(ended), final=True)
                    broken.set()
                    raise TaskLostError(str(number), str(ended))
                if not call.check(ended):
                    raise self._judge_wrong(number, call, ended)
        finally:
            del self._waiting[number]

    def _judge_wrong(self, number: int, call: Call, ended: Any) -> RaftLeaderError:
        """What cannot be, or what became of the task when its agent was broken."""
        if isinstance(ended, TaskLostError | TaskFailedError):
            return TaskLostError(str(number), describe(ended))
        why = f"{call.name}({number}) ended with {describe(ended)}"
        self._around.recorder.tell("impossible", instance=1, why=why)
        return WrongResultError(why)

    async def _result(self, executor: ClusterExecutor, call: Call) -> Any:
        """The value or the error of the call's future."""
        token = trio.lowlevel.current_trio_token()
        done = trio.Event()

        def wake(future: Future[Any]) -> None:
            try:
                token.run_sync_soon(done.set)
            except trio.RunFinishedError:
                pass

        try:
            future = executor.submit(call.function, *call.arguments)
        except (BrokenExecutor, RuntimeError) as error:
            return BrokenExecutor(str(error))
        future.add_done_callback(wake)
        if call.is_killed:
            with trio.move_on_after(self._around.rng.uniform(0, KILL_WITHIN_S)):
                await done.wait()
            executor.kill(future)
        await done.wait()
        if future.cancelled():
            return CancelledError()
        problem = future.exception()
        return future.result() if problem is None else problem

    async def _tear_down(self, framework_id: FrameworkId) -> None:
        """End the framework of an earlier life; the futures went with that."""
        body: Mapping[str, Any] = {"framework_id": {"value": framework_id}}
        async with open_http_client() as http:
            client = OperatorClient(http, self._around.leaders, start=0)
            while self._earlier is not None:
                with self._around.recorder.operation(
                    "teardown",
                    key=framework_id,
                    value={"framework_id": framework_id},
                    node=client.node,
                ) as operation:
                    await client.call("TEARDOWN", **body)
                if operation.is_ok or "No framework found" in str(operation.problem):
                    self._earlier = None
                else:
                    await trio.sleep(TEARDOWN_AGAIN_S)


def describe(ended: Any) -> str:
    """A value or an error in a few words."""
    if isinstance(ended, BaseException):
        return f"{type(ended).__name__}: {ended}"[:200]
    words = repr(ended)
    return words if len(words) <= 60 else f"{words[:40]}... ({len(words)} characters)"
