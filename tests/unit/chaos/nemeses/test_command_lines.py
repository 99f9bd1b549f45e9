"""Options in the command line of a node."""

from __future__ import annotations

from chaos.nemeses.operator.command_lines import (
    peer_table,
    values_of,
    with_peers,
    with_value,
)

LINE = ["leader", "--peer", "a=tcp://h:1", "--join", "--peer", "b=tcp://h:2", "--http"]


def test_command_line_tells_values_and_peers() -> None:
    assert values_of(LINE, "--peer") == ["a=tcp://h:1", "b=tcp://h:2"]
    assert values_of(LINE, "--engine") == []
    assert peer_table(LINE) == {"a": "tcp://h:1", "b": "tcp://h:2"}


def test_command_line_has_one_value_of_an_option_when_it_is_set() -> None:
    line = ["leader", "--http", "a:1", "--join", "--http", "--http"]
    assert with_value(line, "--http", "b:2") == ["leader", "--join", "--http", "b:2"]
    assert with_value(["leader"], "--http", "b:2") == ["leader", "--http", "b:2"]


def test_command_line_has_these_peers_and_no_others() -> None:
    changed = with_peers(LINE[:-1], {"c": "tcp://h:3"})
    assert changed == ["leader", "--join", "--peer", "c=tcp://h:3"]
