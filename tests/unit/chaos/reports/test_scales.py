from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.reports.panels.panel import INDEX, TIME, Axis
from chaos.reports.scales import (
    LinearScale,
    LogScale,
    apart,
    extremes,
    milliseconds,
    nice_step,
    seconds,
)

FLOATS = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@given(span=st.floats(min_value=1e-3, max_value=1e9), wanted=st.integers(1, 20))
def test_nice_step_fits_as_often_as_wanted_at_most(span: float, wanted: int) -> None:
    assert span / nice_step(span, wanted) <= wanted * 1.01


def test_linear_scale_ends_above_the_greatest_value() -> None:
    scale = LinearScale.of([3.0, 87.0], 100.0)
    assert scale.most == 100.0
    assert [label.text for label in scale.labels()] == ["0", "50", "100"]
    assert (scale.y(0.0), scale.y(50.0), scale.y(100.0)) == (100.0, 50.0, 0.0)


def test_linear_scale_of_nothing_is_one() -> None:
    assert LinearScale.of([], 50.0).most == 1.0


def test_log_scale_has_whole_powers_of_ten() -> None:
    scale = LogScale.of([0.5, 120.0], 90.0)
    assert [label.text for label in scale.labels()] == [
        "0.1 ms",
        "1 ms",
        "10 ms",
        "100 ms",
        "1 s",
    ]
    assert scale.y(1000.0) == 0.0
    assert scale.y(0.0) == scale.y(0.0001) == 90.0


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=400))
def test_extremes_keeps_the_greatest_and_the_least(
    points: list[tuple[float, float]],
) -> None:
    points.sort()
    kept = extremes(points, buckets=7)
    assert len(kept) <= max(len(points) if len(points) <= 28 else 0, 4 * 8)
    assert set(kept) <= set(points)
    values, shown = [y for _, y in points], [y for _, y in kept]
    assert (max(values), min(values)) == (max(shown), min(shown))
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_apart_keeps_one_point_of_a_cell() -> None:
    points = [(0.0, 0.0), (0.4, 0.4), (1.2, 0.0), (0.0, 1.2)]
    assert apart(points, wide=1.0, high=1.0) == [(0.0, 0.0), (1.2, 0.0), (0.0, 1.2)]


@pytest.mark.parametrize(
    ("value", "words"), [(0.0184, "18 ms"), (1.234, "1.23 s"), (312.4, "312 s")]
)
def test_seconds_are_in_a_short_unit(value: float, words: str) -> None:
    assert seconds(value) == words


def test_milliseconds_are_in_a_short_unit() -> None:
    assert [milliseconds(value) for value in (0.1, 10, 1000)] == [
        "0.1 ms",
        "10 ms",
        "1 s",
    ]


def test_axis_labels_are_round() -> None:
    labels = Axis(name=TIME, begin=0.0, end=79_238.0).labels()
    assert [label.text for label in labels][:3] == ["0 s", "10 s", "20 s"]
    few = Axis(name=INDEX, begin=2.0, end=7.0).labels()
    assert [label.text for label in few] == ["2", "3", "4", "5", "6", "7"]
