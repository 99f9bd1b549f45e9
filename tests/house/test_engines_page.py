"""``docs/engines.md`` says what the tests say, and names only tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/engines.md").read_text()
LOSSES = ROOT / "tests/scenarios/pysyncobj_losses"
COLUMNS = ("raft", "pysyncobj", "single_node")
GROUPS_OF_ENGINES = {
    "ALL": {"raft", "pysyncobj", "single_node"},
    "DURABLE": {"raft", "pysyncobj", "single_node"},
    "GROUPS": {"raft", "pysyncobj"},
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(*paths: Path) -> Iterator[Function]:
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.startswith("test_"):
                yield node


CONTRACTS = {
    test.name: test
    for test in functions_of(*sorted((ROOT / "tests/contracts").glob("test_*logs.py")))
}
SCENARIOS = {test.name for test in functions_of(*sorted(LOSSES.glob("test_*.py")))}


def cells_said_by(test: Function) -> tuple[str, ...]:
    """The words of its row: what ``@engines(...)`` says of each engine."""
    (call,) = (
        decorator
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == "engines"
    )
    kept: set[str] = set()
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            assert isinstance(argument.value, ast.Name)
            kept |= GROUPS_OF_ENGINES[argument.value.id]
        else:
            kept.add(ast.literal_eval(argument))
    broken = {keyword.arg for keyword in call.keywords}
    assert not kept & broken
    words = {True: "yes", False: "-"}
    return tuple(
        "no" if engine in broken else words[engine in kept] for engine in COLUMNS
    )


def rows() -> dict[str, list[str]]:
    """The rows of the table of promises by their test."""
    table = PAGE.partition("## Promises")[2].partition("## What PySyncObj loses")[0]
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and (name := re.fullmatch(r"`(test_\w+)`", cells[-1])):
            assert name[1] not in found
            found[name[1]] = cells
    return found


def test_engines_page_names_every_test_of_the_contract_suite_and_no_other() -> None:
    assert sorted(rows()) == sorted(CONTRACTS)


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_engines_page_says_what_the_contract_suite_says(name: str) -> None:
    assert tuple(rows()[name][1:4]) == cells_said_by(CONTRACTS[name])


def test_engines_page_names_only_tests_that_exist() -> None:
    named = set(re.findall(r"\btest_\w+", PAGE)) - {"test_engines_page", "test_stock"}
    assert named <= CONTRACTS.keys() | SCENARIOS


def test_engines_page_tells_every_loss_that_is_shown() -> None:
    shown = {name for name in SCENARIOS if name.startswith("test_stock")}
    controls = {"test_stock_catches_up_a_node_with_a_short_backlog"}
    assert shown - controls <= set(re.findall(r"\btest_\w+", PAGE))


def test_letters_of_the_promises_are_those_of_the_losses() -> None:
    losses = PAGE.partition("## What PySyncObj loses")[2]
    letters = set(re.findall(r"^\| ([A-Z]) \|", losses, flags=re.MULTILINE))
    used = {
        letter for cells in rows().values() for letter in re.split(r", ", cells[4])
    } - {"?", "none", "X"}
    assert used <= letters
