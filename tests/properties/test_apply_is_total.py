"""No bytes and no command make ``apply`` raise, or break an invariant."""

from __future__ import annotations

import enum
import types
import typing
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from raftleader.protocol.tasks import TaskState
from raftleader.state import commands as c
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.snapshot import decode_snapshot, encode_snapshot
from raftleader.state.trial import Trial

IDS = ["c-F3-0", "c-S2-0", "c-O4-0-0", "c-O5-0-0", "t", "u", "k1"]
NAMES = ["*", "cpus", "ports", "user", "name", "MULTI_ROLE", "PARTITION_AWARE"]
WORDS = st.sampled_from([*IDS, *NAMES, "", "a/b", "ü€😀", "x" * 300])
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, 1000, 2000, -1, 10**15, 2**53, 2**63 - 1, -(2**63), 2**64 - 1]
    ),
    st.integers(-(2**63), 2**64 - 1),
)
BYTES = st.sampled_from([b"", b"u" * 16, b"x" * 16])
ATOMS: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: NUMBERS,
    bytes: BYTES,
    bool: st.booleans(),
    type(None): st.none(),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that msgspec can put into an entry, sensible or not."""
    if kind in ATOMS:
        return ATOMS[kind]
    if hasattr(kind, "__supertype__"):
        return values_of(kind.__supertype__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(values_of(argument) for argument in arguments))
    if origin is dict:
        return st.dictionaries(*(values_of(a) for a in arguments), max_size=3)
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    fields = {f.name: values_of(f.type) for f in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


COMMANDS = values_of(c.Command)


def _small_cluster() -> Trial:
    """An agent, a framework, a running task and an outstanding offer."""
    trial = Trial()
    agent = trial.register("cpus:4;ports:[1-9]")
    framework = trial.subscribe(failover_timeout_ms=60_000)
    trial.offer(framework, agent, "cpus:2;ports:[1-4]")
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")
    trial.report(framework, "t", TaskState.RUNNING)
    return trial


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_apply_rejects_any_bytes_it_cannot_read(data: bytes) -> None:
    state = ClusterState(cluster_id="c")
    (outcome,) = apply_entry(state, 1, 1, data).outcomes or (None,)
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.UNREADABLE_ENTRY


@settings(max_examples=300, deadline=None)
@given(commands=st.lists(COMMANDS, min_size=1, max_size=4), now_ms=NUMBERS)
def test_apply_survives_any_command(commands: list[c.Command], now_ms: int) -> None:
    trial = _small_cluster()
    trial.now_ms = now_ms

    applied = trial.apply(*commands)  # asserts the invariants

    assert len(applied.outcomes) == len(commands)
    assert decode_snapshot(encode_snapshot(trial.state)) == trial.state


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_apply_survives_damaged_entries(data: st.DataObject) -> None:
    trial = _small_cluster()
    _, _, good = data.draw(st.sampled_from(trial.entries))
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))

    trial.apply_bytes(bytes(damaged))

    assert decode_snapshot(encode_snapshot(trial.state)) == trial.state
