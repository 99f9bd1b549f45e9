"""Writing: copies of the tables now, bytes of them later."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

import attrs
import msgspec
from msgspec.structs import replace

from raftleader.protocol.ids import FrameworkId
from raftleader.state.cluster import ClusterState
from raftleader.state.indexes import OWNED
from raftleader.state.snapshot_stream.format import (
    FRAME_BYTES,
    ITEMS_IN_ROW_MAX,
    MAGIC,
    PARTS_OF_FRAMEWORK,
    PARTS_OF_TASK,
    STEP_BYTES,
    VERSION,
    End,
    Header,
    Part,
    Section,
    array,
    encoder,
    frame,
    prelude,
)

R = TypeVar("R", bound=msgspec.Struct)


def capture(state: ClusterState) -> Iterator[bytes]:
    """The state as it is now; it may change between two steps.

    The call copies the tables; it costs some nanoseconds a row. Each step encodes rows
    of about ``STEP_BYTES``, or a single row that is larger; what it has encoded it
    lets go, so that rows which are gone meanwhile are freed step by step too.
    """
    return _steps(_Content.of(state))


@attrs.frozen(kw_only=True)
class _Content:
    """What a stream is made of. Lists are last first, and are eaten from the end."""

    header: Header
    sections: tuple[tuple[Section, list[Any]], ...]
    owners: tuple[tuple[str, list[Any]], ...]
    end: End

    @classmethod
    def of(cls, state: ClusterState) -> _Content:
        operations = ((key[1], row) for key, row in state.operations.items())
        sections = (
            (Section.REMOVED, _reversed(state.removed_frameworks.items())),
            (Section.GONE, _reversed(state.gone_agents.items())),
            (Section.FRAMEWORKS, _reversed(state.frameworks.values())),
            (Section.AGENTS, _reversed(state.agents.values())),
            (Section.INVERSE_ANSWERS, _reversed(state.inverse_answers.items())),
            (Section.OFFERS, _reversed(state.offers.values())),
            (Section.INVERSE_OFFERS, _reversed(state.inverse_offers.values())),
            (Section.EXECUTORS, _reversed(state.executors.values())),
            (Section.TASKS, _reversed(state.tasks.values())),
            (Section.COMPLETED, _reversed(state.completed_tasks.values())),
            (Section.OPERATIONS, _reversed(operations)),
        )
        return cls(
            header=Header(
                cluster_id=state.cluster_id,
                index=state.index,
                term=state.term,
                leader=state.leader,
                leader_http=state.leader_http,
                clock_ms=state.clock_ms,
                weights=dict(state.weights),
                quotas=dict(state.quotas),
                windows=state.windows,
                down_machines=state.down_machines,
            ),
            sections=sections,
            owners=tuple((name, _reversed(getattr(state, name))) for name in OWNED),
            end=End(
                rows={section: len(rows) for section, rows in sections},
                allocated=_copied(state.allocated),
                capacity=dict(state.capacity),
            ),
        )


def _reversed(rows: Iterable[Any]) -> list[Any]:
    copied = list(rows)
    copied.reverse()
    return copied


def _copied(
    allocated: dict[str, dict[FrameworkId, dict[str, int]]],
) -> dict[str, dict[FrameworkId, dict[str, int]]]:
    return {
        role: {framework_id: dict(amounts) for framework_id, amounts in held.items()}
        for role, held in allocated.items()
    }


def _steps(content: _Content) -> Iterator[bytes]:
    step, size = [prelude.pack(MAGIC, VERSION)], 0
    for one in _frames(content):
        step.append(one)
        size += len(one)
        if size >= STEP_BYTES:
            yield b"".join(step)
            step, size = [], 0
    yield b"".join(step)


def _frames(content: _Content) -> Iterator[bytes]:
    yield frame(Section.HEADER, encoder.encode(content.header))
    for section, rows in content.sections:
        if section is Section.OFFERS:
            yield from _owners(content)
        yield from _section(section, rows)
    yield frame(Section.END, encoder.encode(content.end))


def _owners(content: _Content) -> Iterator[bytes]:
    for name, owners in content.owners:
        for items in _batches(owners):
            # An array of two, as msgspec would write ``Owners``.
            yield frame(Section.OWNERS, b"\x92" + encoder.encode(name) + items)


def _section(section: Section, rows: list[Any]) -> Iterator[bytes]:
    """Frames of whole rows; a long row is alone, after its parts."""
    fields = _FIELDS.get(section, ())
    encoded: list[bytes] = []
    size = 0
    while rows:
        row = rows.pop()
        for field in fields:
            if len(getattr(row, field)) > ITEMS_IN_ROW_MAX:
                if encoded:
                    yield frame(section, array(encoded, len(encoded)))
                    encoded, size = [], 0
                row = yield from _parts(row, fields)
                break
        data = encoder.encode(row)
        encoded.append(data)
        size += len(data)
        if size >= FRAME_BYTES:
            yield frame(section, array(encoded, len(encoded)))
            encoded, size = [], 0
    if encoded:
        yield frame(section, array(encoded, len(encoded)))


def _parts(row: R, fields: tuple[str, ...]) -> Generator[bytes, None, R]:
    """Frames of the fields' items; returns what is left of the row."""
    for field in fields:
        for items in _batches(_reversed(getattr(row, field))):
            yield frame(Section.PART, encoder.encode(Part(field, msgspec.Raw(items))))
    return replace(row, **dict.fromkeys(fields, ()))


def _batches(items: list[Any]) -> Iterator[bytes]:
    """msgpack arrays of about ``FRAME_BYTES``; eats the list from its end."""
    encoded: list[bytes] = []
    size = 0
    while items:
        data = encoder.encode(items.pop())
        encoded.append(data)
        size += len(data)
        if size >= FRAME_BYTES:
            yield array(encoded, len(encoded))
            encoded, size = [], 0
    if encoded:
        yield array(encoded, len(encoded))


_FIELDS = {
    Section.FRAMEWORKS: PARTS_OF_FRAMEWORK,
    Section.TASKS: PARTS_OF_TASK,
}
