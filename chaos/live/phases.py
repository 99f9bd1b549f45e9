"""The phases of a run, one after the other, in a world that is there already.

``start`` (until the cluster is ready), ``before`` (without faults), ``faults``,
``heal`` (until it is ready again), ``settle`` (until all that was begun has ended),
``end`` (what is left is read, and the workloads end). Whatever goes wrong in one,
faults are healed and what can still be read is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import trio

from chaos.history.records import FaultPhase, FaultRecord, PhaseRecord
from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Injection
from chaos.live.finishing import Finishing
from chaos.live.gate import Gate
from chaos.live.injecting import Injector
from chaos.live.messages import FaultChanged, Message, Note, PhaseBegan, Tick
from chaos.live.outcome import Bound, Ending, Outcome
from chaos.live.pages import Pages
from chaos.live.seams import Nemesis, World
from chaos.live.watcher import OpCounter, Watcher
from raftleader.cli.exit_codes import one_line
from raftleader.errors import RaftLeaderError

START_WITHIN_S = 60.0
"""2-5 s are usual on a free machine."""
BEFORE_S = 3.0
LATE_S = 30.0
"""So much longer faults go on, for classes that a slow machine had no time for."""
READY_WITHIN_S = 60.0
"""After healing: an agent that has given up tries again after 15 s at the latest, and
one that was declared unreachable registers anew."""
SETTLE_WITHIN_S = 90.0
"""A framework that does not come back may keep its tasks for a minute; tasks of the
workloads themselves end within seconds."""
END_WITHIN_S = 60.0
TICK_S = 1.0
SIGNAL = "a signal was received"

Tell = Callable[[Message], None]


@attrs.define(kw_only=True)
class Phases:
    """One run in an open world.

    Attributes:
        cut_short: When it is set, no more faults are made and the run is finished.
        outcome: Filled as the run goes on.
    """

    world: World
    watcher: Watcher
    pages: Pages
    nemeses: Mapping[Fault, Nemesis]
    schedule: Sequence[Injection]
    shape: Shape
    faults_s: float
    tell: Tell
    cut_short: trio.Event
    outcome: Outcome
    _phase_began: float = 0.0
    _ops: OpCounter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ops = OpCounter(self.workloads)

    @property
    def workloads(self) -> Path:
        return self.world.folder / "workloads"

    async def run(self) -> None:
        """All phases. Problems of the cluster are in ``outcome``, and not raised."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.watcher.run)
            nursery.start_soon(self._tick)
            try:
                await self._run()
            finally:
                nursery.cancel_scope.cancel()

    async def _run(self) -> None:
        outcome = self.outcome
        self._begin("start", START_WITHIN_S)
        outcome.started = await self._started()
        if self.cut_short.is_set() and outcome.started is None:
            outcome.ending, outcome.why = Ending.CUT_SHORT, SIGNAL
            return
        if outcome.started is None or outcome.started.took_s is None:
            why = outcome.started.why if outcome.started else ""
            outcome.why = f"the cluster did not start: {why}"
            return
        finishing = Finishing(
            world=self.world, pages=self.pages, problems=outcome.problems
        )
        self._begin("before", BEFORE_S)
        await self._wait(BEFORE_S)
        self._begin("faults", self.faults_s)
        await self._make_faults()
        outcome.ready = await self._ready(READY_WITHIN_S)
        if outcome.ready.took_s is not None:
            self._begin("settle", SETTLE_WITHIN_S)
            outcome.settled = await finishing.settle(SETTLE_WITHIN_S)
        self._begin("end", END_WITHIN_S)
        await finishing.save_documents()
        await finishing.end_workloads()
        if self.cut_short.is_set():
            outcome.ending, outcome.why = Ending.CUT_SHORT, SIGNAL
        else:
            outcome.ending, outcome.why = Ending.COMPLETE, ""

    async def _make_faults(self) -> None:
        """The phase of faults, and that of healing begun."""
        injector = Injector(
            world=self.world,
            nemeses=self.nemeses,
            gate=Gate(self.shape),
            tell=self._tell_fault,
            problems=self.outcome.problems,
            violations=self.outcome.violations,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(injector.perform, self.schedule)
            await self._wait(self.faults_s)
            async with trio.open_nursery() as calling:
                calling.start_soon(self._last_call, injector, calling.cancel_scope)
                await self.cut_short.wait()
                calling.cancel_scope.cancel()
            self._begin("heal", READY_WITHIN_S)
            injector.end()

    async def _last_call(self, injector: Injector, scope: trio.CancelScope) -> None:
        await injector.last_call(LATE_S)
        scope.cancel()

    async def _started(self) -> Bound | None:
        """None if the run was cut short before the cluster was ready."""
        found: list[Bound] = []
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                found.append(await self._ready(START_WITHIN_S))
                nursery.cancel_scope.cancel()

            nursery.start_soon(look)
            await self.cut_short.wait()
            nursery.cancel_scope.cancel()
        return found[0] if found else None

    async def _ready(self, within_s: float) -> Bound:
        began = trio.current_time()
        try:
            await self.world.cluster.wait_ready(timeout_s=within_s)
        except RaftLeaderError as error:
            return Bound(within_s=within_s, why=one_line(error))
        took_s = round(trio.current_time() - began, 3)
        return Bound(within_s=within_s, took_s=took_s)

    async def _wait(self, for_s: float) -> None:
        with trio.move_on_after(for_s):
            await self.cut_short.wait()

    def _begin(self, name: str, for_s: float) -> None:
        self._phase_began = trio.current_time()
        journal = self.world.journal
        journal.write(PhaseRecord(name=name, at_ns=journal.now_ns()))
        self.tell(PhaseBegan(name=name, for_s=for_s))

    async def _tick(self) -> None:
        while True:
            self.tell(
                Tick(
                    second=round(trio.current_time() - self._phase_began, 1),
                    ops=self._ops.count(),
                    leader=self.watcher.leader(),
                )
            )
            await trio.sleep(TICK_S)

    def _tell_fault(self, record: FaultRecord) -> None:
        self.outcome.wounds += record.phase is FaultPhase.INJECT
        why = str(record.detail.get("why") or record.detail.get("problem") or "")
        self.tell(
            FaultChanged(
                number=record.id,
                fault=record.fault,
                phase=record.phase.value,
                targets=record.targets,
                why=why,
            )
        )
        if record.phase is FaultPhase.HEAL and why:
            self.tell(Note(text=f"{record.fault}: {why}", is_problem=True))
