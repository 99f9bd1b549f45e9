"""The records of a run on real processes: who did what, what was broken, what was seen.

Each process writes its own file, a JSON object a line (``writer``); after the run they
are merged into one (``merge``), ordered by time. Times are those of CLOCK_MONOTONIC, in
nanoseconds, which all processes of a machine share: they are taken where the clock is
never faked, in workloads and in the run itself, not in the nodes.

An operation is *invoked*, and ends *ok* (it happened), *fail* (it did not), or *info*
(nobody knows). A process that was told *info* goes on under another name, so that every
process is a sequence of operations (the scheme of Jepsen).
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class OpType(enum.Enum):
    """A moment of an operation."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Op(msgspec.Struct, tag="op", tag_field="kind", frozen=True, kw_only=True):
    """One moment of an operation.

    Attributes:
        process: Who does it, e.g. ``churn-1/2``: the second life of its name.
        id: Pairs an invocation with its end; unique together with ``process``.
        f: What is asked, e.g. ``accept``, ``decline``, ``read``, ``write``, ``submit``.
        key: What it is about: a register, an agent; histories of different keys may be
            judged apart.
        value: Arguments (invoke) or what was learnt (ok); anything JSON has.
        node: The leader node it was sent to, as far as known.
    """

    process: str
    id: int
    type: OpType
    f: str
    at_ns: int
    key: str = ""
    value: Any = None
    error: str = ""
    node: str = ""


class Happening(
    msgspec.Struct, tag="happening", tag_field="kind", frozen=True, kw_only=True
):
    """Something a workload was told without asking: ``what`` is ``subscribed``,
    ``resubscribed``, ``disconnected``, ``offer``, ``rescinded``, ``update``, ``error``;
    or of its own life: ``began``, ``ended``."""

    process: str
    what: str
    at_ns: int
    value: Any = None


class FaultPhase(enum.Enum):
    INJECT = "inject"
    """It is in force from now on."""
    HEAL = "heal"
    """It is in force no longer."""
    IMPOSSIBLE = "impossible"
    """Nothing was done, for the reason in ``detail["why"]``."""


class FaultRecord(
    msgspec.Struct, tag="fault", tag_field="kind", frozen=True, kw_only=True
):
    """A fault begins or ends.

    Attributes:
        id: The number of the injection; begin and end have the same.
        fault: The value of a ``chaos.live.faults.Fault``.
        targets: Names of nodes, agents, frameworks that were hit.
        means: With what, e.g. ``SIGKILL``, ``nft``, ``switch``, ``toxiproxy``.
    """

    id: int
    fault: str
    phase: FaultPhase
    at_ns: int
    targets: tuple[str, ...] = ()
    means: str = ""
    detail: dict[str, Any] = {}


class NodeSample(
    msgspec.Struct, tag="sample", tag_field="kind", frozen=True, kw_only=True
):
    """What a leader node said of itself, or that it did not answer."""

    node: str
    at_ns: int
    is_up: bool
    role: str = ""
    """``leader`` or ``follower``; empty if it does not answer."""
    term: int = 0
    leader: str = ""
    commit_index: int = 0
    applied_index: int = 0


class ProcessEvent(
    msgspec.Struct, tag="process", tag_field="kind", frozen=True, kw_only=True
):
    """A process was started or has died (``what``: ``started``, ``died``)."""

    node: str
    what: str
    at_ns: int
    detail: str = ""


class PhaseRecord(
    msgspec.Struct, tag="phase", tag_field="kind", frozen=True, kw_only=True
):
    """A phase of the run begins: ``start``, ``before``, ``faults``, ``heal``,
    ``settle``, ``end``."""

    name: str
    at_ns: int


Record = Op | Happening | FaultRecord | NodeSample | ProcessEvent | PhaseRecord
