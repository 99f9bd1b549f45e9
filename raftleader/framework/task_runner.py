"""Runs one pickled function as a task: ``python -m raftleader.framework.task_runner``.

The sandbox (the working directory) holds ``task.data``, a pickled (function,
args, kwargs). What comes of it goes to ``task.result``, which appears whole or
not at all, as a pickled ``("ok", value)`` or ``("error", exception, text)`` with
the exception itself pickled (or None, if it cannot be) and the traceback's text.
The exit status is 0 in both cases: the task did what it was asked. Any other end
means that there is no result.

Imports next to nothing: thousands of these start on a cluster, and what is
imported here is paid by each.
"""

from __future__ import annotations

import os
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself would cost 5 ms
    from typing import Any

DATA_FILE = "task.data"
RESULT_FILE = "task.result"
LOG_VARIABLE = "RAFTLEADER_EXECUTION_LOG"


def main() -> int:
    """Run the task of this sandbox. Returns the exit status."""
    with open(DATA_FILE, "rb") as file:  # noqa: PTH123 - pathlib costs 3 ms
        data = file.read()
    _log_execution()
    result = run(data)
    temporary = f"{RESULT_FILE}.{os.getpid()}"
    with open(temporary, "wb") as file:  # noqa: PTH123 - as above
        file.write(result)
    os.replace(temporary, RESULT_FILE)  # noqa: PTH105 - as above
    return 0


def run(data: bytes) -> bytes:
    """Call the pickled function; returns what goes into ``task.result``.

    SystemExit and KeyboardInterrupt count as exceptions of the function: whoever
    waits for it should hear of them.
    """
    try:
        function, args, kwargs = _load(data)
        value = function(*args, **kwargs)
        return _dump(("ok", value))
    except BaseException as error:
        return _dump_error(error)


def _load(data: bytes) -> Any:
    try:
        return pickle.loads(data)
    except ImportError as error:
        error.add_note(
            "The task cannot import what the function needs: name the folder of"
            " your modules with ClusterExecutor(paths=[...])."
        )
        raise


def _dump(value: object) -> bytes:
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        # Perhaps only by value: a class or function of ``__main__``.
        import cloudpickle

        by_value: bytes = cloudpickle.dumps(value)
        return by_value


def _dump_error(error: BaseException) -> bytes:
    import traceback

    text = "".join(traceback.format_exception(error))
    try:
        pickled = _dump(error.with_traceback(None))
        pickle.loads(pickled)  # many exceptions can be written but not read
    except Exception:
        pickled = None
    return pickle.dumps(("error", pickled, text), pickle.HIGHEST_PROTOCOL)


def _log_execution() -> None:
    """Add ``TASK_ID PID`` to a file that all tasks share, if one is named.

    One write with O_APPEND: lines of different tasks do not mix. Proves in demos
    and tests that nothing ran twice.
    """
    path = os.environ.get(LOG_VARIABLE)
    if not path:
        return
    line = f"{os.environ.get('MESOS_TASK_ID', '?')} {os.getpid()}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
