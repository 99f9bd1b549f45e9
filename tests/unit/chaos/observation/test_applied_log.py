"""What nodes write down of the entries they apply, and how it is read again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from chaos.observation.clock import system_call_clock, true_clock
from chaos.observation.format import (
    AppliedEntry,
    AppliedRecord,
    Begin,
    Digested,
    Restored,
    RoleChange,
    encode_record,
)
from chaos.observation.reading import applied_files, applied_logs, read_applied
from chaos.observation.recorder import RecordedMachine, Recorder, record_roles
from raftleader.errors import InvalidInputError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.replication.interface import Leadership
from raftleader.replication.watch import LeadershipWatch
from raftleader.state.commands import BeginTerm, Entry, SetWeights, encode_entry
from raftleader.state.snapshot import digest


class Ticks:
    """A clock that counts its readings."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def replica() -> Replica:
    return Replica(
        cluster_id="c", clock=ClusterClock(monotonic_s=lambda: 0.0, wall_ms=lambda: 5)
    )


def entry(index: int) -> bytes:
    command = SetWeights(weights={"web": index}) if index > 1 else None
    return encode_entry(
        Entry(
            term=1,
            node="leader-1",
            now_ms=index,
            commands=(command or BeginTerm(http_address="127.0.0.1:1"),),
        )
    )


def records_of(path: Path) -> list[AppliedRecord]:
    return list(read_applied(path))


def test_recorded_machine_writes_entries_and_digests_of_the_same_indexes(
    tmp_path: Path,
) -> None:
    prefix = tmp_path / "applied"
    recorder = Recorder(prefix, node="leader-1", now_ns=Ticks())
    inner = replica()
    machine = RecordedMachine(inner, inner.state, recorder, digest_every=10)
    for index in (1, 2, 9, 11, 12, 20):
        machine.apply(index, 1, entry(index))
        if index == 11:
            digest_at_11 = digest(inner.state)
    recorder.close()

    records = records_of(tmp_path / "applied-1.rec")

    begin = records[0]
    assert isinstance(begin, Begin)
    assert (begin.node, begin.pid, begin.at_ns) == ("leader-1", os.getpid(), 1)
    entries = [record for record in records if isinstance(record, AppliedEntry)]
    assert [one.index for one in entries] == [1, 2, 9, 11, 12, 20]
    assert [one.at_ns for one in entries] == [2, 3, 4, 5, 6, 7]
    assert entries[2] == AppliedEntry(index=9, term=1, at_ns=4, data=entry(9))
    digests = [record for record in records if isinstance(record, Digested)]
    assert [one.index for one in digests] == [11, 20]
    assert digests[0].digest == digest_at_11
    assert digests[1].digest == digest(inner.state)
    assert records.index(digests[0]) == records.index(entries[3]) + 1


def test_recorded_machine_writes_the_restored_state_when_a_snapshot_is_finished(
    tmp_path: Path,
) -> None:
    source = replica()
    for index in range(1, 30):
        source.apply(index, 1, entry(index))
    pieces = list(source.capture())
    inner = replica()
    recorder = Recorder(tmp_path / "applied", node="leader-2", now_ns=Ticks())
    machine = RecordedMachine(inner, inner.state, recorder, digest_every=10)
    restoration = machine.restore()
    for piece in pieces:
        restoration.feed(piece)
    assert len(records_of(tmp_path / "applied-1.rec")) == 1

    restoration.finish()
    machine.apply(30, 1, entry(30))
    recorder.close()

    records = records_of(tmp_path / "applied-1.rec")
    assert records[1] == Restored(index=29, at_ns=2, digest=digest(source.state))
    assert [type(record) for record in records[2:]] == [AppliedEntry, Digested]
    assert b"".join(machine.capture()) == b"".join(inner.capture())


def test_recorder_begins_a_file_for_each_life(tmp_path: Path) -> None:
    node = tmp_path / "nodes" / "leader-1"
    for _ in range(11):
        Recorder(node / "applied", node="leader-1").close()
    (node / "log").write_text("not a record")
    (tmp_path / "nodes" / "agent-1").mkdir()

    names = [path.name for path in applied_files(node)]

    assert names == [f"applied-{life}.rec" for life in range(1, 12)]
    assert applied_logs(tmp_path) == {"leader-1": applied_files(node)}


def test_reading_leaves_out_a_torn_last_frame_wherever_it_is_cut(
    tmp_path: Path,
) -> None:
    path = tmp_path / "applied-1.rec"
    whole = encode_record(Begin(node="n", pid=1, at_ns=2, wall_ms=3))
    last = encode_record(AppliedEntry(index=1, term=1, at_ns=4, data=b"data"))
    for cut in range(len(last)):
        path.write_bytes(whole + last[:cut])
        assert len(records_of(path)) == 1
    path.write_bytes(whole + last)
    assert len(records_of(path)) == 2


def test_reading_names_the_offset_of_what_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "applied-1.rec"
    whole = encode_record(Begin(node="n", pid=1, at_ns=2, wall_ms=3))
    path.write_bytes(whole + b"\0\0\0\3abc" + whole)

    with pytest.raises(InvalidInputError, match=f"offset {len(whole)}"):
        records_of(path)


async def test_record_roles_writes_each_change_of_leadership(tmp_path: Path) -> None:
    watch = LeadershipWatch()

    class Log:
        @property
        def leadership(self) -> Leadership:
            return watch.current

        async def wait_leadership_changed(self, seen: Leadership) -> Leadership:
            return await watch.wait_changed(seen)

    recorder = Recorder(tmp_path / "applied", node="leader-1", now_ns=Ticks())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(record_roles, Log(), recorder)
        await trio.testing.wait_all_tasks_blocked()
        watch.update(Leadership(term=2, leader="leader-1", leading=True))
        await trio.testing.wait_all_tasks_blocked()
        watch.update(Leadership(term=3, leader=None, leading=False))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    roles = records_of(tmp_path / "applied-1.rec")[1:]
    assert roles == [
        RoleChange(term=0, leading=False, leader=None, at_ns=2),
        RoleChange(term=2, leading=True, leader="leader-1", at_ns=3),
        RoleChange(term=3, leading=False, leader=None, at_ns=4),
    ]


def test_recorder_has_lost_nothing_when_its_process_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, signal, pathlib\n"
        "from chaos.observation.recorder import Recorder\n"
        f"recorder = Recorder(pathlib.Path({str(tmp_path / 'applied')!r}), node='n')\n"
        "for index in range(1, 101):\n"
        "    recorder.applied(index, 1, b'x' * index)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=30)

    assert ended.returncode == -9
    entries = records_of(tmp_path / "applied-1.rec")[1:]
    assert [getattr(one, "index", None) for one in entries] == list(range(1, 101))


def test_true_clock_is_the_monotonic_one() -> None:
    for clock in (true_clock(), system_call_clock()):
        before = time.monotonic_ns()
        now = clock()
        assert before <= now <= time.monotonic_ns()
