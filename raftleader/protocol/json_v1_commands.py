"""Commands, kill policies, and what of a task's surroundings we cannot honour."""

from __future__ import annotations

from raftleader.limits import KILL_GRACE_S_MAX
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_labels import read_ms
from raftleader.protocol.tasks import CommandInfo, Uri

COMMAND_CHARS_MAX = 128 * 1024
"""Longest part of a command: Linux takes no longer argument."""
_GRACE_NS_MAX = int(KILL_GRACE_S_MAX) * 10**9

# Of a ContainerInfo: what asks for something only by the fields in it...
_ISOLATED = ("linux_info", "rlimit_info")
# ...and what does by being there.
_ASKED_FOR = ("hostname", "tty_info")
# Fields of a NetworkInfo that ask for nothing but words that travel.
_WORDS_OF_NETWORK = frozenset({"groups", "labels"})


def read_command(fields: Fields) -> CommandInfo:
    """A command. ``shell`` is true unless it says otherwise."""
    environment = fields.child("environment")
    variables = environment.children("variables") if environment else []
    shell = fields.flag("shell")
    return CommandInfo(
        value=fields.text("value", chars_max=COMMAND_CHARS_MAX),
        shell=True if shell is None else shell,
        arguments=fields.texts("arguments", chars_max=COMMAND_CHARS_MAX),
        environment=tuple(
            (
                variable.required_text("name"),
                variable.text("value", chars_max=COMMAND_CHARS_MAX) or "",
            )
            for variable in variables
        ),
        user=fields.text("user"),
        uris=tuple(_read_uri(uri) for uri in fields.children("uris")),
    )


def _read_uri(fields: Fields) -> Uri:
    return Uri(
        value=fields.required_text("value"),
        is_executable=fields.flag("executable") is True,
        is_extracted=fields.flag("extract") is not False,
        is_cached=fields.flag("cache") is True,
        output_file=fields.text("output_file"),
    )


def command_to_json(command: CommandInfo) -> JsonObject:
    """The command, with ``shell`` always written."""
    message: JsonObject = {"shell": command.shell}
    if command.value is not None:
        message["value"] = command.value
    if command.arguments:
        message["arguments"] = list(command.arguments)
    if command.environment:
        variables = [{"name": n, "value": v} for n, v in command.environment]
        message["environment"] = {"variables": variables}
    if command.user is not None:
        message["user"] = command.user
    if command.uris:
        message["uris"] = [uri_to_json(uri) for uri in command.uris]
    return message


def uri_to_json(uri: Uri) -> JsonObject:
    """A ``CommandInfo.URI``, with ``extract`` and ``executable`` always written."""
    message: JsonObject = {
        "value": uri.value,
        "executable": uri.is_executable,
        "extract": uri.is_extracted,
    }
    if uri.is_cached:
        message["cache"] = True
    if uri.output_file is not None:
        message["output_file"] = uri.output_file
    return message


def read_kill_grace_ms(fields: Fields, *, is_order: bool = False) -> int | None:
    """The grace in the field ``kill_policy``, in milliseconds.

    Of an order to kill it must be within its bounds; of a task, ``apply`` sees to it.
    """
    policy = fields.child("kill_policy")
    if policy is None:
        return None
    period = policy.child("grace_period")
    if is_order and period is not None:
        period.integer("nanoseconds", least=0, most=_GRACE_NS_MAX)
    return read_ms(policy, "grace_period")


def kill_policy_to_json(grace_ms: int) -> JsonObject:
    """A ``KillPolicy``."""
    return {"grace_period": {"nanoseconds": grace_ms * 10**6}}


def unsupported_in_command(
    command: Fields, *, is_fetched: bool = True
) -> tuple[str, ...]:
    """Names of what a ``CommandInfo`` asks for that we cannot do.

    Without ``is_fetched`` nothing can be fetched for it.
    """
    names = []
    if not is_fetched and command.children("uris"):
        names.append("command.uris")
    environment = command.child("environment")
    if environment is not None and any(
        variable.has("secret") or variable.text("type") == "SECRET"
        for variable in environment.children("variables")
    ):
        names.append("command.environment.secret")
    return tuple(names)


def unsupported_in_container(container: Fields) -> tuple[str, ...]:
    """Names of what a ``ContainerInfo`` asks for that we cannot do.

    One of type MESOS that wants no image, volume, network or limit of its own is what
    we run anyway.
    """
    names = []
    if container.text("type") != "MESOS":
        names.append("container.docker")
    mesos = container.child("mesos")
    if mesos is not None and mesos.has("image"):
        names.append("container.mesos.image")
    names += [f"container.{name}" for name in _ISOLATED if not container.is_unset(name)]
    names += [f"container.{name}" for name in _ASKED_FOR if container.has(name)]
    if container.children("volumes"):
        names.append("container.volumes")
    networks = container.children("network_infos")
    if any(
        not network.is_unset(name)
        for network in networks
        for name in network.names()
        if name not in _WORDS_OF_NETWORK
    ):
        names.append("container.network_infos")
    return tuple(names)
