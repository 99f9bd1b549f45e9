"""What a test may ask for."""

from __future__ import annotations

import pytest

from chaos.testing.request import DURATION_S, GUEST, request_of
from raftleader.errors import ConfigError


def test_request_is_usual_where_nothing_is_said() -> None:
    request = request_of({}, seed=7)
    assert (request.leaders, request.agents, request.network) == (3, 2, "loopback")
    assert request.duration_s == DURATION_S
    options = request.options
    assert options.engine == "raft"
    assert options.hosts == ["leader-1", "leader-2", "leader-3", "agent-1", "agent-2"]


def test_request_gives_the_tests_frameworks_a_place_where_there_are_proxies() -> None:
    options = request_of({"network": "proxies", "leaders": 1}, seed=7).options
    assert options.hosts == ["leader-1", "agent-1", "agent-2", GUEST]


def test_request_takes_its_seed_and_duration_from_elsewhere() -> None:
    request = request_of({"seed": 3}, seed=7, duration="1.5m")
    assert request.seed == 7
    assert request.duration_s == 90.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"leader": 3}, "leader: unknown; did you mean leaders?"),
        ({"xyzzy": 3}, "xyzzy: unknown; known are agent_resources,"),
        ({"leaders": 0}, "leaders: expected 1 to 9"),
        ({"agents": -1}, "agents: expected 0 to"),
        ({"engine": "zab"}, "engine: 'zab' is none of auto, raft, pysyncobj"),
        ({"network": "bridge"}, "network: 'bridge' is none of loopback, proxies; a"),
        ({"network": "proxies", "engine": "pysyncobj"}, "cannot be told to dial"),
        ({"agent_resources": "cpus:many"}, "agent_resources: "),
        ({"keep_entries": 0}, "keep_entries: expected at least 1"),
        ({"leaders": "three"}, "leaders: expected a value like 3, got 'three'"),
    ],
)
def test_request_names_the_argument_that_cannot_be(
    arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        request_of(arguments, seed=7)


@pytest.mark.parametrize(
    ("seed", "duration", "words"),
    [(-1, None, "seed: "), (1, "soon", "chaos_duration: 'soon' is no time")],
)
def test_request_names_what_else_cannot_be(
    seed: int, duration: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        request_of({}, seed=seed, duration=duration)
