"""A leader node in memory: the real state machine, without a log or a network."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
import trio

from raftleader.api.app import build_handler
from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.httpd.messages import Answer, Promise, Reply, Request, Response, Stream
from raftleader.leader.figures import Figures
from raftleader.leader.interface import Observer
from raftleader.leader.operation_answers import operation_answers
from raftleader.leader.tickets import Settled
from raftleader.loop_lag import LoopLag
from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId, OfferId
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    Heartbeat,
    OperationUpdate,
    ReconcileOperation,
    ReconcileTask,
    Subscribed,
    Update,
)
from raftleader.replication.interface import (
    Leadership,
    LogStatistics,
    Reconfigurable,
)
from raftleader.state import queries
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import (
    BeginTerm,
    Command,
    DisconnectFramework,
    Entry,
    Grant,
    GrantOffers,
    RegisterAgent,
    encode_entry,
)
from raftleader.state.outcomes import Accepted, Outcome, Registration

TERM = 3


@attrs.define(eq=False)
class FakeStream:
    stream_id: str
    framework_id: FrameworkId
    subscription: int
    events: deque[Event] = attrs.field(factory=deque)
    is_over: bool = False
    is_closed: bool = False

    async def receive(self) -> Sequence[Event]:
        await trio.lowlevel.checkpoint()
        if not self.events:
            if self.is_over:
                raise trio.EndOfChannel
            await trio.sleep_forever()
        events = list(self.events)
        self.events.clear()
        return events

    def close(self) -> None:
        self.is_closed = True


@attrs.define(eq=False)
class FakeTicket:
    outcome: Outcome | RaftLeaderError | None

    async def wait(self) -> Outcome:
        await trio.lowlevel.checkpoint()
        if self.outcome is None:
            await trio.sleep_forever()
        if isinstance(self.outcome, RaftLeaderError):
            raise self.outcome
        assert self.outcome is not None
        return self.outcome


class FakeNode:
    """Commits at once. ``fails_at_once`` and ``fails_later`` are raised by the next
    ``submit`` and by its ticket; ``is_stuck`` makes tickets wait for ever."""

    def __init__(self) -> None:
        self.state = ClusterState(cluster_id="test")
        self.node_id = "n1"
        self.http_address = "127.0.0.1:5050"
        self.leader_address: str | None = self.http_address
        self.leadership = Leadership(term=TERM, leader="n1", leading=True)
        self.fails_at_once: RaftLeaderError | None = None
        self.fails_later: RaftLeaderError | None = None
        self.is_stuck = False
        self.commands: list[Command] = []
        self.barriers = 0
        self.streams: dict[FrameworkId, FakeStream] = {}
        self.group: Reconfigurable | None = None
        self.messages: list[tuple[FrameworkId, AgentId, str, bytes]] = []
        self.observers: list[tuple[Observer, Callable[[], None] | None]] = []
        self.figures = Figures()
        self.commit(BeginTerm(http_address=self.http_address))
        self.commands.clear()

    def commit(self, *commands: Command) -> tuple[Outcome, ...]:
        """One log entry."""
        self.commands += commands
        entry = Entry(
            term=TERM, node=NodeId("n1"), now_ms=1_700_000_000_000, commands=commands
        )
        applied = apply_entry(
            self.state, self.state.index + 1, TERM, encode_entry(entry)
        )
        self.figures.on_applied(applied, self.state.frameworks)
        for observer, _ in tuple(self.observers):
            observer(applied)
        return applied.outcomes

    def stand_by(self, leader: str | None) -> None:
        """Stop leading; ``leader`` is the address of whoever leads now."""
        self.leadership = Leadership(term=TERM + 1, leader=None, leading=False)
        self.leader_address = leader
        observers, self.observers = self.observers, []
        for _, ended in observers:
            if ended is not None:
                ended()

    @property
    def loop_lag(self) -> LoopLag:
        return LoopLag(0.07)

    def events_counted(self) -> Mapping[str, int]:
        return {"terms_led": 1}

    def statistics(self) -> LogStatistics:
        return LogStatistics(
            engine="fake",
            term=TERM,
            last_index=self.state.index,
            commit_index=self.state.index,
            applied_index=self.state.index,
            journal_bytes=1234,
            peers_connected=("n2", "n3"),
        )

    def submit(self, command: Command, told: Settled | None = None) -> FakeTicket:
        if self.fails_at_once is not None:
            raise self.fails_at_once
        if self.is_stuck:
            return FakeTicket(None)
        (outcome,) = self.commit(command)
        result = self.fails_later or outcome
        if told is not None:
            told(result)
        return FakeTicket(result)

    async def barrier(self) -> None:
        await trio.lowlevel.checkpoint()
        self.barriers += 1
        if self.fails_later is not None:
            raise self.fails_later

    def open_stream(self, framework_id: FrameworkId, subscription: int) -> FakeStream:
        if not self.leadership.leading:
            raise NotLeaderError(None)
        older = self.streams.get(framework_id)
        if older is not None:
            older.events.append(Error(message="Framework failed over"))
            older.is_over = True
        stream = FakeStream(f"stream-{subscription}", framework_id, subscription)
        stream.events += [
            Subscribed(framework_id=framework_id, heartbeat_interval_s=15.0),
            Heartbeat(),
        ]
        self.streams[framework_id] = stream
        return stream

    def stream_of(self, framework_id: FrameworkId) -> FakeStream | None:
        return self.streams.get(framework_id)

    async def reconcile(
        self, framework_id: FrameworkId, tasks: Sequence[ReconcileTask]
    ) -> None:
        await self.barrier()
        framework = self.state.frameworks[framework_id]
        for task in tasks:
            status = queries.reconciliation_status(
                self.state, framework, task.task_id, task.agent_id
            )
            self.streams[framework_id].events.append(Update(status=status))

    async def reconcile_operations(
        self, framework_id: FrameworkId, operations: Sequence[ReconcileOperation]
    ) -> None:
        await self.barrier()
        for status in operation_answers(self.state, framework_id, operations):
            self.streams[framework_id].events.append(OperationUpdate(status=status))

    def send_to_executor(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        executor_id: str,
        data: bytes,
    ) -> None:
        self.messages.append((framework_id, agent_id, executor_id, data))

    def observe(
        self, observer: Observer, *, ended: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        if not self.leadership.leading:
            raise NotLeaderError(self.leader_address)
        entry = (observer, ended)
        self.observers.append(entry)

        def end() -> None:
            if entry in self.observers:
                self.observers.remove(entry)

        return end

    def agent_is_connected(self, agent_id: str) -> bool:
        return True

    def agent_silent_s(self, agent_id: str) -> float | None:
        return 1.5

    @property
    def started_ms(self) -> int:
        return 1_699_999_000_000

    @property
    def elected_ms(self) -> int | None:
        return 1_699_999_500_000 if self.leadership.leading else None

    def add_agent(self, resources: Resources) -> AgentId:
        """Register a machine with attributes."""
        info = AgentInfo(
            hostname="machine",
            ip="10.0.0.7",
            port=5051,
            resources=resources,
            attributes=(
                Attribute(name="rack", text="r1"),
                Attribute(name="level", scalar_millis=1500),
                Attribute(name="span", ranges=((1, 3),)),
            ),
        )
        (outcome,) = self.commit(RegisterAgent(key="machine", info=info))
        assert isinstance(outcome, Accepted)
        assert isinstance(outcome.value, Registration)
        return outcome.value.agent_id

    def offer(
        self, framework_id: str, agent_id: str, resources: Resources, role: str = "*"
    ) -> OfferId:
        """Grant one offer."""
        before = set(self.state.offers)
        grant = Grant(
            framework_id=FrameworkId(framework_id),
            role=role,
            agent_id=AgentId(agent_id),
            resources=resources,
        )
        self.commit(GrantOffers(grants=(grant,), offer_timeout_ms=60_000))
        (offer_id,) = set(self.state.offers) - before
        return offer_id

    def disconnect(self, framework_id: str) -> None:
        """The client of a framework goes away."""
        stream = self.streams.pop(FrameworkId(framework_id))
        self.commit(
            DisconnectFramework(
                framework_id=stream.framework_id, subscription=stream.subscription
            )
        )


class Written:
    """A StreamWriter that keeps what it is given."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        self.chunks += chunks

    @property
    def events(self) -> list[Any]:
        """One event for each chunk, which must be one whole record."""
        events = []
        for chunk in self.chunks:
            length, _, payload = chunk.partition(b"\n")
            assert int(length) == len(payload)
            events.append(json.loads(payload))
        return events


class Client:
    """Speaks to the handler as the server would, without sockets."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.handler = build_handler(node)

    async def ask(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> Answer:
        path, _, query = target.partition("?")
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        request = Request(
            method=method,
            path=path,
            target=target,
            query={name: value for name, _, value in pairs},
            headers={
                name.replace("_", "-").lower(): text for name, text in headers.items()
            },
            body=body,
            peer="client",
        )
        return await self.answer(self.handler(request))

    async def answer(self, reply: Reply) -> Answer:
        """What the server would write for it."""
        if isinstance(reply, Response | Stream):
            return reply
        if isinstance(reply, Promise):
            kept: list[Response] = []
            reply.when_kept(lambda make: kept.append(make()))
            return kept[0]  # the fake node commits at once
        return await reply()

    async def get(self, target: str) -> Response:
        answer = await self.ask("GET", target)
        assert isinstance(answer, Response)
        return answer

    async def get_json(self, target: str) -> Any:
        answer = await self.get(target)
        assert answer.status == 200
        assert answer.headers == (("Content-Type", "application/json"),)
        return json.loads(answer.body)

    async def post(self, message: Any, **headers: str) -> Answer:
        """A scheduler call; ``message`` is JSON, or the bytes of a body."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return await self.ask(
            "POST",
            "/api/v1/scheduler",
            body,
            **({"content_type": "application/json"} | headers),
        )

    async def call(self, framework_id: str, kind: str, **body: Any) -> Response:
        """A call of a subscribed framework, with its stream id."""
        stream = self.node.stream_of(FrameworkId(framework_id))
        headers = {} if stream is None else {"mesos_stream_id": stream.stream_id}
        message = {"type": kind, "framework_id": {"value": framework_id}, **body}
        answer = await self.post(message, **headers)
        assert isinstance(answer, Response)
        return answer

    async def subscribe(self, framework_id: str | None = None, **info: Any) -> Stream:
        """SUBSCRIBE, expecting a stream (perhaps one with an ERROR)."""
        message: dict[str, Any] = {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": {"user": "u", "name": "n"} | info},
        }
        if framework_id is not None:
            message["framework_id"] = {"value": framework_id}
            message["subscribe"]["framework_info"]["id"] = {"value": framework_id}
        answer = await self.post(message)
        assert isinstance(answer, Stream), answer
        return answer

    async def framework(self, **info: Any) -> str:
        """The id of a new, subscribed framework."""
        before = set(self.node.state.frameworks)
        await self.subscribe(**info)
        (framework_id,) = set(self.node.state.frameworks) - before
        return framework_id

    async def read(self, stream: Stream, *, wait_s: float = 1.0) -> list[Any]:
        """The events a stream writes within that time (use a jumping clock)."""
        written = Written()
        with trio.move_on_after(wait_s):
            await stream.run(written)
        return written.events


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
def client(node: FakeNode) -> Client:
    return Client(node)
