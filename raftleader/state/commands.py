"""Everything that may enter the log.

A log entry is a batch: what one leader had waiting when the previous batch was
on its way (group commit). Time and the leader's name are stamped on the batch;
ids come from the log index and the command's ordinal. So ``apply`` needs no
clock and no chance.

Commands are versioned by their tag: a new meaning gets a new tag.
"""

from __future__ import annotations

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.agent_rpc import AgentUpdate, ExecutorReport
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId, OfferId, TaskId
from raftleader.protocol.offers import Operation
from raftleader.protocol.resources import Resources
from raftleader.state.operator_commands import OperatorCommand

ENTRY_VERSION = 1


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class BeginTerm(_Command, frozen=True, kw_only=True, tag="begin-term"):
    """First command of every leader. Fences all earlier terms.

    Frameworks that were connected to the previous leader count as disconnected
    from now on, with at least ``RESUBSCRIBE_GRACE_S`` to come back.
    """

    http_address: str


class SetWeights(_Command, frozen=True, kw_only=True, tag="set-weights"):
    """Weights of roles, in thousandths; a role not named weighs 1000, or what it did
    before if ``is_update``."""

    weights: dict[str, int]
    is_update: bool = False


class SubscribeFramework(_Command, frozen=True, kw_only=True, tag="subscribe"):
    """A framework opened an event stream. Value: ``Subscription``."""

    info: FrameworkInfo
    framework_id: FrameworkId | None = None
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints = {}


class DisconnectFramework(_Command, frozen=True, kw_only=True, tag="disconnect"):
    """The stream of this subscription ended; its failover timeout runs.

    ``subscription`` fences: a later subscription makes the command void.
    """

    framework_id: FrameworkId
    subscription: int


class TeardownFramework(_Command, frozen=True, kw_only=True, tag="teardown"):
    """Kill its tasks, rescind its offers, refuse its id from now on."""

    framework_id: FrameworkId


class UpdateFramework(_Command, frozen=True, kw_only=True, tag="update-framework"):
    """Change a framework in place; the same may not change as at a subscription.

    Outstanding offers of roles it no longer has are rescinded; those of agents that
    its constraints now exclude stay, as in Mesos.
    """

    framework_id: FrameworkId
    info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints = {}


class AcceptOffers(_Command, frozen=True, kw_only=True, tag="accept"):
    """Use offers. Repeating it gives the same outcome (promise P3)."""

    framework_id: FrameworkId
    offer_ids: tuple[OfferId, ...]
    operations: tuple[Operation, ...] = ()
    refuse_ms: int = 5000


class DeclineOffers(_Command, frozen=True, kw_only=True, tag="decline"):
    """Give offers back. Unknown ones are ignored."""

    framework_id: FrameworkId
    offer_ids: tuple[OfferId, ...]
    refuse_ms: int = 5000


class ReviveRoles(_Command, frozen=True, kw_only=True, tag="revive"):
    """Forget filters and suppression of these roles (all if none is named)."""

    framework_id: FrameworkId
    roles: tuple[str, ...] = ()


class SuppressRoles(_Command, frozen=True, kw_only=True, tag="suppress"):
    """Offer nothing for these roles (all if none is named)."""

    framework_id: FrameworkId
    roles: tuple[str, ...] = ()


class KillTask(_Command, frozen=True, kw_only=True, tag="kill"):
    """A kill intent: remembered until the task has ended."""

    framework_id: FrameworkId
    task_id: TaskId
    agent_id: AgentId | None = None
    grace_ms: int | None = None


class ShutdownExecutor(_Command, frozen=True, kw_only=True, tag="shutdown-executor"):
    """A shutdown intent: remembered until the executor has ended."""

    framework_id: FrameworkId
    executor_id: str
    agent_id: AgentId


class AcknowledgeOperation(_Command, frozen=True, kw_only=True, tag="ack-operation"):
    """The framework has taken an operation's status. A wrong uuid is ignored."""

    framework_id: FrameworkId
    operation_id: str
    uuid: bytes


class AnswerInverseOffers(_Command, frozen=True, kw_only=True, tag="answer-inverse"):
    """A framework accepts or declines inverse offers. Unknown ones are ignored."""

    framework_id: FrameworkId
    inverse_offer_ids: tuple[OfferId, ...]
    is_accepted: bool
    refuse_ms: int = 5000


class AcknowledgeUpdate(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """The framework has taken an update. A wrong uuid is ignored."""

    framework_id: FrameworkId
    task_id: TaskId
    uuid: bytes


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the allocator: these resources become one offer."""

    framework_id: FrameworkId
    role: str
    agent_id: AgentId
    resources: Resources


class GrantOffers(_Command, frozen=True, kw_only=True, tag="grant"):
    """All grants of one allocator run. A grant that no longer fits is left out."""

    grants: tuple[Grant, ...]
    offer_timeout_ms: int


class PassTime(_Command, frozen=True, kw_only=True, tag="pass-time"):
    """Do what is due at the batch's time: expire offers, remove frameworks."""


class RegisterAgent(_Command, frozen=True, kw_only=True, tag="register-agent"):
    """An agent is here. Idempotent by ``key``. Value: ``Registration``."""

    key: str
    info: AgentInfo
    agent_id: AgentId | None = None


class MarkUnreachable(_Command, frozen=True, kw_only=True, tag="unreachable"):
    """Agents silent beyond their timeout: their offers and tasks are affected."""

    agent_ids: tuple[AgentId, ...]


class UpdateTasks(_Command, frozen=True, kw_only=True, tag="update-tasks"):
    """Status updates from one agent."""

    agent_id: AgentId
    updates: tuple[AgentUpdate, ...]


class LoseTasks(_Command, frozen=True, kw_only=True, tag="lose-tasks"):
    """The agent was asked and does not know these confirmed tasks."""

    agent_id: AgentId
    tasks: tuple[tuple[FrameworkId, TaskId], ...]


class ReportExecutors(_Command, frozen=True, kw_only=True, tag="report-executors"):
    """Executors of one agent have ended. Their live tasks have ended with them."""

    agent_id: AgentId
    reports: tuple[ExecutorReport, ...]


class LoseExecutors(_Command, frozen=True, kw_only=True, tag="lose-executors"):
    """The agent was asked and does not know these executors. One with a task in
    STAGING stays: it may be on its way."""

    agent_id: AgentId
    executors: tuple[tuple[FrameworkId, str], ...]


Command = (
    BeginTerm
    | SetWeights
    | SubscribeFramework
    | DisconnectFramework
    | TeardownFramework
    | UpdateFramework
    | AcceptOffers
    | DeclineOffers
    | ReviveRoles
    | SuppressRoles
    | KillTask
    | AcknowledgeUpdate
    | ShutdownExecutor
    | AcknowledgeOperation
    | GrantOffers
    | PassTime
    | RegisterAgent
    | MarkUnreachable
    | UpdateTasks
    | LoseTasks
    | ReportExecutors
    | LoseExecutors
    | AnswerInverseOffers
    | OperatorCommand
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One log entry: a batch of commands from one leader.

    Attributes:
        term: Term in which the leader believed it led when it made the batch. If
            it differs from the log's term of the entry, or is lower than the
            state's, the whole batch is rejected: a deposed leader is harmless.
        now_ms: Cluster time, never going back (see ``leader/cluster_clock.py``).
    """

    version: int = ENTRY_VERSION
    term: int
    node: NodeId
    now_ms: int
    commands: tuple[Command, ...]


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """The entry as bytes for the log."""
    return _encoder.encode(entry)


def encoded_size(command: Command) -> int:
    """Bytes this command adds to an entry."""
    return len(_encoder.encode(command))


def decode_entry(data: bytes) -> Entry:
    """Read an entry. Raises InvalidInputError that names the field."""
    try:
        entry = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInputError("log entry", str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise InvalidInputError("log entry", "nested too deep or too large") from error
    if entry.version != ENTRY_VERSION:
        raise InvalidInputError(
            "log entry", f"version {entry.version} is not {ENTRY_VERSION}"
        )
    return entry
