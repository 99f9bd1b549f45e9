"""What a test asks for: the arguments of ``@pytest.mark.raftleader``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import attrs

from chaos.live.plan import LiveOptions
from chaos.live.request import SEED_MAX, parse_duration
from chaos.network.kinds import NetworkKind
from raftleader.cli.local_plan import AGENTS_MAX, LEADERS_MAX
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.protocol.resources import parse_resources

MARK = "@pytest.mark.raftleader"
DURATION_S = 30.0
ENGINES = ("auto", "raft", "pysyncobj")
NETWORKS = (NetworkKind.LOOPBACK.value, NetworkKind.PROXIES.value)
GUEST = "framework-1"
"""The test's own frameworks, as hosts of a network of proxies: they share one place."""


@attrs.frozen(kw_only=True)
class ClusterRequest:
    """A cluster for a test; names are those of the marker's arguments.

    Attributes:
        seed: Of everything that is drawn: whom faults hit, when, how. Not of ports.
        duration_s: How long a schedule of faults goes on, and how long the cluster is
            waited for where no other time is given.
        clocks: Whether clocks can be changed; costs a little at every look at one.
        mutant: A bug to plant into every node, to see a test fail.
    """

    seed: int
    leaders: int = 3
    agents: int = 2
    engine: str = "auto"
    network: str = NetworkKind.LOOPBACK.value
    agent_resources: str = "cpus:2;mem:1024"
    clocks: bool = False
    snapshot_entries: int = 500
    keep_entries: int = 100
    agent_timeout_s: float | None = None
    mutant: str | None = None
    duration_s: float = DURATION_S

    def check(self) -> None:
        """Raises ConfigError that names the argument."""
        if not isinstance(self.seed, int) or not 0 <= self.seed < SEED_MAX:
            raise ConfigError(f"seed: {self.seed!r} is no number of 0 to 2**62")
        if not 1 <= self.leaders <= LEADERS_MAX:
            raise ConfigError(f"leaders: expected 1 to {LEADERS_MAX}")
        if not 0 <= self.agents <= AGENTS_MAX:
            raise ConfigError(f"agents: expected 0 to {AGENTS_MAX}")
        if self.engine not in ENGINES:
            raise ConfigError(f"engine: {self.engine!r} is none of {_list(ENGINES)}")
        if self.network not in NETWORKS:
            raise ConfigError(
                f"network: {self.network!r} is none of {_list(NETWORKS)}; a test is no"
                " host of the networks that `raftleader chaos live` makes"
            )
        if self.has_proxies and self.engine == "pysyncobj":
            raise ConfigError(
                "network: the engine pysyncobj cannot be told to dial a proxy"
            )
        if not self.snapshot_entries >= 1 or not self.keep_entries >= 1:
            raise ConfigError("snapshot_entries, keep_entries: expected at least 1")
        try:
            parse_resources(self.agent_resources)
        except InvalidInputError as error:
            raise ConfigError(f"agent_resources: {error}") from error

    @property
    def has_proxies(self) -> bool:
        return self.network == NetworkKind.PROXIES.value

    @property
    def real_engine(self) -> str:
        """Never ``auto``."""
        return "raft" if self.engine == "auto" else self.engine

    @property
    def options(self) -> LiveOptions:
        """The same for those who start processes."""
        return LiveOptions(
            leaders=self.leaders,
            agents=self.agents,
            engine=self.real_engine,
            agent_resources=self.agent_resources,
            snapshot_entries=self.snapshot_entries,
            keep_entries=self.keep_entries,
            agent_timeout_s=self.agent_timeout_s,
            guests=(GUEST,) if self.has_proxies else (),
            mutant=self.mutant,
            has_clocks=self.clocks,
        )


def request_of(
    arguments: Mapping[str, Any], *, seed: int, duration: str | float | None = None
) -> ClusterRequest:
    """From a marker's arguments, or a factory's. Raises ConfigError."""
    fields = {field.name: field for field in attrs.fields(ClusterRequest)}
    known = set(fields) - {"duration_s"}
    for name, value in arguments.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            words = f"{name}: unknown; {hint}known are {_list(sorted(known))}"
            raise ConfigError(words)
        usual = fields[name].default
        if isinstance(usual, bool | int | str) and type(value) is not type(usual):
            raise ConfigError(f"{name}: expected a value like {usual}, got {value!r}")
    duration_s = DURATION_S
    if duration is not None:
        duration_s = parse_duration(str(duration), "chaos_duration")
    request = ClusterRequest(**{**arguments, "seed": seed, "duration_s": duration_s})
    request.check()
    return request


def _list(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(words)
