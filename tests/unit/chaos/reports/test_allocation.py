from __future__ import annotations

from pathlib import Path

import attrs

from chaos.judging.replay import replay
from chaos.judging.streams import read_stream
from chaos.reports.material import EMPTY_STREAM, read_material
from chaos.reports.panels.allocation import (
    Account,
    accounts_of,
    allocation_panels,
    amount,
)
from raftleader.protocol.resources import parse_resources


def test_accounts_end_as_the_state_does(valid_run: Path) -> None:
    stream = read_stream(valid_run)
    accounts = accounts_of(stream)
    assert accounts.problem == ""
    last = replay(stream).facts.last
    assert {
        row.info.hostname: (amount(row.total), amount(row.used), amount(row.offered))
        for row in last.agents.values()
    } == {
        name: (known[-1].total, known[-1].used, known[-1].offered)
        for name, known in accounts.agents.items()
    }
    for known in accounts.agents.values():
        assert all(one.used + one.offered <= one.total == 4000 for one in known)
        assert max(one.used for one in known) > 0
        assert max(one.offered for one in known) > 0


def test_accounts_know_the_terms(valid_run: Path) -> None:
    stream = read_stream(valid_run)
    terms = accounts_of(stream).terms
    assert [term for _, term in terms] == sorted({one.term for one in stream.entries})


def test_accounts_of_a_log_without_its_beginning_are_none(valid_run: Path) -> None:
    stream = read_stream(valid_run)
    rest = attrs.evolve(stream, entries=stream.entries[5:])
    accounts = accounts_of(rest)
    assert accounts.agents == {}
    assert "cannot be replayed" in accounts.problem
    assert accounts_of(EMPTY_STREAM).problem == "No entry of the log was written down."


def test_allocation_panels_have_an_agent_each(valid_run: Path) -> None:
    found = allocation_panels(read_material(valid_run))
    assert [panel.title for panel in found.panels] == [
        f"agent-{number}" for number in range(1, 6)
    ]
    assert set(found.data) == {panel.id for panel in found.panels}
    assert all(rows for rows in found.data.values())
    assert found.panels[-1].has_labels
    assert not found.panels[0].has_labels


def test_allocation_of_many_changes_keeps_the_extremes() -> None:
    from chaos.reports.panels.allocation import BUCKETS, _thinned
    from chaos.reports.panels.panel import INDEX, Axis

    count = 8 * BUCKETS
    known = [
        Account(
            index=index,
            total=4000,
            used=4000 if index == 777 else index % 3,
            offered=0 if index == 777 else 7 + index % 5,
            is_reachable=True,
        )
        for index in range(count)
    ]
    kept = _thinned(known, Axis(name=INDEX, begin=0.0, end=float(count)))
    assert len(kept) <= 4 * (BUCKETS + 1) < count
    assert known[777] in kept
    assert kept == sorted(kept, key=lambda one: one.index)


def test_amount_counts_what_is_reserved_too() -> None:
    assert amount(parse_resources("cpus:1.5;cpus(prod):2;mem:9")) == 3500
