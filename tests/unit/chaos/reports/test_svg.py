from __future__ import annotations

from markupsafe import Markup

from chaos.reports.svg import area, bars, dots, element, line, number, steps, text


def test_element_escapes_what_it_is_given() -> None:
    made = text('<script>"&', x=1.25, class_='a"b')
    assert made == ('<text x="1.2" class="a&#34;b">&lt;script&gt;&#34;&amp;</text>')


def test_element_names_attributes_as_svg_does() -> None:
    inner = element("path", d="M0 0", stroke_width=2, fill=None)
    assert element("g", inner) == Markup(
        '<g><path d="M0 0" stroke-width="2"></path></g>'
    )


def test_number_has_a_tenth_at_most() -> None:
    assert [number(value) for value in (0, 3.0, 2.04, 2.06, -1.5)] == [
        "0",
        "3",
        "2",
        "2.1",
        "-1.5",
    ]


def test_paths_go_from_point_to_point() -> None:
    points = [(0.0, 5.0), (10.0, 2.0)]
    assert line(points) == "M0 5L10 2"
    assert steps(points) == "M0 5H10V2"
    assert area(points, floor=9, end=20) == "M0 5H10V2H20V9H0Z"
    assert area([], floor=9, end=20) == ""
    assert dots(points) == "M0 5h0M10 2h0"
    assert bars([(1.0, 4.0, 7.0)]) == "M1 7h3"
