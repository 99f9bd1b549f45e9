"""ExecutorInfo in Mesos' messages."""

from __future__ import annotations

from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.json_v1_commands import (
    command_to_json,
    read_command,
    unsupported_in_command,
    unsupported_in_container,
)
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_kinds import InvalidResourceError, ReservationForm
from raftleader.protocol.json_v1_labels import (
    labels_to_json,
    ms_to_json,
    read_labels,
    read_ms,
)
from raftleader.protocol.json_v1_resources import read_resources, resources_to_json
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import ExecutorInfo, ExecutorType
from raftleader.protocol.wire.carried import read_carried, tree_of_carried

_TYPES = {type_.value: type_ for type_ in ExecutorType}
_CARRIED = ("container", "discovery", "source")


def read_executor_info(fields: Fields) -> ExecutorInfo:
    """An executor as its framework describes it; what is odd is for ``apply``."""
    resources, unsupported = read_own_resources(fields)
    container = fields.child("container")
    if container is not None:
        unsupported += unsupported_in_container(container)
    command = fields.child("command")
    if command is not None:
        unsupported += unsupported_in_command(command)
    return ExecutorInfo(
        executor_id=fields.required_identifier("executor_id"),
        type=_TYPES.get(fields.text("type") or ""),
        framework_id=fields.identifier("framework_id"),
        command=read_command(command) if command is not None else None,
        resources=resources,
        name=fields.text("name"),
        data=fields.octets("data", bytes_max=TASK_DATA_BYTES_MAX),
        labels=read_labels(fields),
        shutdown_grace_ms=read_ms(fields, "shutdown_grace_period"),
        carried=read_carried(fields, "mesos.ExecutorInfo", _CARRIED),
        unsupported=unsupported,
    )


def read_own_resources(fields: Fields) -> tuple[Resources, tuple[str, ...]]:
    """The ``resources`` of a task or executor.

    What cannot be is none of them, and named among what we cannot honour: then this
    task alone is answered with TASK_ERROR.
    """
    try:
        return read_resources(fields, "resources")
    except InvalidResourceError as error:
        place = error.path.removeprefix(f"{fields.path()}.")
        return EMPTY, (f"{place} ({error.problem})",)


def executor_info_to_json(
    info: ExecutorInfo,
    *,
    form: ReservationForm = ReservationForm.REFINED,
    allocated_to: str | None = None,
) -> JsonObject:
    """The executor without ``unsupported``, which only a reader can know."""
    message: JsonObject = tree_of_carried(info.carried) if info.carried else {}
    message["executor_id"] = {"value": info.executor_id}
    if info.type is not None:
        message["type"] = info.type.value
    if info.framework_id is not None:
        message["framework_id"] = {"value": info.framework_id}
    if info.command is not None:
        message["command"] = command_to_json(info.command)
    if info.resources:
        message["resources"] = resources_to_json(
            info.resources, form=form, allocated_to=allocated_to
        )
    if info.name is not None:
        message["name"] = info.name
    if info.data is not None:
        message["data"] = info.data
    if info.labels:
        message["labels"] = labels_to_json(info.labels)
    if info.shutdown_grace_ms is not None:
        message["shutdown_grace_period"] = ms_to_json(info.shutdown_grace_ms)
    return message
