"""Reading: a new state beside the old one, complete with each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from raftleader.errors import InvalidInputError
from raftleader.state.cluster import ClusterState
from raftleader.state.indexes import (
    OWNED,
    index_agent,
    index_completed,
    index_executor,
    index_inverse_offer,
    index_offer,
    index_operation,
    index_task,
)
from raftleader.state.invariants import (
    wrong_agent,
    wrong_answers,
    wrong_completed,
    wrong_executor,
    wrong_framework,
    wrong_gone_agent,
    wrong_inverse_offer,
    wrong_offer,
    wrong_operation,
    wrong_operators_part,
    wrong_task,
)
from raftleader.state.snapshot_stream import format as layout
from raftleader.state.snapshot_stream.accounts import Account
from raftleader.state.snapshot_stream.format import Section

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", bound=msgspec.Struct)


class Restoring:
    """A state that is being read from what ``capture`` wrote.

    A node must not serve a state that breaks an invariant: every row is checked as it
    comes, against those before it. Attributes: ``state`` is what was read so far; it
    is whole only once ``finish`` returned it.
    """

    def __init__(self, cluster_id: str) -> None:
        self.state = ClusterState(cluster_id=cluster_id)
        self._buffer = bytearray()
        self._has_begun = False
        self._section = Section.HEADER
        self._rows: dict[int, int] = {}
        self._parts: dict[str, list[Any]] = {}
        self._used, self._offered = Account(), Account()
        self._memberless_owners = 0
        self._is_complete = False

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the stream, cut anywhere.

        Costs time in proportion to ``chunk`` (and to the one frame it completes): give
        ``CHUNK_BYTES`` at most. Raises InvalidInputError for what is no snapshot of
        this cluster, or of a state that cannot be; nothing can be fed after that.
        """
        self._buffer += chunk
        try:
            consumed = self._consume(self._buffer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInputError("snapshot", str(error)) from error
        except (RecursionError, MemoryError) as error:
            raise InvalidInputError("snapshot", "nested too deep or too large") from (
                error
            )
        del self._buffer[:consumed]

    def finish(self) -> ClusterState:
        """The state, once everything was fed. Costs next to nothing.

        Raises InvalidInputError if the stream was cut."""
        if not self._is_complete:
            raise InvalidInputError("snapshot", "its end is missing")
        return self.state

    def _consume(self, data: bytearray) -> int:
        """Read all frames that are whole; return where the next one begins."""
        at = 0
        if not self._has_begun:
            if len(data) < layout.prelude.size:
                return 0
            self._begin(data)
            at = layout.prelude.size
        while at + layout.frame_head.size <= len(data):
            size, section = layout.frame_head.unpack_from(data, at)
            if not 1 <= size <= layout.FRAME_BYTES_MAX:
                raise InvalidInputError("snapshot", f"a frame of {size} bytes")
            begin = at + layout.frame_head.size
            at_next = begin + size - 1
            if at_next > len(data):
                break
            self._read_frame(section, data[begin:at_next])
            at = at_next
        if self._is_complete and at < len(data):
            raise InvalidInputError("snapshot", "something follows its end")
        return at

    def _begin(self, data: bytearray) -> None:
        magic, version = layout.prelude.unpack_from(data)
        if magic != layout.MAGIC:
            raise InvalidInputError("snapshot", "this is none of ours")
        if version != layout.VERSION:
            raise InvalidInputError(
                "snapshot.version", f"{version} is not {layout.VERSION}"
            )
        self._has_begun = True

    def _read_frame(self, number: int, payload: bytearray) -> None:
        reader = None if self._is_complete else _READERS.get(number)
        is_first = not self._rows
        if (
            reader is None
            or is_first != (number == Section.HEADER)
            or (number != Section.PART and number < self._section)
        ):
            raise InvalidInputError("snapshot", f"section {number} cannot be here")
        if number != Section.PART:
            self._section = Section(number)
        reader(self, payload)

    def _read_header(self, payload: bytearray) -> None:
        header = layout.header_decoder.decode(payload)
        state = self.state
        if header.cluster_id != state.cluster_id:
            raise InvalidInputError(
                "snapshot.cluster_id",
                f"{header.cluster_id!r} is not {state.cluster_id!r}",
            )
        state.index, state.term = header.index, header.term
        state.leader, state.leader_http = header.leader, header.leader_http
        state.clock_ms, state.weights = header.clock_ms, header.weights
        state.quotas, state.windows = header.quotas, header.windows
        state.down_machines = header.down_machines
        _refuse(wrong_operators_part(state))
        self._rows = dict.fromkeys(layout.TABLES, 0)

    def _read_removed(self, payload: bytearray) -> None:
        for framework_id, at_ms in layout.removed_decoder.decode(payload):
            self._put(self.state.removed_frameworks, framework_id, at_ms)

    def _read_gone(self, payload: bytearray) -> None:
        for agent_id, at_ms in layout.gone_decoder.decode(payload):
            self._put(self.state.gone_agents, agent_id, at_ms)

    def _read_frameworks(self, payload: bytearray) -> None:
        state = self.state
        for row in layout.frameworks_decoder.decode(payload):
            framework = self._whole(row)
            _refuse(wrong_framework(state, framework.id, framework))
            self._put(state.frameworks, framework.id, framework)

    def _read_agents(self, payload: bytearray) -> None:
        state = self.state
        for agent in layout.agents_decoder.decode(payload):
            _refuse(wrong_agent(agent))
            _refuse(wrong_gone_agent(state, agent.id))
            if agent.key in state.agent_ids_by_key:
                _refuse([f"agent {agent.id}: another has its key"])
            self._put(state.agents, agent.id, agent)
            index_agent(state, agent)
            self._used.claim(agent.used)
            self._offered.claim(agent.offered)

    def _read_inverse_answers(self, payload: bytearray) -> None:
        state = self.state
        for agent_id, answers in layout.inverse_answers_decoder.decode(payload):
            _refuse(wrong_answers(state, agent_id, answers))
            self._put(state.inverse_answers, agent_id, answers)

    def _read_owners(self, payload: bytearray) -> None:
        """Make the places of an index, in their order; rows will fill them."""
        read = layout.owners_decoder.decode(payload)
        if read.index not in OWNED:
            raise InvalidInputError("snapshot", f"an index {read.index!r}")
        places = getattr(self.state, read.index)
        for owner in read.owners:
            if owner in places:
                raise InvalidInputError("snapshot", f"{read.index}: {owner} twice")
            places[owner] = {}
        self._memberless_owners += len(read.owners)

    def _own(self, places: dict[K, dict[V, None]], owner: K) -> None:
        """A row is about to take its place."""
        members = places.get(owner)
        if members is None:
            raise InvalidInputError("snapshot", f"{owner} has rows and no place")
        if not members:
            self._memberless_owners -= 1

    def _read_offers(self, payload: bytearray) -> None:
        state = self.state
        for offer in layout.offers_decoder.decode(payload):
            _refuse(wrong_offer(state, offer.id, offer))
            self._put(state.offers, offer.id, offer)
            self._own(state.offers_by_framework, offer.framework_id)
            self._own(state.offers_by_agent, offer.agent_id)
            index_offer(state, offer)
            agent = state.agents[offer.agent_id]
            exclusive = offer.resources.exclusive()
            if not self._offered.make_up(agent.id, agent.offered, exclusive):
                _refuse([f"agent {agent.id}: offered is less than its offers"])

    def _read_inverse_offers(self, payload: bytearray) -> None:
        state = self.state
        for offer in layout.inverse_offers_decoder.decode(payload):
            _refuse(wrong_inverse_offer(state, offer.id, offer))
            self._put(state.inverse_offers, offer.id, offer)
            self._own(state.inverse_offers_by_framework, offer.framework_id)
            self._own(state.inverse_offers_by_agent, offer.agent_id)
            index_inverse_offer(state, offer)

    def _read_executors(self, payload: bytearray) -> None:
        state = self.state
        for executor in layout.executors_decoder.decode(payload):
            key = executor.key
            _refuse(wrong_executor(state, key, executor))
            self._put(state.executors, key, executor)
            self._own(state.executors_by_framework, executor.framework_id)
            self._own(state.executors_by_agent, executor.agent_id)
            index_executor(state, executor)
            agent, part = state.agents[executor.agent_id], executor.info.resources
            if not self._used.make_up(agent.id, agent.used, part):
                _refuse([f"agent {agent.id}: used is less than its executors"])

    def _read_tasks(self, payload: bytearray) -> None:
        state = self.state
        for row in layout.tasks_decoder.decode(payload):
            task = self._whole(row)
            key = task.key
            _refuse(wrong_task(state, key, task))
            self._put(state.tasks, key, task)
            self._own(state.tasks_by_framework, task.framework_id)
            self._own(state.tasks_by_agent, task.info.agent_id)
            index_task(state, task)
            if task.state.is_terminal:
                continue
            agent = state.agents[task.info.agent_id]
            exclusive = task.info.resources.exclusive()
            if not self._used.make_up(agent.id, agent.used, exclusive):
                _refuse([f"agent {agent.id}: used is less than its tasks"])

    def _read_completed(self, payload: bytearray) -> None:
        state = self.state
        for task in layout.completed_decoder.decode(payload):
            key = (task.framework_id, task.task_id)
            _refuse(wrong_completed(state, key, task))
            self._put(state.completed_tasks, key, task)
            self._own(state.completed_by_framework, task.framework_id)
            index_completed(state, task)

    def _read_operations(self, payload: bytearray) -> None:
        state = self.state
        for name, row in layout.operations_decoder.decode(payload):
            key = (row.framework_id, name)
            _refuse(wrong_operation(state, key, row))
            self._put(state.operations, key, row)
            self._own(state.operations_by_framework, row.framework_id)
            index_operation(state, name, row)

    def _read_part(self, payload: bytearray) -> None:
        part = layout.part_decoder.decode(payload)
        decoder = layout.items_decoders.get(part.field)
        if decoder is None:
            raise InvalidInputError("snapshot", f"a part of {part.field!r}")
        self._parts.setdefault(part.field, []).extend(decoder.decode(part.items))

    def _whole(self, row: R) -> R:
        """The row with the parts that came before it."""
        if not self._parts:
            return row
        parts, self._parts = self._parts, {}
        if not set(parts) <= set(row.__struct_fields__):
            raise InvalidInputError("snapshot", "parts of another kind of row")
        whole = {name: (*some, *getattr(row, name)) for name, some in parts.items()}
        return replace(row, **whole)

    def _put(self, table: dict[K, V], key: K, row: V) -> None:
        if key in table:
            raise InvalidInputError("snapshot", f"{key} is there twice")
        table[key] = row
        self._rows[self._section] += 1

    def _read_end(self, payload: bytearray) -> None:
        end = layout.end_decoder.decode(payload)
        state = self.state
        if end.rows != self._rows or self._parts:
            _refuse([f"rows are missing: {end.rows} were written, {self._rows} read"])
        if not (self._used.is_settled and self._offered.is_settled):
            _refuse(["an agent has more used or offered than its tasks and offers"])
        if self._memberless_owners:
            _refuse(["an index has a place for an owner without rows"])
        if (end.allocated, end.capacity) != (state.allocated, state.capacity):
            _refuse(["index allocated or capacity is not what the tables say"])
        state.allocated, state.capacity = end.allocated, end.capacity
        self._is_complete = True


def _refuse(problems: Iterable[str]) -> None:
    for problem in problems:
        raise InvalidInputError("snapshot", problem)


_READERS: dict[int, Callable[[Restoring, bytearray], None]] = {
    Section.HEADER: Restoring._read_header,
    Section.REMOVED: Restoring._read_removed,
    Section.GONE: Restoring._read_gone,
    Section.FRAMEWORKS: Restoring._read_frameworks,
    Section.AGENTS: Restoring._read_agents,
    Section.INVERSE_ANSWERS: Restoring._read_inverse_answers,
    Section.OWNERS: Restoring._read_owners,
    Section.OFFERS: Restoring._read_offers,
    Section.INVERSE_OFFERS: Restoring._read_inverse_offers,
    Section.EXECUTORS: Restoring._read_executors,
    Section.TASKS: Restoring._read_tasks,
    Section.COMPLETED: Restoring._read_completed,
    Section.OPERATIONS: Restoring._read_operations,
    Section.END: Restoring._read_end,
    Section.PART: Restoring._read_part,
}
"""Not bound to an object: it would refer to itself, and a whole state stay behind."""
