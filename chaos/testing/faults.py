"""Faults that a test asks for: made, held, healed, recorded. In the cluster's loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from chaos.history.records import FaultPhase, FaultRecord
from chaos.live.atlas import Shape, why_never
from chaos.live.faults import Fault, Group, Injection
from chaos.live.gate import Gate
from chaos.live.injecting import (
    HEAL_TIMEOUT_S,
    INJECT_TIMEOUT_S,
    PROBLEM,
    VIOLATION,
    Injector,
)
from chaos.live.seams import ImpossibleError, Nemesis, World, Wound
from chaos.live.selection import Wanted
from chaos.testing.aiming import Aim, aim, wanted_faults
from chaos.testing.background import draw_background, targets_of
from chaos.testing.errors import DOCTOR, NemesisError
from chaos.testing.request import MARK
from raftleader.cli.exit_codes import one_line
from raftleader.framework.nursery import PlainNursery

INF = float("inf")


@attrs.define(kw_only=True, eq=False)
class Held:
    """A fault in force.

    Attributes:
        over: Set it to have it healed now.
        healed: Set when it is.
        problem: Why it could not be healed; empty if it could.
    """

    injection: Injection
    wound: Wound
    over: trio.Event = attrs.field(factory=trio.Event)
    healed: trio.Event = attrs.field(factory=trio.Event)
    problem: str = ""


@attrs.define(kw_only=True, eq=False)
class Background:
    """A schedule under way.

    Attributes:
        injections: What it will do, if it is given the time.
        made: Records of what was made so far.
    """

    injections: tuple[Injection, ...]
    injector: Injector
    made: list[FaultRecord] = attrs.field(factory=list)
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        try:
            await self.injector.perform(self.injections)
        finally:
            self.ended.set()


@attrs.define(kw_only=True, eq=False)
class Faults:
    """Whatever is broken in one cluster.

    Attributes:
        find_nemeses: Looks at the machine: asked once, when the first fault is.
        problems, violations: As of an ``Injector``; those of all faults.
    """

    world: World
    shape: Shape
    seed: int
    has_clocks: bool
    find_nemeses: Callable[[], Mapping[Fault, Nemesis]]
    nursery: PlainNursery
    problems: list[str]
    violations: list[str]
    _nemeses: Mapping[Fault, Nemesis] | None = None
    _number: int = 0
    _wounds: int = 0
    _held: list[Held] = attrs.field(factory=list)
    _backgrounds: list[Background] = attrs.field(factory=list)
    _schedules: int = 0

    @property
    def wounds(self) -> int:
        """How many faults were made."""
        return self._wounds + sum(
            one.phase is FaultPhase.INJECT
            for background in self._backgrounds
            for one in background.made
        )

    async def inject(self, fault: str, target: str | None, for_s: float | None) -> Held:
        """It is in force when this returns, and healed ``for_s`` seconds later; None:
        when it is asked to, at the end at the latest.

        Raises NemesisError with nothing changed.
        """
        cluster = self.world.cluster
        meant = aim(
            fault,
            target,
            leaders=cluster.leaders,
            agents=cluster.agents,
            frameworks=cluster.frameworks,
        )
        nemesis = await self._nemesis(meant.fault)
        self._number += 1
        injection = meant.injection(
            number=self._number,
            seed=random.Random(f"{self.seed} {self._number}").getrandbits(32),
            for_s=0.0 if for_s is None else for_s,
        )
        wound = await self._make(nemesis, injection, meant)
        self._wounds += 1
        held = Held(injection=injection, wound=wound)
        self._held.append(held)
        self.nursery.start_soon(self._hold, held, INF if for_s is None else for_s)
        return held

    async def heal(self, held: Held) -> None:
        """Returns when it is. Raises NemesisError if that did not work."""
        held.over.set()
        await held.healed.wait()
        if held.problem:
            raise NemesisError(held.problem)

    async def wait_healed(self, held: Held, timeout_s: float) -> bool:
        """Whether it was healed within that time."""
        with trio.move_on_after(timeout_s):
            await held.healed.wait()
        return held.healed.is_set()

    async def begin_schedule(
        self, faults: str, every_s: float, for_s: float
    ) -> Background:
        """Faults by themselves from now on. Raises NemesisError."""
        if not every_s > 0:
            raise NemesisError(f"every_s: expected more than 0, got {every_s:g}")
        wanted = await self._possible(wanted_faults(faults), faults)
        self._schedules += 1
        injections = draw_background(
            f"{self.seed} schedule {self._schedules}",
            wanted,
            every_s=every_s,
            for_s=for_s,
            shape=self.shape,
            first_number=self._number + 1,
        )
        self._number += len(injections)
        made: list[FaultRecord] = []
        background = Background(
            injections=injections,
            injector=Injector(
                world=self.world,
                nemeses=await self._all_nemeses(),
                gate=Gate(self.shape),
                tell=made.append,
                problems=self.problems,
                violations=self.violations,
            ),
            made=made,
        )
        self._backgrounds.append(background)
        self.nursery.start_soon(background.run)
        return background

    async def end_schedule(self, background: Background) -> None:
        """No fault of it begins any more; returns when all are healed."""
        background.injector.end()
        await background.ended.wait()

    async def heal_all(self) -> None:
        """Returns when nothing is broken. What could not be healed is in
        ``problems``."""
        held = list(self._held)
        for background in self._backgrounds:
            background.injector.end()
        for one in held:
            one.over.set()
        for background in self._backgrounds:
            await background.ended.wait()
        for one in held:
            await one.healed.wait()

    # --- one fault ---

    async def _make(self, nemesis: Nemesis, injection: Injection, meant: Aim) -> Wound:
        fault = injection.fault.value
        began_ns = self.world.journal.now_ns()
        try:
            with trio.fail_after(INJECT_TIMEOUT_S):
                wound = await nemesis.inject(injection, self.world)
        except (ImpossibleError, trio.TooSlowError) as error:
            why = one_line(error)
            if isinstance(error, trio.TooSlowError):
                why = f"it took more than {INJECT_TIMEOUT_S:g} s to make"
            self._write(injection, FaultPhase.IMPOSSIBLE, None, {"why": why})
            raise NemesisError(f"{fault}: {why}; {DOCTOR}") from error
        if meant.name is not None and meant.name not in wound.targets:
            await wound.heal()
            why = f"it hit {', '.join(wound.targets)} in the place of {meant.name}"
            self._write(injection, FaultPhase.IMPOSSIBLE, None, {"why": why})
            raise NemesisError(f"{fault}: {meant.name} cannot be hit: is it dead?")
        self._write(injection, FaultPhase.INJECT, wound, dict(wound.detail), began_ns)
        return wound

    async def _hold(self, held: Held, for_s: float) -> None:
        try:
            with trio.move_on_after(for_s):
                await held.over.wait()
        finally:
            with trio.CancelScope(shield=True):
                await self._heal(held)

    async def _heal(self, held: Held) -> None:
        detail: dict[str, Any] = {}
        fault = held.injection.fault.value
        try:
            with trio.fail_after(HEAL_TIMEOUT_S):
                detail = dict(await held.wound.heal())
        except trio.TooSlowError:
            detail[PROBLEM] = f"not healed within {HEAL_TIMEOUT_S:g} s"
        except Exception as error:  # the others must be healed nevertheless
            words = f"{type(error).__name__}: {one_line(error)}"
            detail[PROBLEM] = f"could not be healed: {words}"
        if PROBLEM in detail:
            held.problem = f"{fault}: {detail[PROBLEM]}"
            self.problems.append(held.problem)
        self._held.remove(held)
        self._write(held.injection, FaultPhase.HEAL, held.wound, detail)
        held.healed.set()

    def _write(
        self,
        injection: Injection,
        phase: FaultPhase,
        wound: Wound | None,
        detail: dict[str, Any],
        at_ns: int | None = None,
    ) -> None:
        if VIOLATION in detail:
            self.violations.append(f"{injection.fault.value}: {detail[VIOLATION]}")
        journal = self.world.journal
        journal.write(
            FaultRecord(
                id=injection.number,
                fault=injection.fault.value,
                phase=phase,
                at_ns=journal.now_ns() if at_ns is None else at_ns,
                targets=tuple(wound.targets) if wound else (),
                means=wound.means if wound else "",
                detail={"target": injection.target.value, **detail},
            )
        )

    # --- what can be made ---

    async def _all_nemeses(self) -> Mapping[Fault, Nemesis]:
        if self._nemeses is None:
            self._nemeses = await trio.to_thread.run_sync(self.find_nemeses)
        return self._nemeses

    async def _nemesis(self, fault: Fault) -> Nemesis:
        why = await self._why_missing(fault)
        if why is not None:
            raise NemesisError(f"{fault.value}: {why}; {DOCTOR}")
        return (await self._all_nemeses())[fault]

    async def _why_missing(self, fault: Fault) -> str | None:
        network = self.world.network
        if fault.group is Group.NETWORK and fault not in network.faults:
            return f"the cluster stands on {network.means}{_other_network(fault)}"
        if fault.group is Group.CLOCK and not self.has_clocks:
            return f"clocks are real unless the cluster has {MARK}(clocks=True)"
        if fault in (Fault.FRAMEWORK_KILL, Fault.FRAMEWORK_PAUSE):
            return "the cluster has no processes of frameworks; yours is the test's"
        if fault is Fault.POWER_CUT:
            return "it takes file systems of the run's own: raftleader chaos live"
        if (why := why_never(fault, self.shape)) is not None:
            return why
        return (await self._all_nemeses())[fault].missing(fault)

    async def _possible(
        self, wanted: Sequence[Wanted], text: str
    ) -> tuple[Wanted, ...]:
        """Of groups what can be made here; what was named must be possible."""
        found: list[Wanted] = []
        last = ""
        for one in wanted:
            why = await self._why_missing(one.fault)
            if why is None and not targets_of(one, self.shape):
                why = "there is nobody to hit"
            if why is None:
                found.append(one)
                continue
            last = f"{one.fault.value}: {why}; {DOCTOR}"
            if one.is_named:
                raise NemesisError(last)
        if not found:
            raise NemesisError(f"nothing of {text!r} can be made here; {last}")
        return tuple(found)


def _other_network(fault: Fault) -> str:
    from chaos.network.proxies import NOT_BY_PROXIES, PROXIES_FAULTS

    if fault in PROXIES_FAULTS:
        return f'; it takes {MARK}(network="proxies")'
    why = NOT_BY_PROXIES.get(fault)
    because = f" ({why})" if why else ""
    return f"; it takes a network of its own{because}: raftleader chaos live"
