"""Where this machine keeps what faults are made with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_FOLDERS_OF_ROOT = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Not on everybody's PATH, though anybody may call what is in them."""
_GO_FOLDERS = ("/usr/local/go/bin", "/usr/lib/go/bin")
_FAKETIME_PLACES = (
    "usr/lib/*/faketime",
    "usr/lib/faketime",
    "usr/lib64/faketime",
    "usr/local/lib/faketime",
    "usr/local/lib/*/faketime",
)
FAKETIME_LIBRARY = "libfaketimeMT.so.1"
"""The one for programs with threads."""
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "headless_shell")


def find_tool(*names: str) -> str | None:
    """The path of the first of these programs that there is."""
    folders = [os.environ.get("PATH", os.defpath), *_FOLDERS_OF_ROOT, *_GO_FOLDERS]
    for name in names:
        if path := shutil.which(name, path=os.pathsep.join(folders)):
            return path
    return None


def path_with_tools() -> str:
    """A PATH on which ``ip``, ``nft`` and the like are found."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    missing = [folder for folder in _FOLDERS_OF_ROOT if folder not in folders]
    return os.pathsep.join([*folders, *missing])


def faketime_library(root: Path = Path("/")) -> Path | None:
    """The library that fakes clocks, to be preloaded."""
    for place in _FAKETIME_PLACES:
        for folder in sorted(root.glob(place)):
            if (library := folder / FAKETIME_LIBRARY).exists():
                return library
    return None


def cgroup_v1_mount(
    controller: str, mounts: Path = Path("/proc/self/mountinfo")
) -> Path | None:
    """Where the cgroup v1 hierarchy of a controller, e.g. ``memory``, is mounted."""
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            return Path(before.split(" ")[4])
    return None


def namespace_flags(*, is_user: bool) -> list[str]:
    """For ``unshare``: namespaces of mounts, of the network and of processes, whose
    first process takes everything with it. ``is_user``: for who is not root, with one
    of users in which it is."""
    users = ["--user", "--map-root-user"] if is_user else []
    return [
        *users,
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
