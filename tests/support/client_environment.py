"""A virtual environment with Mesos clients that others wrote: pymesos, mesoshttp.

Made with pip alone, once, and kept: later runs only look whether it still works.
They get an environment of their own because they must see nothing of ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENTS = ("pymesos==0.3.15", "mesoshttp==0.4.2")
PLAIN = ("setuptools", "wheel", "six", "addict", "kazoo", "mesoshttp==0.4.2")
HTTP_PARSER = "http-parser==0.9.0"
"""What pymesos needs and no Python of today compiles. Its source holds a parser in
Python that does the same, so its files are put in place without building them."""

CHECK = "import mesoshttp.client, pymesos; from http_parser.pyparser import HttpParser"
PIP_TIMEOUT_S = 300


class ClientEnvironmentError(Exception):
    """It could not be made; the message has what the tool said last."""


def client_python(folder: Path) -> Path:
    """The interpreter of the environment, made in ``folder`` unless it is there.

    Safe to call from several processes at once. Raises ClientEnvironmentError, for
    example when no package index can be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe = " ".join([sys.version, sys.executable, *CLIENTS, *PLAIN, HTTP_PARSER])
    home = folder / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    python = home / "bin" / "python"
    with _locked(folder / "lock"):
        if not _works(python):
            shutil.rmtree(home, ignore_errors=True)
            _make(home, python)
            if not _works(python):
                raise ClientEnvironmentError(f"{home}: the clients cannot be imported")
    return python


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    done = subprocess.run([python, "-c", CHECK], capture_output=True, timeout=60)
    return done.returncode == 0


def _make(home: Path, python: Path) -> None:
    _run([sys.executable, "-m", "venv", str(home)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", *PLAIN])
    no_build = ["--no-deps", "--no-build-isolation"]
    _run([*pip, "install", *no_build, CLIENTS[0]])
    sources = home / "sources"
    download = ["download", *no_build, "--no-binary", "http-parser"]
    _run([*pip, *download, "--dest", str(sources), HTTP_PARSER])
    (packages,) = home.glob("lib/python3*/site-packages")
    for archive in sources.glob("*.tar.gz"):
        _unpack_python_files(archive, "http_parser", packages)


def _unpack_python_files(archive: Path, package: str, target: Path) -> None:
    """The ``.py`` files of a package in a source archive. What is compiled in it is
    of another Python, and would only be tried in vain."""
    (target / package).mkdir(exist_ok=True)
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            _, _, path = member.name.partition("/")
            folder, _, name = path.rpartition("/")
            if folder == package and name.endswith(".py"):
                content = files.extractfile(member)
                assert content is not None
                (target / package / name).write_bytes(content.read())


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ClientEnvironmentError(
            f"{' '.join(command)}: not done in {PIP_TIMEOUT_S} s"
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise ClientEnvironmentError(
            "the clients of tests/interop cannot be installed; they come from PyPI, "
            f"with pip as it is configured here.\n{' '.join(command)}\n{last}"
        )
