"""The simulated network: paths between processes, and connections over them.

A connection keeps the order of what is sent on it and may break at any time; each
side learns of that by itself, sooner or later. A path between two processes can be
cut in one direction, slow, or lossy. A connection over a path that is cut breaks after
some time of silence. On a reliable one everything arrives that was sent, or it breaks;
on others messages may be lost, as the cut and the path say, come twice, and late.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import attrs

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.trace import Trace
from chaos.sim.options import Fault

SILENCE_S = (0.4, 1.2)
"""After so long without an answer a side gives its connection up; drawn each time."""
RESET_S = 0.001
"""A process that died cannot answer: its machine resets its connections."""
ASK_TIMEOUT_S = 1.0
LATE_S_MAX = 4.0
"""A message that is overtaken comes within this time."""
STALE_S_MAX = 0.6
"""What was on its way when a connection broke may still come within this time."""
COPY_S_MAX = 8.0
"""A message that comes twice comes again within this time."""


class Process(Protocol):
    """One life of something with a name. After its death it is told nothing."""

    name: str
    is_alive: bool

    def opened(self, connection: Connection) -> None:
        """The other side, ``connection.dialler``, has connected."""

    def received(self, connection: Connection, message: Any) -> None: ...

    def closed(self, connection: Connection) -> None:
        """This side of it is over. What comes is no longer delivered."""


class Listener(Process, Protocol):
    """A process that others find by its name."""

    def probed(self) -> tuple[int, str | None] | None:
        """The answer to a GET: a status, and the name it redirects to."""


@attrs.define(eq=False)
class Path:
    """One direction between two names. ``Fault`` says which class is in effect.

    Attributes:
        cuts: How many faults cut it now.
        is_holding: What is sent while it is cut comes when it is healed.
        delay_s: Least and greatest time beside the usual latency.
        drop, copy, overtake: Chances of a message to be lost, to come twice, to be
            late beyond all order.
    """

    cuts: int = 0
    generation: int = 0
    is_holding: bool = False
    delay_s: tuple[float, float] = (0.0, 0.0)
    drop: float = 0.0
    copy: float = 0.0
    overtake: float = 0.0
    is_troubled: bool = False
    held: list[tuple[Connection, int, Any]] = attrs.field(factory=list)


class Connection:
    """Between ``sides[0]``, who dialled, and ``sides[1]``.

    Attributes:
        is_open: By side, whether it takes and sends.
        kind: What it is for, as the dialler said.
        is_reliable: Nothing is lost on it while it lives, as on TCP. Otherwise single
            messages may be: engines must survive that too.
    """

    __slots__ = ("_last_s", "is_open", "is_reliable", "kind", "sides")

    def __init__(
        self, dialler: Process, listener: Process, kind: str, is_reliable: bool
    ) -> None:
        self.sides = (dialler, listener)
        self.is_open = [True, True]
        self.kind = kind
        self.is_reliable = is_reliable
        self._last_s = [0.0, 0.0]

    @property
    def dialler(self) -> Process:
        return self.sides[0]

    def arrival_s(self, side: int, at_s: float) -> float:
        """When something sent by ``side`` to arrive at ``at_s`` arrives in order."""
        last_s = self._last_s[side]
        if at_s <= last_s:
            at_s = last_s + 1e-6
        self._last_s[side] = at_s
        return at_s


class Network:
    """See the module.

    Attributes:
        fired: How often a class of faults did something to a message.
        listeners: Living processes by name.
    """

    def __init__(
        self,
        agenda: Agenda,
        trace: Trace,
        rng: random.Random,
        latency_s: tuple[float, float],
        fired: Counter[Fault],
    ) -> None:
        self.fired = fired
        self.listeners: dict[str, Listener] = {}
        self._agenda = agenda
        self._trace = trace
        self._draw = rng.random
        self._least_s = latency_s[0]
        self._spread_s = latency_s[1] - latency_s[0]
        self._paths: dict[tuple[str, str], Path] = {}
        self._connections: dict[str, dict[Connection, None]] = {}

    def path(self, sender: str, recipient: str) -> Path:
        key = (sender, recipient)
        path = self._paths.get(key)
        if path is None:
            path = self._paths[key] = Path()
        return path

    def latency_s(self) -> float:
        return self._least_s + self._spread_s * self._draw()

    # --- connections --------------------------------------------------------------

    def dial(
        self,
        dialler: Process,
        name: str,
        kind: str,
        *,
        done: Callable[[Connection | None], None],
        is_reliable: bool = True,
    ) -> None:
        """``done`` is given the connection, or None if nobody answers."""

        def arrive() -> None:
            listener = self.listeners.get(name)
            if (
                listener is None
                or not dialler.is_alive
                or self.path(dialler.name, name).cuts
                or self.path(name, dialler.name).cuts
            ):
                self._agenda.after(self.latency_s(), answer, None)
                return
            connection = Connection(dialler, listener, kind, is_reliable)
            for side in (dialler.name, name):
                self._connections.setdefault(side, {})[connection] = None
            listener.opened(connection)
            at_s = connection.arrival_s(1, self._agenda.now_s + self.latency_s())
            self._agenda.at(at_s, answer, connection)

        def answer(connection: Connection | None) -> None:
            if not dialler.is_alive:
                return
            if connection is not None and not connection.is_open[0]:
                connection = None
            done(connection)

        self._agenda.after(self.latency_s(), arrive)

    def ask(
        self,
        asker: Process,
        name: str,
        answered: Callable[[tuple[int, str | None] | None], None],
    ) -> None:
        """A GET of ``name``: the status and where it redirects to, or None."""

        def arrive() -> None:
            listener = self.listeners.get(name)
            is_cut = (
                self.path(asker.name, name).cuts or self.path(name, asker.name).cuts
            )
            if is_cut:
                self._agenda.after(ASK_TIMEOUT_S, answered, None)
                return
            answer = None if listener is None else listener.probed()
            self._agenda.after(self.latency_s(), answered, answer)

        self._agenda.after(self.latency_s(), arrive)

    def send(
        self, connection: Connection, side: int, message: Any, *, is_first: bool = False
    ) -> None:
        """From this side to the other. Nothing happens once this side is closed.

        ``is_first``: what comes after it on the connection means nothing without it,
        so it is not lost alone, also where other messages are."""
        if not connection.is_open[side]:
            return
        is_reliable = connection.is_reliable or is_first
        sides = connection.sides
        path = self._paths.get((sides[side].name, sides[1 - side].name))
        at_s = self._agenda.now_s + self._least_s + self._spread_s * self._draw()
        if path is not None and path.is_troubled:
            if path.cuts:
                if path.is_holding or is_reliable:
                    path.held.append((connection, side, message))
                return
            if not self._trouble(path, connection, side, message, is_reliable):
                return
            least_s, most_s = path.delay_s
            if most_s:
                at_s += least_s + (most_s - least_s) * self._draw()
                self.fired[Fault.DELAY] += 1
        at_s = connection.arrival_s(side, at_s)
        self._agenda.at(at_s, self._deliver, connection, side, message)

    def _trouble(
        self,
        path: Path,
        connection: Connection,
        side: int,
        message: Any,
        is_reliable: bool,
    ) -> bool:
        """Whether the message is to go its usual way."""
        draw = self._draw
        if path.drop and draw() < path.drop:
            self.fired[Fault.DROP] += 1
            if is_reliable:  # it comes in time or never: the link breaks
                self.break_connection(connection)
            return False
        if is_reliable:
            return True
        if path.copy and draw() < path.copy:
            self.fired[Fault.DUPLICATE] += 1
            delay_s = COPY_S_MAX * draw() ** 2
            self._agenda.after(delay_s, self._deliver, connection, side, message)
        if path.overtake and draw() < path.overtake:
            self.fired[Fault.REORDER] += 1
            delay_s = LATE_S_MAX * draw() ** 3
            self._agenda.after(delay_s, self._deliver, connection, side, message)
            return False
        return True

    def _deliver(self, connection: Connection, side: int, message: Any) -> None:
        recipient = connection.sides[1 - side]
        if recipient.is_alive and connection.is_open[1 - side]:
            self._trace.delivered(connection.sides[side].name, recipient.name, message)
            recipient.received(connection, message)

    def close(self, connection: Connection, side: int) -> None:
        """This side is done with it; what it has sent still arrives."""
        self._close_side(connection, side)
        at_s = connection.arrival_s(side, self._agenda.now_s + self.latency_s())
        self._agenda.at(at_s, self._learn_end, connection, 1 - side)

    def break_connection(self, connection: Connection) -> None:
        """Both sides lose it, each in its own time."""
        for side in (0, 1):
            self._agenda.after(self.latency_s(), self._learn_end, connection, side)

    def reset(self, connection: Connection) -> None:
        """The dialler loses it now; the listener takes what is still on its way, even
        when a newer connection is there already."""
        self._learn_end(connection, 0)
        self._agenda.after(STALE_S_MAX * self._draw(), self._learn_end, connection, 1)

    def connections_of(self, name: str) -> list[Connection]:
        """Those with a side of that name that are open, oldest first."""
        return list(self._connections.get(name, ()))

    def died(self, process: Process) -> None:
        """All its connections are over; the others learn it, if they can be told."""
        process.is_alive = False
        if self.listeners.get(process.name) is process:
            del self.listeners[process.name]
        for connection in self.connections_of(process.name):
            side = 0 if connection.sides[0] is process else 1
            if connection.sides[side] is not process:
                continue
            self._close_side(connection, side)
            other = connection.sides[1 - side].name
            if self.path(process.name, other).cuts:
                delay_s = self._silence_s()
            else:
                delay_s = RESET_S + self.latency_s()
            self._agenda.after(delay_s, self._learn_end, connection, 1 - side)

    def _learn_end(self, connection: Connection, side: int) -> None:
        if connection.is_open[side]:
            self._close_side(connection, side)
            process = connection.sides[side]
            if process.is_alive:
                process.closed(connection)

    def _close_side(self, connection: Connection, side: int) -> None:
        connection.is_open[side] = False
        self._connections[connection.sides[side].name].pop(connection, None)

    # --- paths --------------------------------------------------------------------

    def cut(self, sender: str, recipient: str, *, is_holding: bool) -> None:
        """Nothing passes in this direction until as many ``heal`` as ``cut`` came."""
        path = self.path(sender, recipient)
        path.is_troubled = True
        path.cuts += 1
        path.generation += 1
        path.is_holding = is_holding
        self._agenda.after(
            self._silence_s(), self._fall_silent, sender, recipient, path.generation
        )

    def heal(self, sender: str, recipient: str) -> None:
        """One cut of this direction is over."""
        path = self.path(sender, recipient)
        if not path.cuts:
            return
        path.cuts -= 1
        if path.cuts:
            return
        path.generation += 1
        held, path.held = path.held, []
        for connection, side, message in held:
            if connection.is_open[side] or connection.is_open[1 - side]:
                at_s = connection.arrival_s(side, self._agenda.now_s + self.latency_s())
                self._agenda.at(at_s, self._deliver, connection, side, message)

    def trouble(self, sender: str, recipient: str, **how: Any) -> None:
        """Set fields of the path: ``delay_s``, ``drop``, ``copy``, ``overtake``."""
        path = self.path(sender, recipient)
        for name, value in how.items():
            setattr(path, name, value)
        path.is_troubled = True

    def heal_all(self, names: Iterable[str] | None = None) -> None:
        """End every trouble; with ``names`` only between these."""
        chosen = None if names is None else set(names)
        for (sender, recipient), path in self._paths.items():
            if chosen is None or (sender in chosen and recipient in chosen):
                while path.cuts:
                    self.heal(sender, recipient)
                path.delay_s = (0.0, 0.0)
                path.drop = path.copy = path.overtake = 0.0
                path.is_troubled = False

    def _fall_silent(self, sender: str, recipient: str, generation: int) -> None:
        path = self.path(sender, recipient)
        if path.generation != generation or not path.cuts:
            return
        for connection in self.connections_of(sender):
            names = (connection.sides[0].name, connection.sides[1].name)
            if recipient in names:
                for side in (0, 1):
                    self._agenda.after(
                        0.3 * self._draw(), self._learn_end, connection, side
                    )

    def _silence_s(self) -> float:
        least_s, most_s = SILENCE_S
        return least_s + (most_s - least_s) * self._draw()
