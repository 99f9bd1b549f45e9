"""Which toxics on which proxies make which fault."""

from __future__ import annotations

import random

import pytest

from chaos.live.seams import LinkFault
from chaos.network.proxy_ways import (
    AddressBook,
    Way,
    reset_streams,
    wanted_toxics,
)
from raftleader.errors import UnavailableError


def way(source: str, target: str) -> Way:
    return Way(
        name=f"{source}>{target}",
        source=source,
        target=target,
        address="127.0.0.1:1",
        listen="127.0.0.2:1",
    )


WAYS = (way("a", "b"), way("b", "a"), way("x", "a"))
CUT = LinkFault(is_cut=True)


def toxics(
    rules: dict[tuple[str, str], LinkFault],
    half_open: tuple[tuple[str, str], ...] = (),
) -> dict[tuple[str, str], tuple[str, dict[str, int]]]:
    wanted = wanted_toxics(WAYS, rules, half_open)
    assert all(toxic.name == name for (_, name), toxic in wanted.items())
    return {key: (toxic.type, dict(toxic.attributes)) for key, toxic in wanted.items()}


def test_one_direction_is_on_both_proxies_between_nodes_that_dial_each_other() -> None:
    assert list(toxics({("a", "b"): CUT})) == [
        ("a>b", "hold-upstream"),
        ("a>b", "cut-upstream"),
        ("b>a", "hold-downstream"),
        ("b>a", "cut-downstream"),
    ]


def test_answers_of_who_is_dialled_are_the_other_direction() -> None:
    cut = {("a", "x"): CUT}
    assert list(toxics(cut)) == [("x>a", "hold-downstream"), ("x>a", "cut-downstream")]
    assert toxics({("b", "x"): CUT}) == {}


def test_cut_holds_bytes_and_ends() -> None:
    made = toxics({("x", "a"): CUT})
    assert made["x>a", "cut-upstream"] == ("bandwidth", {"rate": 0})
    kind, attributes = made["x>a", "hold-upstream"]
    assert kind == "slow_close"
    assert attributes["delay"] >= 60_000


def test_numbers_are_the_toxics() -> None:
    fault = LinkFault(delay_s=0.05, jitter_s=0.02, bytes_per_s=64_000)
    assert toxics({("x", "a"): fault}) == {
        ("x>a", "delay-upstream"): ("latency", {"latency": 60, "jitter": 10}),
        ("x>a", "rate-upstream"): ("bandwidth", {"rate": 64}),
    }


def test_rate_below_what_can_be_said_is_the_least_there_is() -> None:
    made = toxics({("x", "a"): LinkFault(bytes_per_s=10)})
    assert made == {("x>a", "rate-upstream"): ("bandwidth", {"rate": 1})}


def test_half_open_direction_is_not_told_of_the_end() -> None:
    assert list(toxics({}, half_open=(("a", "x"),))) == [("x>a", "hold-downstream")]


def test_reset_is_at_the_side_of_the_first_host() -> None:
    def streams(*links: tuple[str, str], cut: bool = False) -> list[tuple[str, str]]:
        chosen = reset_streams(WAYS, links, links if cut else ())
        return [(way.name, stream) for way, stream in chosen]

    assert streams(("a", "b")) == [("a>b", "downstream"), ("b>a", "upstream")]
    assert streams(("x", "a")) == [("x>a", "downstream")]
    assert streams(("x", "a"), ("a", "x")) == [("x>a", "downstream")]
    both = [("x>a", "downstream"), ("x>a", "upstream")]
    assert streams(("x", "a"), ("a", "x"), cut=True) == both


def test_proxies_have_an_address_each_and_the_port_of_what_is_behind() -> None:
    book = AddressBook(seed=3, is_free=lambda port, host: True)
    made = [book.new(f"127.0.0.1:{port}") for port in (5050, 5051) * 300]
    assert len(set(made)) == 600
    assert {address.rpartition(":")[2] for address in made} == {"5050", "5051"}
    for address in made:
        numbers = [int(part) for part in address.rpartition(":")[0].split(".")]
        assert numbers[0] == 127
        assert 64 <= numbers[1] < 128
        assert 0 < numbers[3] < 255


def test_address_that_is_taken_is_passed_over() -> None:
    rng = random.Random(1)
    book = AddressBook(seed=3, is_free=lambda port, host: rng.random() < 0.3)
    assert len({book.new("127.0.0.1:5050") for _ in range(50)}) == 50


def test_loopback_of_one_address_gives_other_ports() -> None:
    book = AddressBook(seed=3, is_free=lambda port, host: False)
    host, _, port = book.new("127.0.0.1:5050").rpartition(":")
    assert host == "127.0.0.1"
    assert port != "5050"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UnavailableError, match="HOST:PORT"):
        AddressBook(seed=3).new("nowhere")
