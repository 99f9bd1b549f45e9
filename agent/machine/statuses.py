"""What an agent adds to a status update. Pure."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from agent.machine.held import Held
from raftleader.limits import RESULT_BYTES_MAX
from raftleader.protocol.ids import AgentId
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus

MESSAGE_CHARS_MAX = 8_192
"""Longest message of an executor that is passed on: every leader keeps it."""

_encoder = msgspec.json.Encoder(order="deterministic")
_FROM_EXECUTOR = frozenset(
    {
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.KILLING,
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
        TaskState.GONE,
    }
)


def may_report(state: TaskState) -> bool:
    """Whether an executor may say this of a task; other states are the leaders'."""
    return state in _FROM_EXECUTOR


@lru_cache(maxsize=64)
def network_of(ip: str) -> bytes:
    """The address under which tasks are reached, for ``TaskStatus.carried``."""
    if not ip:
        return b""
    address = {"ip_address": ip}
    networks = [{"ip_addresses": [address]}]
    return _encoder.encode({"container_status": {"network_infos": networks}})


def own_status(
    held: Held,
    state: TaskState,
    *,
    agent_id: AgentId | None,
    uuid: bytes,
    now_ms: int,
    source: Source,
    message: str | None = None,
    reason: Reason | None = None,
    data: bytes | None = None,
    healthy: bool | None = None,
    network: bytes = b"",
) -> TaskStatus:
    """An update that the agent makes, as agent or in the place of an executor."""
    is_running = held.mark is not None
    return TaskStatus(
        task_id=held.key[1],
        state=state,
        source=source,
        agent_id=agent_id,
        reason=reason,
        message=message,
        data=data,
        uuid=uuid,
        timestamp_ms=now_ms,
        executor_id=held.executor_id,
        container_id=held.container_id or None,
        executor_pid=held.mark.pid if held.mark else None,
        healthy=healthy,
        carried=_carried(held, network if is_running else b""),
    )


def _carried(held: Held, network: bytes) -> bytes | None:
    """With a check, every update says what it found last, or that it found nothing."""
    if held.check_status is None:
        return network or None
    tree = msgspec.json.decode(network) if network else {}
    tree["check_status"] = msgspec.json.decode(held.check_status)
    return _encoder.encode(tree)


def filled_status(
    held: Held,
    status: TaskStatus,
    *,
    agent_id: AgentId | None,
    now_ms: int,
    network: bytes,
) -> TaskStatus:
    """An executor's update with what executors leave to their agent.

    What is too large for the leaders' log is left out: ``data`` as a whole, a message
    beyond its beginning.
    """
    data = status.data
    if data is not None and len(data) > RESULT_BYTES_MAX:
        data = None
    message = status.message
    if message is not None:
        message = message[:MESSAGE_CHARS_MAX]
    return msgspec.structs.replace(
        status,
        source=Source.EXECUTOR,
        agent_id=agent_id,
        executor_id=held.executor_id,
        timestamp_ms=status.timestamp_ms or now_ms,
        container_id=status.container_id or held.container_id or None,
        message=message,
        data=data,
        carried=_with_network(status.carried, network),
    )


def _with_network(carried: bytes | None, network: bytes) -> bytes | None:
    """Add the agent's address unless the executor named one itself."""
    if carried is None or not network:
        return carried or network or None
    tree = msgspec.json.decode(carried)
    container = tree.setdefault("container_status", {})
    if isinstance(container, dict) and not container.get("network_infos"):
        added = msgspec.json.decode(network)["container_status"]["network_infos"]
        container["network_infos"] = added
    return _encoder.encode(tree)
