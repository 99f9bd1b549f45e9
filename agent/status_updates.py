"""Status updates on their way into the leaders' log. Pure.

For each task they form a stream in order. All that wait in a stream travel in one
message; what is added meanwhile waits until those are committed. So a lost frame
delays a stream but cannot put its updates out of order, nothing travels twice while
all is well, and streams of different tasks never wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from raftleader.limits import RESEND_INTERVAL_S, RESULT_BYTES_MAX
from raftleader.protocol.agent_rpc import AgentUpdate, StatusUpdates
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import TaskStatus

TICK_INTERVAL_S = 1.0
"""Between two ticks: how exactly RESEND_INTERVAL_S is kept."""

RESEND_TICKS = int(RESEND_INTERVAL_S / TICK_INTERVAL_S)

UPDATES_PER_MESSAGE_MAX = 1_000
"""Leaders answer a message of this size well within a turn of their loop."""

PENDING_UPDATES_MAX = 200
"""Of one task that are not committed; beyond, the second oldest is forgotten, as the
leaders do when a framework does not acknowledge. Executors may say much of a task
while no leader hears it."""

MESSAGE_BYTES_MAX = 16 * RESULT_BYTES_MAX
"""A message is closed at this size of data, so that frames stay short."""


@attrs.define
class Stream:
    """Updates of one task that are not committed; the first ``in_flight`` of them
    have been sent, last at tick ``sent_tick``."""

    pending: list[TaskStatus] = attrs.field(factory=list)
    in_flight: int = 0
    sent_tick: int = 0


@attrs.define
class UpdateStreams:
    """The streams of all tasks. What is ready is sent with :meth:`take_ready`."""

    _streams: dict[TaskKey, Stream] = attrs.field(factory=dict, init=False)
    _key_of: dict[bytes, TaskKey] = attrs.field(factory=dict, init=False)
    _ready: dict[TaskKey, None] = attrs.field(factory=dict, init=False)
    _tick: int = attrs.field(default=0, init=False)

    @property
    def pending_count(self) -> int:
        """Updates that are not committed."""
        return len(self._key_of)

    def add(self, key: TaskKey, status: TaskStatus) -> None:
        """A new update, the last of its task so far. Its uuid must be set."""
        assert status.uuid is not None
        stream = self._streams.setdefault(key, Stream())
        if len(stream.pending) >= PENDING_UPDATES_MAX:
            # The first is on its way, and the last says how things are.
            forgotten = stream.pending.pop(1)
            stream.in_flight -= stream.in_flight > 1
            assert forgotten.uuid is not None
            self._key_of.pop(forgotten.uuid, None)
        stream.pending.append(status)
        self._key_of[status.uuid] = key
        if not stream.in_flight:
            self._ready[key] = None

    def commit(self, uuid: bytes) -> tuple[TaskKey, TaskStatus] | None:
        """This update is in the log; None if it is not one of ours (any more)."""
        key = self._key_of.pop(uuid, None)
        if key is None:
            return None
        stream = self._streams[key]
        index = next(i for i, s in enumerate(stream.pending) if s.uuid == uuid)
        status = stream.pending.pop(index)
        if index < stream.in_flight:
            stream.in_flight -= 1
        if not stream.pending:
            del self._streams[key]
            self._ready.pop(key, None)
        elif not stream.in_flight:
            self._ready[key] = None
        return key, status

    def last_of(self, key: TaskKey) -> TaskStatus | None:
        """The newest update of a task that is not committed, if there is one."""
        stream = self._streams.get(key)
        return stream.pending[-1] if stream else None

    def drop(self, key: TaskKey) -> None:
        """Forget all updates of a task: its end is in the log."""
        self._ready.pop(key, None)
        stream = self._streams.pop(key, None)
        for status in stream.pending if stream else ():
            assert status.uuid is not None
            self._key_of.pop(status.uuid, None)

    def send_again(self, key: TaskKey) -> None:
        """Whoever asked for this task again has perhaps missed its updates."""
        if key in self._streams:
            self._ready[key] = None

    def send_everything_again(self) -> None:
        """A new leading session: it has seen nothing."""
        self._ready = dict.fromkeys(self._streams)

    def tick(self) -> None:
        """TICK_INTERVAL_S have passed: what was sent long ago is ready again."""
        self._tick += 1
        for key, stream in self._streams.items():
            if stream.in_flight and self._tick - stream.sent_tick >= RESEND_TICKS:
                self._ready[key] = None

    def take_ready(self) -> list[StatusUpdates]:
        """What is to be sent now; it counts as sent. A task is in one message."""
        groups: list[list[AgentUpdate]] = []
        for key in self._ready:
            stream = self._streams[key]
            stream.in_flight, stream.sent_tick = len(stream.pending), self._tick
            groups.append(
                [AgentUpdate(framework_id=key[0], status=s) for s in stream.pending]
            )
        self._ready = {}
        return _messages(groups)


def _messages(groups: Iterable[list[AgentUpdate]]) -> list[StatusUpdates]:
    messages: list[StatusUpdates] = []
    updates: list[AgentUpdate] = []
    data_bytes = 0
    for group in groups:
        group_bytes = sum(len(update.status.data or b"") for update in group)
        if updates and (
            len(updates) + len(group) > UPDATES_PER_MESSAGE_MAX
            or data_bytes + group_bytes > MESSAGE_BYTES_MAX
        ):
            messages.append(StatusUpdates(updates=tuple(updates)))
            updates, data_bytes = [], 0
        updates += group
        data_bytes += group_bytes
    if updates:
        messages.append(StatusUpdates(updates=tuple(updates)))
    return messages
