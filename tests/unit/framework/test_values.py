"""Small pure parts: addresses, the offer book, packing, chunks, lazy imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import raftleader.framework
from raftleader.errors import InvalidInputError
from raftleader.framework.addresses import address_of_location, parse_address
from raftleader.framework.chunks import run_chunk, split_chunks
from raftleader.framework.offer_book import TAKEN_MAX, OfferBook
from raftleader.framework.packing import Remainder
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources, parse_resources


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("localhost:5050", ("localhost", 5050)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]:5050", ("::1", 5050)),
    ],
)
def test_address_is_host_and_port(text, parsed):
    assert parse_address(text) == parsed


@pytest.mark.parametrize("text", ["", "h", "h:", ":1", "h:x", "h:0", "h:65536", "h:²"])
def test_address_is_refused_when_it_is_none(text):
    with pytest.raises(InvalidInputError):
        parse_address(text)


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("//10.0.0.1:5050/api/v1/scheduler", "10.0.0.1:5050"),
        ("http://h:80/x", "h:80"),
        ("//[::1]:5050/", "[::1]:5050"),
        ("https://h:80/x", None),
        ("/api/v1/scheduler", None),
        ("//h/x", None),
        ("//[::1/x", None),
        ("", None),
        (None, None),
    ],
)
def test_location_names_an_address_or_nothing(location, address):
    assert address_of_location(location) == address


def offer(name: str) -> Offer:
    return Offer(
        id=name,
        framework_id="f",
        agent_id="a",
        role="*",
        resources=Resources(),
        agent=AgentInfo(hostname="h", ip="i", port=1),
    )


def test_book_tells_new_offers_from_carried_ones():
    book = OfferBook()
    assert [o.id for o in book.offered([offer("1"), offer("2")])] == ["1", "2"]
    assert book.offered([offer("1")]) == ()
    assert book.carried == []
    book.resubscribed()
    assert [o.id for o in book.offered([offer("2"), offer("3")])] == ["3"]
    assert book.offered([offer("2")]) == ()
    assert book.carried == [1]
    assert book.received == 3


def test_book_never_hands_out_an_offer_that_was_taken():
    book = OfferBook()
    book.offered([offer("1")])
    book.take(["1"])
    assert book.offered([offer("1")]) == ()
    assert not book.outstanding


def test_book_has_an_offer_again_when_the_call_did_not_happen():
    book = OfferBook()
    book.offered([offer("1"), offer("2")])
    book.take(["1", "2"])
    book.rescinded("2")
    book.put_back(["1", "2"])
    assert list(book.outstanding) == ["1"]


def test_book_remembers_a_bounded_number_of_taken_offers():
    book = OfferBook()
    for number in range(TAKEN_MAX + 10):
        book.offered([offer(str(number))])
        book.take([str(number)])
    assert len(book._taken) == TAKEN_MAX


def test_book_drops_at_the_second_heartbeat_what_did_not_come_again():
    book = OfferBook()
    book.offered([offer("1"), offer("2")])
    assert book.heartbeat() == () and book.heartbeat() == ()
    book.resubscribed()
    assert book.heartbeat() == ()
    book.offered([offer("2")])
    assert book.heartbeat() == ("1",)
    assert list(book.outstanding) == ["2"]
    assert book.heartbeat() == ()


def test_remainder_uses_reserved_resources_first_and_mixes_them():
    offered = parse_resources("cpus:2;cpus(web):1.5;mem:100;cpus(other):8")
    remainder = Remainder(offered, "web")
    needs = {"cpus": 1000, "mem": 10_000}
    taken = [remainder.take(needs) for _ in range(4)]
    assert taken[0] == parse_resources("cpus(web):1;mem:10")
    assert taken[1] == parse_resources("cpus(web):0.5;cpus:0.5;mem:10")
    assert taken[2] == parse_resources("cpus:1;mem:10")
    assert taken[3] is None


def test_remainder_is_unchanged_by_a_task_that_does_not_fit():
    remainder = Remainder(parse_resources("cpus:1;mem:5"), "*")
    assert remainder.take({"cpus": 1000, "mem": 6000}) is None
    assert remainder.take({"cpus": 1000, "mem": 5000}) is not None


def test_chunks_hold_all_calls_in_order():
    chunks = list(split_chunks(zip(range(5), range(5), strict=True), 2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert [x for c in chunks for x in run_chunk(lambda a, b: a + b, c)] == [
        0,
        2,
        4,
        6,
        8,
    ]


def test_package_offers_its_names_and_no_others():
    for name in raftleader.framework.__all__:
        assert getattr(raftleader.framework, name).__name__ == name
        assert name in dir(raftleader.framework)
    with pytest.raises(AttributeError):
        raftleader.framework.Nonsense  # noqa: B018 - the look-up is the test


def test_task_runner_imports_next_to_nothing():
    code = (
        "import sys; import raftleader.framework.task_runner;"
        "print(*sorted(m for m in sys.modules"
        " if m.split('.')[0] in ('trio', 'attrs', 'attr', 'msgspec', 'cloudpickle',"
        " 'logging', 'traceback', 'pathlib', 'typing', 'raftleader')))"
    )
    output = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p) + ":."},
    ).stdout.split()
    assert "raftleader.framework.task_runner" in output
    assert output == [
        "raftleader",
        "raftleader.framework",
        "raftleader.framework.task_runner",
    ]
