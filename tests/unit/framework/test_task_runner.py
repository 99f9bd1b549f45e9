"""The runner by itself: in this process, and as the agent starts it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

from raftleader.framework.errors import (
    RemoteTraceback,
    TaskFailedError,
    TaskKilledError,
    TaskLostError,
)
from raftleader.framework.payload import build_command, dump_call, load_outcome
from raftleader.framework.task_runner import run


def call(function, *args, **kwargs):
    """What the caller sees of ``function(*args, **kwargs)``."""
    return load_outcome("t-1", run(cloudpickle.dumps((function, args, kwargs))))


def test_value_comes_back():
    assert call(divmod, 7, 2).value == (3, 1)
    assert call(lambda *, key: key, key="k").value == "k"
    assert call(lambda: None).value is None


def test_function_and_class_of_main_come_back_by_value():
    outcome = call(lambda: lambda x: x + 1)
    assert outcome.value(1) == 2


def test_exception_comes_back_with_its_traceback():
    def fail():
        raise LookupError("where?")

    error = call(fail).error
    assert type(error) is LookupError and error.args == ("where?",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in fail" in error.__cause__.text
    assert error.__cause__.text.rstrip().endswith("LookupError: where?")


def test_exit_and_interrupt_of_a_function_are_its_exceptions():
    assert isinstance(call(sys.exit, 3).error, SystemExit)

    def interrupt():
        raise KeyboardInterrupt

    assert isinstance(call(interrupt).error, KeyboardInterrupt)


def test_exception_that_cannot_be_read_back_is_told_in_words():
    class Picky(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")

    def fail():
        raise Picky(1, 2)

    error = call(fail).error
    assert type(error) is TaskFailedError
    assert "Picky: 1 and 2" in str(error)
    assert "in fail" in str(error.__cause__)


def test_exception_that_cannot_be_written_is_told_in_words():
    def fail():
        raise ValueError(sys._getframe())

    assert "raised ValueError" in str(call(fail).error)


def test_value_that_cannot_be_written_is_an_error():
    error = call(sys._getframe).error
    assert isinstance(error, TypeError) and "frame" in str(error)


def test_payload_that_cannot_be_read_is_an_error():
    error = load_outcome("t-1", run(b"nonsense")).error
    assert isinstance(error, pickle.UnpicklingError)


def test_result_that_cannot_be_read_is_task_failed():
    error = load_outcome("t-1", b"nonsense").error
    assert type(error) is TaskFailedError
    assert "cannot be read here" in str(error)


@pytest.mark.parametrize("kind", [TaskFailedError, TaskKilledError, TaskLostError])
def test_errors_of_tasks_can_be_pickled(kind):
    error = pickle.loads(pickle.dumps(kind("t-1", "gone")))
    assert type(error) is kind
    assert (error.task_id, error.problem) == ("t-1", "gone")


def start(sandbox: Path, data: bytes, **options) -> subprocess.CompletedProcess:
    """Run a task as an agent does: argv form, clean environment."""
    (sandbox / "task.data").write_bytes(data)
    command = build_command(sys.executable, paths=(), execution_log=None, **options)
    assert command.value == command.arguments[0] and not command.shell
    return subprocess.run(
        command.arguments,
        cwd=sandbox,
        env={**dict(command.environment), "MESOS_TASK_ID": "t-1"},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_runner_leaves_a_whole_result_and_exits_0(tmp_path):
    done = start(tmp_path, dump_call(os.getcwd, (), {}))
    assert (done.returncode, done.stderr) == (0, "")
    outcome = load_outcome("t-1", (tmp_path / "task.result").read_bytes())
    assert Path(outcome.value).resolve() == tmp_path.resolve()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["task.data", "task.result"]


def test_runner_exits_0_when_the_function_raised(tmp_path):
    done = start(tmp_path, dump_call(int, ("seven",), {}))
    assert done.returncode == 0
    outcome = load_outcome("t-1", (tmp_path / "task.result").read_bytes())
    assert isinstance(outcome.error, ValueError)


def test_runner_fails_loudly_without_data(tmp_path):
    command = build_command(sys.executable, paths=(), execution_log=None)
    done = subprocess.run(
        command.arguments,
        cwd=tmp_path,
        env=dict(command.environment),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert "task.data" in done.stderr


def test_runner_adds_one_line_to_the_execution_log(tmp_path):
    log = tmp_path / "log"
    command = build_command(sys.executable, paths=("lib",), execution_log=str(log))
    (tmp_path / "task.data").write_bytes(dump_call(os.getpid, (), {}))
    for _ in range(2):
        environment = {**dict(command.environment), "MESOS_TASK_ID": "t-1"}
        subprocess.run(command.arguments, cwd=tmp_path, env=environment, check=True)
    outcome = load_outcome("t-1", (tmp_path / "task.result").read_bytes())
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert lines[-1] == f"t-1 {outcome.value}"


def test_command_lets_tasks_import_from_the_paths_given():
    command = build_command("python3", paths=("/srv/a", "lib"), execution_log=None)
    environment = dict(command.environment)
    first, second, *_ = environment["PYTHONPATH"].split(os.pathsep)
    assert first == "/srv/a"
    assert second == str(Path("lib").absolute())
    assert "PATH" in environment
    assert command.arguments == (
        "python3",
        "-P",
        "-m",
        "raftleader.framework.task_runner",
    )


def test_module_that_the_task_cannot_import_names_the_cure(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def work():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    payload = cloudpickle.dumps((only_here.work, (), {}))
    monkeypatch.delitem(sys.modules, "only_here")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    error = load_outcome("t-1", run(payload)).error
    assert isinstance(error, ModuleNotFoundError)
    assert "ClusterExecutor(paths=[...])" in error.__cause__.text
