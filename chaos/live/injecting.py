"""Making the faults of a schedule, each at its time, and putting them right.

A fault that was made is healed, whatever happens to the run: healing is shielded from
cancellation, and bounded. What could not be made, or not be put right, is taken down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from chaos.history.records import FaultPhase, FaultRecord
from chaos.live.faults import Fault, Injection
from chaos.live.gate import Gate
from chaos.live.seams import ImpossibleError, Nemesis, World, Wound
from raftleader.cli.exit_codes import one_line

INJECT_TIMEOUT_S = 60.0
"""The slowest are rolling restarts, and what waits for a state of the cluster."""
HEAL_TIMEOUT_S = 60.0
"""The slowest is the operator who replaces a lost disk, over an election or two."""
PROBLEM, VIOLATION = "problem", "violation"
"""Keys of a wound's detail: see ``Injector``."""

Tell = Callable[[FaultRecord], None]


@attrs.define(kw_only=True)
class Injector:
    """Performs a schedule.

    Attributes:
        gate: Holds back what must not be in force together, if healing took long.
        tell: Hears of each record, beside the journal.
        problems: What went wrong with a nemesis itself: the run then shows less than
            it should have.
        violations: Promises that a nemesis saw broken: a node that went on after a
            sync that failed, say.
    """

    world: World
    nemeses: Mapping[Fault, Nemesis]
    gate: Gate
    tell: Tell
    inject_timeout_s: float = INJECT_TIMEOUT_S
    heal_timeout_s: float = HEAL_TIMEOUT_S
    problems: list[str] = attrs.field(factory=list)
    violations: list[str] = attrs.field(factory=list)
    _late: trio.Event = attrs.field(factory=trio.Event)
    _over: trio.Event = attrs.field(factory=trio.Event)
    _open: list[Injection] = attrs.field(factory=list)
    """Those that are not done with."""
    _begun: list[Injection] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def perform(self, schedule: Sequence[Injection]) -> None:
        """Returns when every fault has been healed.

        Cancelled, it heals what is in force first: at most ``heal_timeout_s``.
        """
        began = trio.current_time()
        self._open = list(schedule)
        async with trio.open_nursery() as nursery:
            for injection in schedule:
                nursery.start_soon(self._perform, injection, began + injection.at_s)

    async def last_call(self, within_s: float) -> None:
        """Their time is up: of what has not begun only classes that had no turn yet
        begin, as soon as they may. Returns when all that began is over, or after that
        time; then it is the ``end``."""
        self._late.set()
        with trio.move_on_after(within_s):
            while any(one in self._begun or self._is_due(one) for one in self._open):
                await self._changed.wait()
        self.end()

    def end(self) -> None:
        """No fault begins any more, and those in force are healed now."""
        self._late.set()
        self._over.set()

    def _is_due(self, injection: Injection) -> bool:
        """Whether its class had no turn, and it is the one to take it."""
        fault = injection.fault
        return all(one.fault is not fault for one in self._begun) and injection == min(
            (one for one in self._open if one.fault is fault),
            key=lambda one: one.number,
        )

    async def _perform(self, injection: Injection, at: float) -> None:
        try:
            with trio.move_on_at(at):
                await self._late.wait()
            if not self._may_begin(injection) or not await self._enter(injection):
                return
            try:
                if self._may_begin(injection):
                    self._begun.append(injection)
                    await self._make_and_heal(injection)
            finally:
                self.gate.leave(injection)
        finally:
            self._open.remove(injection)
            self._changed.set()
            self._changed = trio.Event()

    def _may_begin(self, injection: Injection) -> bool:
        is_late, is_over = self._late.is_set(), self._over.is_set()
        return not is_over and (not is_late or self._is_due(injection))

    async def _enter(self, injection: Injection) -> bool:
        """False if it may not begin, or the faults are over before."""
        is_inside = False
        async with trio.open_nursery() as nursery:

            async def enter() -> None:
                nonlocal is_inside
                is_inside = await self.gate.enter(injection)
                nursery.cancel_scope.cancel()

            nursery.start_soon(enter)
            await self._over.wait()
            nursery.cancel_scope.cancel()
        return is_inside

    async def _make_and_heal(self, injection: Injection) -> None:
        began_ns = self.world.journal.now_ns()
        wound = await self._inject(injection)
        if wound is None:
            return
        try:
            self._write(
                injection, FaultPhase.INJECT, wound, dict(wound.detail), began_ns
            )
            with trio.move_on_after(injection.for_s):
                await self._over.wait()
        finally:
            await self._heal(injection, wound)

    async def _inject(self, injection: Injection) -> Wound | None:
        fault = injection.fault
        why = f"there is no nemesis for {fault.value}"
        try:
            if nemesis := self.nemeses.get(fault):
                with trio.fail_after(self.inject_timeout_s):
                    return await nemesis.inject(injection, self.world)
        except ImpossibleError as error:
            why = str(error)
        except trio.TooSlowError:
            why = f"it took more than {self.inject_timeout_s:g} s to make"
        except Exception as error:  # a nemesis that is broken must not end the run
            why = f"its nemesis failed: {type(error).__name__}: {one_line(error)}"
            self.problems.append(f"{fault.value} (number {injection.number}): {why}")
        self._write(injection, FaultPhase.IMPOSSIBLE, None, {"why": why})
        return None

    async def _heal(self, injection: Injection, wound: Wound) -> None:
        detail: dict[str, Any] = {}
        name = f"{injection.fault.value} (number {injection.number})"
        with trio.CancelScope(shield=True):
            try:
                with trio.fail_after(self.heal_timeout_s):
                    detail = dict(await wound.heal())
            except trio.TooSlowError:
                detail[PROBLEM] = f"not healed within {self.heal_timeout_s:g} s"
            except Exception as error:  # the others must be healed nevertheless
                words = f"{type(error).__name__}: {one_line(error)}"
                detail[PROBLEM] = f"could not be healed: {words}"
        if PROBLEM in detail:
            self.problems.append(f"{name}: {detail[PROBLEM]}")
        self._write(injection, FaultPhase.HEAL, wound, detail)

    def _write(
        self,
        injection: Injection,
        phase: FaultPhase,
        wound: Wound | None,
        detail: dict[str, Any],
        at_ns: int | None = None,
    ) -> None:
        if VIOLATION in detail:
            name = f"{injection.fault.value} (number {injection.number})"
            self.violations.append(f"{name}: {detail[VIOLATION]}")
        record = FaultRecord(
            id=injection.number,
            fault=injection.fault.value,
            phase=phase,
            at_ns=self.world.journal.now_ns() if at_ns is None else at_ns,
            targets=tuple(wound.targets) if wound else (),
            means=wound.means if wound else "",
            detail={"target": injection.target.value, **detail},
        )
        self.world.journal.write(record)
        self.tell(record)
