"""ClusterExecutor: concurrent.futures on a cluster, for ordinary synchronous code."""

from __future__ import annotations

import atexit
import getpass
import logging
import math
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import trio

from raftleader.errors import ConfigError, UnavailableError
from raftleader.framework.chunks import run_chunk, split_chunks
from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.errors import TaskKilledError
from raftleader.framework.http_client import open_http_client
from raftleader.framework.nursery import open_plain_nursery
from raftleader.framework.payload import build_command, dump_call
from raftleader.framework.progress import ProgressListener, show_progress
from raftleader.framework.statistics import DriverStatistics
from raftleader.framework.work import Work, WorkItem
from raftleader.framework.work_scheduler import TaskShape, WorkScheduler
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import OfferId

log = logging.getLogger("raftleader.framework")

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_TIMEOUT_S = 30.0
"""Without a leader for so long at the start, all futures fail."""
TEARDOWN_TIMEOUT_S = 10.0
"""For saying goodbye; the failover timeout does it otherwise."""
PROGRESS_INTERVAL_S = 0.05
"""Between two calls of a progress listener, but for the last."""


class ClusterExecutor(Executor):
    """Runs functions as tasks of a cluster.

    Args:
        leaders: ``HOST:PORT`` of leader nodes.
        name, role: How the framework appears, and whose resources it uses.
        cpus, mem_mb: What each task needs.
        python: Interpreter on the agents; must have cloudpickle and this package.
        tasks_max: Tasks at the same time; None is what the cluster offers.
        failover_timeout_s: How long tasks outlive this process.
        retries: How often a task that was lost, or ended without a result, is run
            again. Off by default: it may then run twice.
        paths: Folders on the agents from which tasks can import your modules.
        execution_log: File to which each task adds ``TASK_ID PID`` as it starts.
        progress: Called with a Progress after changes, from another thread.

    Thread-safe. A leader's failover only delays: every task accepted runs once,
    and its result arrives. A task that the cluster lost raises TaskLostError from
    its future, one that died without a result TaskFailedError; what a function
    raised is raised again, with a RemoteTraceback as its cause. If the framework
    is ended from outside, or no leader is found at the start, every future fails
    with BrokenExecutor.
    """

    def __init__(
        self,
        leaders: Sequence[str],
        *,
        name: str = "python",
        role: str = "*",
        cpus: float = 1.0,
        mem_mb: float = 64,
        python: str = sys.executable,
        tasks_max: int | None = None,
        failover_timeout_s: float = 3600,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        retries: int = 0,
        paths: Sequence[str] = (),
        execution_log: str | None = None,
        progress: ProgressListener | None = None,
    ) -> None:
        if not 0 < cpus < math.inf:
            raise ConfigError("cpus: a task needs some CPU, and not without end")
        if not 0 <= mem_mb < math.inf:
            raise ConfigError("mem_mb: must be a number of at least 0")
        if retries < 0:
            raise ConfigError("retries: must be at least 0")
        if tasks_max is not None and tasks_max < 1:
            raise ConfigError("tasks_max: must be at least 1")
        needs = {"cpus": math.ceil(cpus * 1000), "mem": math.ceil(mem_mb * 1000)}
        self._shape = TaskShape(
            role=role,
            needs={name: millis for name, millis in needs.items() if millis},
            command=build_command(python, paths=paths, execution_log=execution_log),
            tasks_max=tasks_max,
        )
        self._retries = retries
        self._progress = progress
        self._connect_timeout_s = connect_timeout_s
        self._work = Work(self._note_change)
        self._scheduler = WorkScheduler(self._work, self._shape)
        self._driver = SchedulerDriver(
            leaders,
            FrameworkInfo(
                user=getpass.getuser(),
                name=name,
                roles=(role,),
                failover_timeout_ms=round(failover_timeout_s * 1000),
                hostname=socket.gethostname(),
                capabilities=("MULTI_ROLE", "PARTITION_AWARE"),
            ),
            self._scheduler,
            automatic_acknowledgement=False,
            call_timeout_s=math.inf,
        )
        self._lock = threading.Lock()
        self._incoming: deque[Callable[[], None]] = deque()
        self._numbers = 0
        self._is_shut_down = False
        self._is_aborted = False
        self._is_ended = False
        self._broken: BaseException | None = None
        self._changed = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._is_started = threading.Event()
        # A daemon, and ended by atexit: a program that forgets ``shutdown`` then
        # waits for its futures and ends, rather than never.
        self._thread = threading.Thread(
            target=self._run_thread, name=f"ClusterExecutor-{name}", daemon=True
        )
        atexit.register(self.shutdown)
        self._thread.start()
        self._is_started.wait()

    # --- For callers, from any thread -----------------------------------------------

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once it is registered."""
        return self._driver.framework_id

    @property
    def outstanding_offers(self) -> frozenset[OfferId]:
        """The offers it holds right now and has not used or given back."""
        return frozenset(self._driver.outstanding_offers)

    def statistics(self) -> DriverStatistics:
        """What the connection has seen: failovers, updates, offers."""
        return self._driver.statistics()

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` on the cluster.

        Raises InvalidInputError if they cannot be pickled or are too large,
        RuntimeError after ``shutdown``, BrokenExecutor if the executor is broken.
        """
        payload = dump_call(fn, args, kwargs)
        name = getattr(fn, "__qualname__", type(fn).__name__)[:100]
        future: Future[T] = Future()
        with self._lock:
            if self._broken is not None:
                raise BrokenExecutor(str(self._broken)) from self._broken
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._numbers += 1
            item = WorkItem(
                number=self._numbers,
                name=name,
                payload=payload,
                future=future,
                retries=self._retries,
            )
            self._incoming.append(lambda: self._work.add(item))
        future.add_done_callback(self._note_cancelled)
        self._wake()
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        progress: bool = False,
    ) -> Iterator[T]:
        """The results of ``fn`` over the iterables, in order.

        ``chunksize`` calls share a task: use it when calls are short. With
        ``progress`` a bar is shown, if rich is installed. Otherwise like
        ``Executor.map``; leaving the iterator early cancels what has not started.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be at least 1")
        futures = [
            self.submit(run_chunk, fn, chunk)
            for chunk in split_chunks(zip(*iterables, strict=False), chunksize)
        ]
        return _results(futures, timeout, show=progress)

    def kill(self, future: Future[Any]) -> bool:
        """Cancel a future even if its task runs: the task is killed.

        The future of a running task then raises TaskKilledError, a kind of
        CancelledError, once the task has ended (or its result, if it was quicker).
        Returns False if it is done already.
        """
        if future.cancel():
            return True
        if future.done():
            return False

        def find_and_kill() -> None:
            for item in self._work.running.values():
                if item.future is future and not self._is_ended:
                    self._scheduler.kill(item)

        self._incoming.append(find_and_kill)
        self._wake()
        return True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; end the framework when all futures are done.

        With ``cancel_futures`` those not started are cancelled. Ctrl-C while
        waiting kills what runs.
        """
        with self._lock:
            self._is_shut_down = True
            if cancel_futures:
                self._incoming.append(self._work.cancel_waiting)
        self._wake()
        if not wait or self._thread is threading.current_thread():
            return
        atexit.unregister(self.shutdown)
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self._abort()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self._abort()  # Ctrl-C: nobody waits for the results any more
        self.shutdown(wait=True)

    # --- Between the threads --------------------------------------------------------

    def _abort(self) -> None:
        with self._lock:
            self._is_shut_down = self._is_aborted = True
        self._wake()
        self._thread.join(TEARDOWN_TIMEOUT_S)

    def _wake(self) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(self._take_incoming, idempotent=True)
        except trio.RunFinishedError:
            pass

    def _note_cancelled(self, future: Future[Any]) -> None:
        if future.cancelled():
            self._incoming.append(self._work.drop_cancelled)
            self._wake()

    # --- In the trio thread ---------------------------------------------------------

    def _run_thread(self) -> None:
        error: BaseException = RuntimeError("the executor was shut down")
        try:
            trio.run(self._run)
        except Exception as problem:
            log.error("the executor is broken: %s", problem)
            error = BrokenExecutor(str(problem))
            error.__cause__ = problem
            with self._lock:
                self._broken = problem
        finally:
            self._is_ended = True
            self._is_started.set()
            with self._lock:
                self._is_shut_down = True
                incoming, self._incoming = self._incoming, deque()
            for change in incoming:
                change()
            self._work.fail_all(error)
            self._report()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._is_started.set()
        with trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + self._connect_timeout_s
            async with open_plain_nursery() as watchers:
                watchers.start_soon(self._watch_progress)
                watchers.start_soon(self._watch_goodbye, scope)
                async with self._driver as driver, open_http_client() as client:
                    scope.deadline = math.inf
                    async with open_plain_nursery() as nursery:
                        nursery.start_soon(self._scheduler.run, driver, nursery, client)
                        await self._wait_finished()
                        nursery.cancel()
                    with trio.move_on_after(TEARDOWN_TIMEOUT_S):
                        await driver.teardown()
                watchers.cancel()
        if scope.cancelled_caught and not (self._is_shut_down and self._work.is_empty):
            raise UnavailableError(
                f"no leader could be reached within {self._connect_timeout_s:g} s"
            )

    def _take_incoming(self) -> None:
        while self._incoming:
            self._incoming.popleft()()
        if self._is_aborted:
            self._work.cancel_waiting()
            self._work.fail_all(TaskKilledError("*", "the executor was interrupted"))
        self._scheduler.wake()
        self._changed.set()

    async def _wait_finished(self) -> None:
        while not (self._is_shut_down and self._work.is_empty and not self._incoming):
            await self._wait_changed()

    async def _watch_goodbye(self, scope: trio.CancelScope) -> None:
        """With no work left, do not wait long for a leader to say goodbye to."""
        await self._wait_finished()
        if scope.deadline < math.inf:
            scope.deadline = min(scope.deadline, trio.current_time() + 1.0)

    async def _watch_progress(self) -> None:
        while True:
            await self._wait_changed()
            self._report()
            await trio.sleep(PROGRESS_INTERVAL_S)

    def _note_change(self) -> None:
        if not self._is_ended:
            self._changed.set()

    async def _wait_changed(self) -> None:
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()

    def _report(self) -> None:
        if self._progress is None:
            return
        try:
            self._progress(self._work.progress())
        except Exception:
            log.exception("the progress listener failed, and is called no more")
            self._progress = None


def _results(
    futures: list[Future[list[T]]], timeout: float | None, *, show: bool
) -> Iterator[T]:
    end_s = None if timeout is None else time.monotonic() + timeout
    with show_progress(futures, is_shown=show):
        try:
            for future in futures:
                left_s = None if end_s is None else end_s - time.monotonic()
                yield from future.result(left_s)
        finally:
            for future in futures:
                future.cancel()
