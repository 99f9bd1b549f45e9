"""What a run on real processes was asked to do: the arguments of ``chaos live``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec

from chaos.zoo.mutants import require_mutant
from raftleader.cli.local_plan import AGENTS_MAX, LEADERS_MAX
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.protocol.resources import parse_resources

SEED_MAX = 2**62
FOR_S_MAX = 24 * 3600.0
ENGINES = ("raft", "pysyncobj")
NETWORKS = ("auto", "bridge", "switch", "proxies", "loopback")
DISKS = ("auto", "ext4", "plain")


class LiveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Everything that is drawn is drawn from ``seed`` and the rest of this.

    Attributes:
        for_s: How long faults are made; starting, healing and settling come on top.
        faults: As typed: names of classes and groups, see ``chaos.live.selection``.
        workload: ``mixed``, or kinds of ``chaos.workloads.catalog``, joined by commas.
        frameworks: How many processes do the workload; 0: as the workload has.
        snapshot_entries: Of the log between two snapshots: few, so that there are some.
        mutant: A bug to plant into every leader node; None for none.
        has_house: Whether the run has namespaces of its own, where it can.
    """

    seed: int
    for_s: float = 60.0
    faults: str = "all"
    leaders: int = 3
    agents: int = 5
    agent_resources: str = "cpus:2;mem:1024"
    workload: str = "mixed"
    frameworks: int = 0
    engine: str = "raft"
    network: str = "auto"
    disks: str = "auto"
    snapshot_entries: int = 500
    keep_entries: int = 100
    mutant: str | None = None
    has_house: bool = True

    def check(self) -> None:
        """Raises ConfigError that names the flag."""
        if not 0 <= self.seed < SEED_MAX:
            raise ConfigError("--seed: a seed is 0 or more, and less than 2**62")
        if not 1 <= self.for_s <= FOR_S_MAX:
            raise ConfigError(
                f"--for: expected 1 to {FOR_S_MAX:g} s, got {self.for_s:g} s"
            )
        if not 1 <= self.leaders <= LEADERS_MAX:
            raise ConfigError(f"--leaders: expected 1 to {LEADERS_MAX}")
        if not 1 <= self.agents <= AGENTS_MAX:
            raise ConfigError(f"--agents: expected 1 to {AGENTS_MAX}")
        for flag, value, known in (
            ("--engine", self.engine, ENGINES),
            ("--network", self.network, NETWORKS),
            ("--disks", self.disks, DISKS),
        ):
            if value not in known:
                raise ConfigError(f"{flag}: {value!r} is none of {', '.join(known)}")
        if not self.snapshot_entries >= 1 or not self.keep_entries >= 1:
            raise ConfigError("--snapshot-entries: expected at least 1")
        if self.mutant is not None:
            require_mutant(self.mutant)
        try:
            parse_resources(self.agent_resources)
        except InvalidInputError as error:
            raise ConfigError(f"--agent-resources: {error}") from error

    def arguments(self) -> list[str]:
        """Of ``raftleader chaos live``: the seed, and all that is not as usual."""
        usual = LiveRequest(seed=self.seed)
        words = ["--seed", str(self.seed), "--for", f"{self.for_s:g}s"]
        for flag, key in _FLAGS:
            value = getattr(self, key)
            if value != getattr(usual, key):
                words += [flag, str(value)]
        if not self.has_house:
            words.append("--no-house")
        return words

    def command(self) -> str:
        """The one command that repeats this run."""
        return shlex.join(["raftleader", "chaos", "live", *self.arguments()])


_FLAGS = (
    ("--faults", "faults"),
    ("--leaders", "leaders"),
    ("--agents", "agents"),
    ("--agent-resources", "agent_resources"),
    ("--workload", "workload"),
    ("--frameworks", "frameworks"),
    ("--engine", "engine"),
    ("--network", "network"),
    ("--disks", "disks"),
    ("--snapshot-entries", "snapshot_entries"),
    ("--keep-entries", "keep_entries"),
    ("--mutant", "mutant"),
)


def parse_duration(text: str, flag: str) -> float:
    """``90``, ``90s``, ``1.5m``, ``2h`` in seconds. Raises ConfigError."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    digits = text.strip().rstrip("hms")
    unit = text.strip()[len(digits) :] or "s"
    try:
        seconds = float(digits) * units[unit]
    except (ValueError, KeyError):
        raise ConfigError(
            f"{flag}: {text!r} is no time such as 60s, 2m or 1h"
        ) from None
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{flag}: expected more than no time, got {text!r}")
    return seconds


def new_folder(report: Path) -> Path:
    """Make the folder of a run. Raises ConfigError if something is there already."""
    try:
        report.mkdir(parents=True, exist_ok=True)
        is_empty = next(report.iterdir(), None) is None
    except OSError as error:
        raise ConfigError(f"--report {report}: {error.strerror}") from error
    if not is_empty:
        raise ConfigError(
            f"--report {report}: there is something already; name a new folder"
        )
    return report.resolve()


def request_as_dict(request: LiveRequest) -> dict[str, Any]:
    """For ``run.json``."""
    built: dict[str, Any] = msgspec.to_builtins(request)
    return built
