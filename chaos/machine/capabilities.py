"""What this machine can do: every capability is tried, for what a tool says of itself
or a user id promises may be forbidden all the same, as in a container.

What is tried is tried in namespaces of its own, so nothing of it stays. All of it takes
some tenths of a second.
"""

from __future__ import annotations

import enum
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

import attrs

from chaos.machine.tools import (
    CHROMIUM_NAMES,
    cgroup_v1_mount,
    faketime_library,
    find_tool,
    namespace_flags,
    path_with_tools,
)
from raftleader.cli.output import Column, Output

PROBE_TIMEOUT_S = 10.0
"""Of one command: a machine on which they hang cannot be used, and says so."""


class Ability(enum.Enum):
    """Something that a run may need; the value is its name in reports."""

    ROOT = "root"
    """User id 0 that may make namespaces and mounts."""
    USER_NAMESPACES = "user-namespaces"
    """Whoever is not root may be root in a namespace."""
    NAMESPACES = "namespaces"
    """Mounts, network and processes of one's own, in one way or the other."""
    BRIDGE = "bridge"
    """Virtual links between network namespaces."""
    NFT = "nft"
    TAP = "tap"
    LOOP_EXT4 = "loop-ext4"
    """A file system in a file, mounted."""
    CGROUP_CPU = "cgroup-cpu"
    CGROUP_MEMORY = "cgroup-memory"
    GCC = "gcc"
    FAKETIME = "libfaketime"
    TOXIPROXY_PYTHON = "toxiproxy-python"
    TOXIPROXY_SERVER = "toxiproxy-server"
    GO = "go"
    CHROMIUM = "chromium"


@attrs.frozen(kw_only=True)
class Capability:
    """Whether this machine has an ability.

    Attributes:
        why: If it has it not: what was tried, and what came of it.
        remedy: What would help, if anything.
        used_for: What a run does with it.
    """

    ability: Ability
    is_there: bool
    used_for: str
    why: str = ""
    remedy: str = ""

    def as_record(self) -> dict[str, object]:
        """For ``run.json``."""
        return {
            "name": self.ability.value,
            "ok": self.is_there,
            "why": self.why,
            "remedy": self.remedy,
            "used_for": self.used_for,
        }


@attrs.frozen
class Machine:
    """All capabilities, in the order of ``Ability``."""

    capabilities: tuple[Capability, ...]

    def __getitem__(self, ability: Ability) -> Capability:
        return next(one for one in self.capabilities if one.ability is ability)

    def has(self, *abilities: Ability) -> bool:
        """Whether all of them are there."""
        return all(self[ability].is_there for ability in abilities)

    def missing(self, *abilities: Ability) -> str | None:
        """Why these cannot be had, in one line; None if all are there."""
        lacking = [self[ability] for ability in abilities]
        texts = [_reason(one) for one in lacking if not one.is_there]
        return "; ".join(texts) or None

    @property
    def is_user_mapped(self) -> bool:
        """Whether namespaces are had only with one of users: not by a true root."""
        return not self.has(Ability.ROOT)

    def as_records(self) -> list[dict[str, object]]:
        """For ``run.json``."""
        return [one.as_record() for one in self.capabilities]


_USED_FOR = {
    Ability.ROOT: "file systems and control groups of a run",
    Ability.USER_NAMESPACES: "namespaces without root",
    Ability.NAMESPACES: "a run that leaves nothing behind; faults of the network",
    Ability.BRIDGE: "a host for each node: --network bridge",
    Ability.NFT: "partitions, loss, reset",
    Ability.TAP: "delay, jitter, reorder, duplicate, corruption, bandwidth: "
    "--network switch",
    Ability.LOOP_EXT4: "power-cut, full-disk, read-only, lost-disk: --disks ext4",
    Ability.CGROUP_CPU: "cpu-squeeze",
    Ability.CGROUP_MEMORY: "memory-squeeze",
    Ability.GCC: "failed-sync, slow-sync",
    Ability.FAKETIME: "clock-jump, clock-drift",
    Ability.TOXIPROXY_PYTHON: "--network proxies",
    Ability.TOXIPROXY_SERVER: "--network proxies; without, ours takes its place",
    Ability.GO: "a second opinion on linearizability, in tests",
    Ability.CHROMIUM: "a look at reports, in tests",
}

_REMEDIES = {
    Ability.ROOT: "run as root, in a container with --privileged",
    Ability.USER_NAMESPACES: "sysctl kernel.unprivileged_userns_clone=1, and "
    "kernel.apparmor_restrict_unprivileged_userns=0",
    Ability.NAMESPACES: "run as root, or allow user namespaces",
    Ability.BRIDGE: "apt install iproute2",
    Ability.NFT: "apt install nftables",
    Ability.TAP: "modprobe tun; in a container --device /dev/net/tun",
    Ability.LOOP_EXT4: "run as root; apt install e2fsprogs mount",
    Ability.CGROUP_CPU: "run as root, with cgroup v1's cpu controller mounted",
    Ability.CGROUP_MEMORY: "run as root, with cgroup v1's memory controller mounted",
    Ability.GCC: "apt install gcc libc6-dev",
    Ability.FAKETIME: "apt install libfaketime",
    Ability.TOXIPROXY_PYTHON: "pip install 'raftleader[chaos]'",
    Ability.TOXIPROXY_SERVER: "go install "
    "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0, as toxiproxy-server",
    Ability.GO: "apt install golang",
    Ability.CHROMIUM: "apt install chromium",
}

_IN_NAMESPACES = """\
try() { name=$1; shift; if text=$("$@" 2>&1); then echo "$name ok"; \
else echo "$name" $text; fi; }
both() { ip link add rlcp0 type veth peer name rlcp1 && \
ip link add rlcp2 type bridge && unshare --net true; }
disk() { truncate -s 2M "$0/image" && mkfs.ext4 -q "$0/image" && \
mkdir "$0/mount" && mount -o loop "$0/image" "$0/mount" && umount "$0/mount"; }
echo namespaces ok
try bridge both
try nft nft add table inet rlcprobe
try tap ip tuntap add dev rlcp3 mode tap
try loop-ext4 disk
"""
"""Prints a line for each: its name, and ``ok`` or what went wrong. ``$0`` is a folder
of the probe's own."""


def probe() -> Machine:
    """Look at this machine; takes less than a second."""
    found = _tried_in_namespaces() | _tried_cgroups() | _programs()
    return Machine(tuple(_capability(ability, found[ability]) for ability in Ability))


def _capability(ability: Ability, problem: str) -> Capability:
    return Capability(
        ability=ability,
        is_there=not problem,
        why=problem,
        remedy=_REMEDIES[ability] if problem else "",
        used_for=_USED_FOR[ability],
    )


def _tried_in_namespaces() -> dict[Ability, str]:
    """What is wrong with each, empty if nothing is."""
    is_root = os.geteuid() == 0
    found: dict[Ability, str] = {}
    answers: Mapping[str, str] = {}
    if is_root:
        answers = _ask_in_namespaces(is_user=False)
        found[Ability.ROOT] = _problem(answers, "namespaces")
    else:
        found[Ability.ROOT] = f"user id {os.geteuid()}"
    user_answers = _ask_in_namespaces(is_user=True)
    found[Ability.USER_NAMESPACES] = _problem(user_answers, "namespaces")
    if found[Ability.ROOT]:
        answers = user_answers
    for ability in (
        Ability.NAMESPACES,
        Ability.BRIDGE,
        Ability.NFT,
        Ability.TAP,
        Ability.LOOP_EXT4,
    ):
        found[ability] = _problem(answers, ability.value)
    return found


def _problem(answers: Mapping[str, str], name: str) -> str:
    text = answers.get(name) or answers.get("") or "no answer"
    return "" if text == "ok" else text


def _ask_in_namespaces(*, is_user: bool) -> dict[str, str]:
    """The answers of the script by name; under no name why there are none."""
    unshare = find_tool("unshare")
    if unshare is None:
        return {"": "unshare is not installed (apt install util-linux)"}
    with tempfile.TemporaryDirectory(prefix="rlc-probe-") as folder:
        try:
            ended = subprocess.run(
                [
                    unshare,
                    *namespace_flags(is_user=is_user),
                    "sh",
                    "-c",
                    _IN_NAMESPACES,
                    folder,
                ],
                capture_output=True,
                text=True,
                check=False,
                timeout=PROBE_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PATH": path_with_tools(), "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"": f"unshare: {error}"}
    pairs = (line.partition(" ") for line in ended.stdout.splitlines())
    answers = {name: text or "failed" for name, _, text in pairs}
    return answers or {"": " ".join(ended.stderr.split()) or "unshare failed"}


def _tried_cgroups() -> dict[Ability, str]:
    return {
        Ability.CGROUP_CPU: _cgroup_problem("cpu"),
        Ability.CGROUP_MEMORY: _cgroup_problem("memory"),
    }


def _cgroup_problem(controller: str) -> str:
    mount = cgroup_v1_mount(controller)
    if mount is None:
        return f"no cgroup v1 hierarchy with {controller} is mounted"
    folder = mount / f"rlc-probe-{os.getpid()}"
    try:
        folder.mkdir()
        folder.rmdir()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return ""


def _programs() -> dict[Ability, str]:
    names: Mapping[Ability, Sequence[str]] = {
        Ability.GCC: ("gcc",),
        Ability.TOXIPROXY_SERVER: ("toxiproxy-server",),
        Ability.GO: ("go",),
        Ability.CHROMIUM: CHROMIUM_NAMES,
    }
    found = {
        ability: "" if find_tool(*tools) else f"{tools[0]} is not on the PATH"
        for ability, tools in names.items()
    }
    found[Ability.FAKETIME] = "" if faketime_library() else "not installed"
    has_client = importlib.util.find_spec("toxiproxy") is not None
    found[Ability.TOXIPROXY_PYTHON] = "" if has_client else "not installed"
    return found


def _reason(capability: Capability) -> str:
    name, why = capability.ability.value, capability.why
    remedy = f" ({capability.remedy})" if capability.remedy else ""
    return f"no {name}: {why}{remedy}"


def show_machine(output: Output, machine: Machine | None = None) -> None:
    """A table of the capabilities: ``raftleader chaos doctor``."""
    machine = machine or probe()
    columns = [
        Column(key="name", heading="CAPABILITY"),
        Column(key="ok", heading="THERE"),
        Column(key="used_for", heading="USED FOR"),
        Column(key="why", heading="WHY NOT"),
        Column(key="remedy", heading="REMEDY"),
    ]
    output.rows(machine.as_records(), columns)
