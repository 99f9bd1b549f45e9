"""Resource vectors: exact, canonical, and readable in Mesos' text form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from raftleader.errors import InvalidInputError
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import (
    Resources,
    format_resources,
    parse_resources,
    subtract_ranges,
)

KEYS = st.sampled_from(["cpus", "mem", "disk", "cpus(prod)", "gpus(a/b)"])
RANGE = st.tuples(st.integers(0, 60), st.integers(0, 10)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
VECTORS = st.builds(
    Resources.of,
    st.dictionaries(KEYS, st.integers(0, 10**6), max_size=4),
    st.dictionaries(
        st.sampled_from(["ports", "ports(prod)"]), st.lists(RANGE, max_size=5)
    ),
    st.dictionaries(st.just("devices"), st.lists(st.sampled_from("abcd"))),
)


def numbers(resources: Resources) -> dict[str, set[int]]:
    return {
        key: {n for begin, end in spans for n in range(begin, end + 1)}
        for key, spans in resources.ranges.items()
    }


def test_equal_amounts_are_equal_values_however_they_were_written() -> None:
    one = Resources.of({"mem": 5, "cpus": 1, "disk": 0}, {"ports": [(5, 9), (1, 4)]})
    two = Resources.of({"cpus": 1, "mem": 5}, {"ports": [(1, 6), (4, 9)], "vips": []})
    assert one == two
    assert one.ranges == {"ports": ((1, 9),)}
    assert list(one.scalars) == ["cpus", "mem"]


@given(VECTORS, VECTORS)
def test_what_is_added_can_be_taken_away_again(left: Resources, right: Resources):
    disjoint = Resources.of(
        right.scalars,
        {
            key: subtract_ranges(spans, left.ranges.get(key, ()))
            for key, spans in right.ranges.items()
        },
        {
            key: [i for i in items if i not in left.sets.get(key, ())]
            for key, items in right.sets.items()
        },
    )
    both = left + disjoint
    assert both.contains(left)
    assert both.contains(disjoint)
    assert both - disjoint == left
    assert both - left == disjoint


@given(VECTORS, VECTORS)
def test_ranges_are_sets_of_numbers(left: Resources, right: Resources) -> None:
    ours, theirs = numbers(left), numbers(right)
    fits = all(theirs[key] <= ours.get(key, set()) for key in theirs)
    only_ranges = Resources(ranges=right.ranges)
    assert left.contains(only_ranges) == fits
    if fits:
        rest = numbers(left - only_ranges)
        for key, values in ours.items():
            assert rest.get(key, set()) == values - theirs.get(key, set())


@given(VECTORS)
def test_text_form_reads_back(resources: Resources) -> None:
    assert parse_resources(format_resources(resources)) == resources


def test_subtracting_what_is_not_there_is_a_bug_and_not_a_number() -> None:
    with pytest.raises(AssertionError):
        Resources.of({"cpus": 1}) - Resources.of({"cpus": 2})


def test_framework_of_a_role_may_use_what_is_unreserved_or_its_own() -> None:
    every = parse_resources("cpus:4;cpus(prod):2;ports(dev):[1-2];gpus(prod):{a}")
    assert every.for_role("prod") == parse_resources(
        "cpus:4;cpus(prod):2;gpus(prod):{a}"
    )
    assert every.for_role("*") == parse_resources("cpus:4")
    assert every.total("cpus") == 6000


def test_text_is_exact_to_three_decimals() -> None:
    parsed = parse_resources(
        "cpus:0.1; cpus: 1.25 ;mem:1024;ports:[31000-32000, 80-80]"
    )
    assert parsed.scalars == {"cpus": 1350, "mem": 1_024_000}
    assert parsed.ranges == {"ports": ((80, 80), (31000, 32000))}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("cpus", "cpus"),
        ("cpus:-1", "cpus:-1"),
        ("cpus:1e3", "cpus:1e3"),
        ("cpus:nan", "cpus:nan"),
        ("cpus():1", "cpus():1"),
        ("ports:[1]", "ports:[1]"),
        ("ports:[1-2", "ports:[1-2"),
        ("ports:[9-2]", "ports"),
        ("gpus:{a,b", "gpus:{a,b"),
        ("mem:4;:3", ":3"),
    ],
)
def test_text_that_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_resources(text)
    assert caught.value.path == named


def test_base_is_what_a_reserved_volume_is_made_of() -> None:
    dynamic = ResourceKind(
        name="disk",
        reservations=(Reservation("STATIC", "a"), Reservation("DYNAMIC", "a/b")),
    )
    volume = replace(dynamic, volume=VolumeInfo("v", "data"), is_shared=True)
    made = Resources.of(
        {
            key_of_kind(dynamic): 1000,
            key_of_kind(volume): 500,
            "disk(a)": 250,
            "disk": 125,
        }
    )
    assert made.base() == Resources.of({"disk": 125, "disk(a)": 1750})
    assert made.base() == made.converted(ResourceKind.base)
