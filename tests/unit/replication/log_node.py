"""One node of a cluster in a process of its own, for ``test_real_processes.py``.

Arguments: node id, directory, and the members as JSON. Reads commands from stdin, one
a line: ``propose NAME COUNT`` proposes that many commands at once; ``dump COMMAND``
wants all that was applied, once this command was. Writes JSON lines:
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
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from transports.tcp import TcpTransport


def say(*what: object) -> None:
    print(json.dumps(what), flush=True)


async def main(node_id: str, directory: str, members: str) -> None:
    applied: list[str] = []
    dumps_after: set[str] = set()

    def dump_if_done() -> None:
        if dumps_after & set(applied):
            say("applied", applied)
            dumps_after.clear()

    def apply(index: int, term: int, data: bytes) -> None:
        applied.append(data.decode())
        dump_if_done()

    log = PySyncObjLog(
        cluster_id="c",
        node_id=node_id,
        members=json.loads(members),
        transport=TcpTransport(),
        journal_path=Path(directory) / node_id,
        applier=apply,
        rng=random.Random(),
    )

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
