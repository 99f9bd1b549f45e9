"""The files of a run's folder, and ``run.json``, which says what the run was.

``run.json`` is there from the beginning, so that a run that was killed can be told from
one that never was, and is written whole each time: a reader never sees half of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from raftleader.errors import ConfigError

VERSION = 1
RUN = "run.json"
OUTCOME = "outcome.json"
"""What the inner process found; the outer one puts it into ``run.json``."""
FINAL = "final"
"""Folder of what the cluster said of itself in the end."""
DRIVER_RECORDS = "driver.jsonl"
HISTORY = "history.jsonl"


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    text = msgspec.json.format(msgspec.json.encode(value), indent=1)
    beside.write_bytes(text + b"\n")
    beside.replace(path)


def read_json(path: Path) -> Any:
    """Raises ConfigError that names the file."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_run(folder: Path) -> dict[str, Any]:
    """``run.json`` of this folder. Raises ConfigError if it is no run's folder."""
    if not (folder / RUN).is_file():
        raise ConfigError(f"{folder}: no run's folder: there is no {RUN} in it")
    run = read_json(folder / RUN)
    if not isinstance(run, dict) or run.get("version") != VERSION:
        raise ConfigError(f"{folder / RUN}: was written by another version")
    return run


def change_run(folder: Path, **keys: object) -> dict[str, Any]:
    """Set these keys; returns all of it."""
    run = read_run(folder) | keys
    write_json(folder / RUN, run)
    return run
