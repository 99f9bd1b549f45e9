"""One node of a cluster in a process of its own, for ``test_real_processes.py``.

Arguments: engine, node id, directory, and the members as JSON. Reads commands from
stdin, one a line: ``propose NAME COUNT`` proposes that many commands at once; ``dump
COMMAND`` wants all that was applied, once this command was. Writes JSON lines:
``["leads", term]``, ``["answered", [...]]`` and ``["applied", [...]]``.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import trio

from raftleader.errors import RaftLeaderError
from raftleader.replication.interface import ReplicatedLog
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.recording import RecordingMachine
from transports.tcp import TcpTransport


def say(*what: object) -> None:
    print(json.dumps(what), flush=True)


def make_log(
    engine: str,
    node_id: str,
    directory: Path,
    members: dict[str, str],
    machine: RecordingMachine,
) -> ReplicatedLog:
    if engine == "raft":
        return RaftLog(
            cluster_id="c",
            node_id=node_id,
            members=members,
            transport=TcpTransport(),
            data_dir=directory / node_id,
            machine=machine,
            rng=random.Random(),
        )
    return PySyncObjLog(
        cluster_id="c",
        node_id=node_id,
        members=members,
        transport=TcpTransport(),
        journal_path=directory / node_id,
        applier=machine,
        rng=random.Random(),
    )


async def main(engine: str, node_id: str, directory: str, members: str) -> None:
    applied: list[str] = []
    dumps_after: set[str] = set()

    def dump_if_done() -> None:
        if dumps_after & set(applied):
            say("applied", applied)
            dumps_after.clear()

    def apply(data: bytes) -> None:
        applied.append(data.decode())
        dump_if_done()

    machine = RecordingMachine(lambda entry: apply(entry.data))
    log = make_log(engine, node_id, Path(directory), json.loads(members), machine)

    async def watch() -> None:
        leadership = log.leadership
        while True:
            if leadership.leading:
                say("leads", leadership.term)
            leadership = await log.wait_leadership_changed(leadership)

    async def propose(name: str, count: int) -> None:
        answered: list[str] = []

        async def propose_one(command: str) -> None:
            try:
                await log.propose(command.encode(), timeout_s=5)
                answered.append(command)
            except RaftLeaderError:
                pass

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(propose_one, f"{name}.{number}")
        say("answered", answered)

    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        nursery.start_soon(watch)
        buffered = b""
        stdin = trio.lowlevel.FdStream(os.dup(0))
        while chunk := await stdin.receive_some():
            *lines, buffered = (buffered + chunk).split(b"\n")
            for line in lines:
                words = line.decode().split()
                if words[0] == "propose":
                    nursery.start_soon(propose, words[1], int(words[2]))
                else:
                    dumps_after.add(words[1])
                    dump_if_done()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
