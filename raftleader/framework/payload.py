"""A function on its way to a task, and its result on the way back."""

from __future__ import annotations

import os
import pickle
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cloudpickle

from raftleader.errors import InvalidInputError
from raftleader.framework.errors import RemoteTraceback, TaskFailedError
from raftleader.framework.task_runner import LOG_VARIABLE
from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.tasks import CommandInfo


@attrs.frozen
class Outcome:
    """What a function did on the cluster: returned ``value``, or raised ``error``."""

    value: Any = None
    error: BaseException | None = None


def dump_call(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bytes:
    """What goes into ``task.data``.

    Functions of importable modules go by name, those of ``__main__`` and local
    ones by value. Raises InvalidInputError if it cannot be pickled or is larger
    than TASK_DATA_BYTES_MAX.
    """
    name = getattr(function, "__qualname__", repr(function))
    try:
        data: bytes = cloudpickle.dumps((function, tuple(args), dict(kwargs)))
    except Exception as error:
        raise InvalidInputError(name, f"cannot be pickled: {error}") from error
    if len(data) > TASK_DATA_BYTES_MAX:
        raise InvalidInputError(
            name,
            f"function and arguments take {len(data)} bytes pickled, more than "
            f"{TASK_DATA_BYTES_MAX}; put large data into a file the agents can read",
        )
    return data


def load_outcome(task_id: str, data: bytes) -> Outcome:
    """Read ``task.result``. What cannot be read is an outcome too: TaskFailedError."""
    try:
        result = pickle.loads(data)
        if result[0] == "ok":
            return Outcome(value=result[1])
        _, pickled, text = result
    except Exception as error:
        problem = f"its result cannot be read here: {type(error).__name__}: {error}"
        return Outcome(error=_caused(TaskFailedError(task_id, problem), error))
    try:
        raised = pickle.loads(pickled) if pickled is not None else None
    except Exception:
        raised = None
    if not isinstance(raised, BaseException):
        last_line = text.strip().rpartition("\n")[2]
        raised = TaskFailedError(task_id, f"raised {last_line}")
    return Outcome(error=_caused(raised, RemoteTraceback(text)))


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def build_command(
    python: str, *, paths: Sequence[str], execution_log: str | None
) -> CommandInfo:
    """The command of every task: the runner, in a small environment of its own.

    ``paths`` are folders on the agents from which tasks may import. Ours is added
    when we run from a checkout and are not installed.
    """
    environment = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG")
        if name in os.environ
    }
    search = [str(Path(path).absolute()) for path in paths]
    package_root = Path(__file__).resolve().parents[2]
    installed = {
        Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")
    }
    if package_root not in installed:
        search.append(str(package_root))
    if search:
        environment["PYTHONPATH"] = os.pathsep.join(search)
    if execution_log is not None:
        environment[LOG_VARIABLE] = str(Path(execution_log).absolute())
    return CommandInfo(
        value=python,
        shell=False,
        arguments=(python, "-P", "-m", "raftleader.framework.task_runner"),
        environment=tuple(sorted(environment.items())),
    )
