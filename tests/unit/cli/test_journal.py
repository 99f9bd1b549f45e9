"""``journal check`` and ``journal dump``: whole, torn, damaged, and no journal."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from raftleader.cli import journal as journal_command
from raftleader.cli.main import app
from raftleader.replication.entries import NO_OP, Entry, user_entry
from raftleader.replication.journal import Journal
from raftleader.replication.journal import format as journal_format
from raftleader.replication.os_disk import OsDisk
from raftleader.replication.raft.configuration import (
    Configuration,
    Peer,
    configuration_entry,
)
from raftleader.replication.snapshots import SnapshotStore
from raftleader.state.commands import Entry as CommandEntry
from raftleader.state.commands import PassTime, encode_entry

SEGMENT_BYTES = 600
FIRST, SECOND = "segment-0000000000000001", "segment-0000000000000002"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["journal", *map(str, arguments)])


def check(directory: Path) -> tuple[int, Any]:
    done = run("check", directory, "--json")
    return done.exit_code, json.loads(done.stdout)


def open_journal(directory: Path) -> Journal:
    return Journal.open(
        str(directory / "journal"),
        cluster_id="c1",
        node_id="n1",
        engine="raft",
        segment_bytes=SEGMENT_BYTES,
        draw_instance=lambda: "i1",
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The journal of a node that ended in order: two segments."""
    directory = tmp_path / "n1"
    journal = open_journal(directory)
    journal.set_ballot(3, "n2")
    members = Configuration(
        peers=(
            Peer(node_id="n1", address="tcp://a"),
            Peer(node_id="n2", address="tcp://b", is_voter=False),
        )
    )
    journal.append([Entry(configuration_entry(members), 1, 3), Entry(NO_OP, 2, 3)])
    journal.sync()
    journal.append([Entry(user_entry(b"never mind" * 15), 3, 3)])
    journal.note("formed", b"yes")
    journal.sync()
    journal.truncate(3)
    journal.append([Entry(user_entry(bytes(250)), 3, 4)])
    journal.sync()
    command = CommandEntry(term=4, node="n1", now_ms=1, commands=(PassTime(),))
    journal.append([Entry(user_entry(encode_entry(command)), 4, 4)])
    journal.close()
    return directory


def segment(data_dir: Path, name: str) -> Path:
    return data_dir / "journal" / name


def damage(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_check_of_a_whole_journal_says_what_it_holds(data_dir: Path) -> None:
    code, facts = check(data_dir)
    assert code == 0
    assert facts["verdict"] == "fine"
    assert facts["problems"] == [] and facts["torn"] is None
    assert (facts["engine"], facts["cluster_id"], facts["node_id"]) == (
        "raft",
        "c1",
        "n1",
    )
    assert (facts["term"], facts["vote"], facts["last_index"]) == (3, "n2", 4)
    assert facts["notes"] == ["formed"]
    assert [one["file"] for one in facts["segments"]] == [FIRST, SECOND]
    assert [one["entries"] for one in facts["segments"]] == [3, 2]
    words = run("check", data_dir / "journal").stdout
    assert "engine raft, cluster c1, node n1, instance i1" in words
    assert "entries 1 to 4; term 3, vote n2" in words
    assert words.endswith("fine\n")


def test_check_changes_nothing_and_asks_for_no_lock(data_dir: Path) -> None:
    journal = open_journal(data_dir)
    content = segment(data_dir, SECOND).read_bytes()
    assert check(data_dir)[0] == 0
    assert segment(data_dir, SECOND).read_bytes() == content
    journal.close()


def test_check_says_what_a_start_would_cut_and_calls_it_no_damage(
    data_dir: Path,
) -> None:
    path = segment(data_dir, SECOND)
    used = len(path.read_bytes().rstrip(b"\0"))
    damage(path, used - 1)
    code, facts = check(data_dir)
    assert (code, facts["verdict"]) == (0, "torn")
    assert facts["torn"]["file"] == SECOND
    assert 0 < facts["torn"]["offset"] < used
    assert facts["last_index"] == 3
    assert "the next start of the node cuts it" in run("check", data_dir).stdout


def test_check_names_file_and_offset_of_damage_and_reads_on_behind_it(
    data_dir: Path,
) -> None:
    offset = check(data_dir)[1]["segments"][0]["used_bytes"] - 3
    damage(segment(data_dir, FIRST), offset)
    code, facts = check(data_dir)
    assert (code, facts["verdict"]) == (1, "damaged")
    (problem,) = facts["problems"]
    assert problem["file"] == FIRST
    assert 0 < problem["offset"] <= offset
    assert "another segment follows" in problem["problem"]
    assert [one["entries"] for one in facts["segments"]] == [2, 2]
    words = run("check", data_dir).stdout
    assert f"DAMAGED: {FIRST} at byte {problem['offset']}" in words
    assert "before the first damage" in words


def test_check_reads_on_behind_damage_in_the_middle_of_a_segment(
    data_dir: Path,
) -> None:
    second = json.loads(run("dump", data_dir, "--json").stdout.splitlines()[1])
    start = second["offset"]
    damage(segment(data_dir, FIRST), start + 60)
    code, facts = check(data_dir)
    assert code == 1
    assert "a valid batch follows" in facts["problems"][0]["problem"]
    assert facts["problems"][0]["offset"] == start
    assert facts["segments"][0]["entries"] == 1


def test_check_notices_a_header_that_is_damaged_and_a_segment_that_is_gone(
    data_dir: Path,
) -> None:
    damage(segment(data_dir, FIRST), 9)
    code, facts = check(data_dir)
    assert code == 1
    assert (facts["problems"][0]["file"], facts["problems"][0]["offset"]) == (FIRST, 0)
    assert facts["node_id"] == "n1"
    segment(data_dir, FIRST).rename(segment(data_dir, "segment-0000000000000004"))
    code, facts = check(data_dir)
    assert code == 1
    assert {
        "file": "segment-0000000000000003",
        "offset": 0,
        "problem": "the file is not there",
    } in facts["problems"]


def test_check_of_no_journal_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "none"):
        done = run("check", directory)
        assert done.exit_code == 2
        assert "there is no" in done.stderr
    (tmp_path / "journal").write_bytes(b"rljrnl\r\n")
    done = run("check", tmp_path)
    assert done.exit_code == 2
    assert "is a file; a journal is a directory" in done.stderr


def test_check_of_a_newer_format_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as future:
        future.setattr(journal_format, "FORMAT_VERSION", 7)
        open_journal(tmp_path).close()
    done = run("check", tmp_path)
    assert done.exit_code == 2
    assert "has format 7; this version reads format 1" in done.stderr


def test_check_of_a_long_journal_shows_how_far_it_is(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_command, "_LONG_BYTES", 10)
    monkeypatch.setattr(journal_command, "_MIB", 1)
    done = run("check", data_dir, "--json")
    assert "MiB read" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "fine"


def test_dump_prints_every_record_in_order(data_dir: Path) -> None:
    done = run("dump", data_dir, "--json")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["kind"] for row in rows] == [
        "opening",
        "ballot",
        "entry",
        "entry",
        "entry",
        "note",
        "opening",
        "truncate",
        "entry",
        "entry",
    ]
    by_kind = [row for row in rows if row["kind"] == "entry"]
    assert [row["index"] for row in by_kind] == [1, 2, 3, 3, 4]
    assert [row["of"] for row in by_kind] == [
        "configuration",
        "no-op",
        "user",
        "user",
        "user",
    ]
    assert by_kind[0]["holds"] == "voters n1; learners n2"
    assert by_kind[2]["holds"] == "never mind" * 4 + "..."
    assert by_kind[4]["holds"] == "PassTime"
    assert base64.b64decode(by_kind[2]["data"]) == b"\0" + b"never mind" * 15


def test_dump_of_a_part_prints_what_touches_it(data_dir: Path) -> None:
    words = run("dump", data_dir, "--from", 3, "--to", 3).stdout.splitlines()
    assert len(words) == 3
    assert words[0].startswith(FIRST) and "entry index=3 term=3" in words[0]
    assert "truncate from_index=3" in words[1]
    assert words[2].startswith(SECOND) and "entry index=3 term=4" in words[2]
    backwards = run("dump", data_dir, "--from", 4, "--to", 3)
    assert backwards.exit_code == 2
    assert "--from: 4 is after --to 3" in backwards.stderr


def test_dump_of_a_damaged_journal_prints_what_is_readable_and_fails(
    data_dir: Path,
) -> None:
    used = check(data_dir)[1]["segments"][0]["used_bytes"]
    damage(segment(data_dir, FIRST), used - 3)
    done = run("dump", data_dir, "--json")
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["index"] for row in rows if row["kind"] == "entry"] == [1, 2, 3, 4]
    assert f"DAMAGED: {FIRST} at byte" in done.stderr


@pytest.fixture
def after_snapshot(data_dir: Path) -> Path:
    """The journal begins after entry 4, which the snapshot beside it is of."""
    store = SnapshotStore(OsDisk(), str(data_dir / "snapshots"), cluster_id="c1")
    writer = store.begin(4, 4, Configuration())
    writer.write(b"state" * 50_000)
    writer.finish()
    store.close()
    journal = open_journal(data_dir)
    journal.reset(4, 4)
    journal.append([Entry(NO_OP, 5, 4)])
    journal.close()
    return data_dir


def test_check_reads_the_snapshot_that_the_journal_begins_with(
    after_snapshot: Path,
) -> None:
    code, facts = check(after_snapshot)
    assert (code, facts["verdict"], facts["base_index"]) == (0, "fine", 4)
    (found,) = facts["snapshots"]
    assert (found["file"], found["index"], found["problem"]) == ("snapshot-4-4", 4, "")
    assert found["size_bytes"] == 250_000


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda path: path.unlink(), "there is no snapshot of that entry"),
        (lambda path: damage(path, 20), "there is no snapshot of that entry"),
        (lambda path: damage(path, 20), "is damaged at byte 0: the checksum of the he"),
        (lambda path: damage(path, 200_000), "snapshot-4-4 is damaged at byte"),
        (lambda path: os.truncate(path, 100_000), "snapshot-4-4 is damaged at byte"),
    ],
)
def test_check_fails_when_a_start_would_for_want_of_a_snapshot(
    after_snapshot: Path, break_it: Callable[[Path], None], problem: str
) -> None:
    break_it(after_snapshot / "snapshots" / "snapshot-4-4")
    code, facts = check(after_snapshot)
    assert (code, facts["verdict"]) == (1, "damaged")
    assert problem in " ".join(facts["snapshot_problems"])
    assert f"{problem}" in run("check", after_snapshot).stdout


def test_damaged_snapshot_that_is_not_needed_is_passed_over(data_dir: Path) -> None:
    (data_dir / "snapshots").mkdir()
    (data_dir / "snapshots" / "snapshot-2-3").write_bytes(b"x")
    code, facts = check(data_dir)
    assert (code, facts["verdict"]) == (0, "fine")
    assert "the header is cut" in facts["snapshots"][0]["problem"]
