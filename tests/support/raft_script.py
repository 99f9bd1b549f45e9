"""Transcripts: commands to a few RaftCores, and what comes of them.

A file is blocks, apart by empty lines: commands, ``----``, and the output. Lines
that begin with ``#`` are for the reader. Time stands still unless it is moved;
messages wait, in order, until they are delivered.

    nodes a b c          a group of voters; their patience is 0.2, 0.25, 0.3 s
    spare d              a node that is no member, with an empty log
    settings k=v         of the nodes to come
    time 0.1             that much later; nobody is ticked
    tick a               at the present time
    expire a             tick it when its patience ends, or its heartbeat is due
    propose a x y        append; ``propose a 100*x`` for many
    run a                its work, until there is none; ``take a`` and ``sync a`` apart
    deliver a>b [n]      all that waits from a to b, or the first n; ``*`` for any
    drop a>b [n]         lose it instead; ``repeat a>b`` doubles it, ``reverse a>b``
    settle               run and deliver until nothing is left; ``quietly``: silent
    cut a b, heal        what they send each other is lost, until then
    isolate a            cut it from everybody
    crash a, restart a   it forgets what was not synced
    forge x>a Kind k=v   deliver a message made up, at once
    read a, transfer a b, step_down a, peer_lost a b, link a b up|down
    add a d, promote a d, remove a b, instance a d 17
    snapshot a keep 2    of what it applied
    corrupt b            the next piece of a snapshot that comes to it
    chunks a 20          pieces of at most so many bytes
    show a               its log; ``members a``, ``progress a``, ``refusals a``
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from support.raft_nodes import DrivenNode, data_of, name_of
from support.raft_words import members_in_words, message_in_words

from raftleader.replication.invariant import InvariantError
from raftleader.replication.raft import messages as kinds
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.membership import (
    AddLearner,
    Change,
    LearnInstance,
    Promote,
    Proposed,
    Remove,
)
from raftleader.replication.raft.messages import Message
from raftleader.replication.raft.work import Work
from raftleader.replication.settings import RaftSettings


def run_script(text: str) -> str:
    """The transcript with the output as it is now."""
    return "\n\n".join(_run_blocks(text.strip("\n").split("\n\n"))) + "\n"


def _run_blocks(blocks: Iterable[str]) -> Iterable[str]:
    world = World()
    for block in blocks:
        commands = block.split("----\n")[0].removesuffix("----").strip("\n")
        lines = commands.split("\n")
        for line in lines:
            if not line.startswith("#"):
                world.do(line)
        said = world.said()
        has_commands = any(not line.startswith("#") for line in lines)
        yield "\n".join([commands, *(["----", *said] if has_commands else [])])


class World:
    """Nodes, and the messages between them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._settings: dict[str, Any] = {}
        self._nodes: dict[str, DrivenNode] = {}
        self._crashed: set[str] = set()
        self._queues: dict[tuple[str, str], deque[Message]] = {}
        self._cut: set[tuple[str, str]] = set()
        self._said: list[str] = []
        self._seen: dict[str, str] = {}
        self._reads_told: set[tuple[str, int]] = set()
        self._is_quiet = False

    def do(self, line: str) -> None:
        name, *arguments = line.split()
        command: Callable[..., None] = getattr(self, f"_do_{name}")
        try:
            command(*arguments)
        except InvariantError as error:
            self._say(f"InvariantError: {error}")
        self._say_changes()

    def said(self) -> list[str]:
        said, self._said = self._said, []
        return said or ["(nothing)"]

    def _say(self, line: str) -> None:
        if not self._is_quiet:
            self._said.append(line)

    def _say_changes(self) -> None:
        for node_id, node in self._nodes.items():
            if node_id in self._crashed:
                continue
            core = node.core
            if node.unsynced is None and not core.has_work:
                node.apply()
            now = f"{core.role.value} in term {core.term}, commit {core.commit_index}"
            if core.leader not in (None, node_id):
                now += f", of {core.leader}"
            if now != self._seen.get(node_id):
                self._seen[node_id] = now
                self._say(f"  {node_id}: {now}")
            for read_id, read in node.reads.items():
                if (node_id, read_id) not in self._reads_told:
                    self._reads_told.add((node_id, read_id))
                    self._say(f"  {node_id}: read {read_id} at {read.index}")

    # --- nodes --------------------------------------------------------------------

    def _do_settings(self, *pairs: str) -> None:
        for pair in pairs:
            key, value = pair.split("=")
            self._settings[key] = float(value) if "." in value else int(value)

    def _do_nodes(self, *names: str) -> None:
        first = Configuration(
            peers=tuple(Peer(node_id=one, address=f"at-{one}") for one in names)
        )
        for name in names:
            self._make(name, first)

    def _do_spare(self, name: str) -> None:
        self._make(name, Configuration())

    def _make(self, name: str, first: Configuration) -> None:
        part = 0.25 * len(self._nodes)
        self._nodes[name] = DrivenNode(
            name,
            first=first,
            settings=RaftSettings(**self._settings),
            draw=lambda: part,
            now_s=self.now_s,
            written=self._say_work,
        )
        self._seen[name] = "follower in term 0, commit 0"

    def _do_time(self, seconds: str) -> None:
        self.now_s += float(seconds)

    def _do_tick(self, name: str) -> None:
        self._nodes[name].core.tick(self.now_s)

    def _do_expire(self, name: str) -> None:
        core = self._nodes[name].core
        self.now_s = max(self.now_s, core.wake_at)
        core.tick(self.now_s)

    def _do_crash(self, name: str) -> None:
        self._crashed.add(name)
        self._seen.pop(name, None)
        for (sender, recipient), queue in self._queues.items():
            if name in (sender, recipient):
                queue.clear()

    def _do_restart(self, name: str) -> None:
        self._do_crash(name)
        self._crashed.discard(name)
        self._nodes[name].restart(self.now_s)
        self._reads_told = {one for one in self._reads_told if one[0] != name}

    # --- work and messages --------------------------------------------------------

    def _do_take(self, name: str) -> None:
        self._nodes[name].take()

    def _do_sync(self, name: str) -> None:
        self._post(name, self._nodes[name].finish(self.now_s))

    def _do_run(self, name: str) -> None:
        while self._nodes[name].core.has_work:
            self._do_take(name)
            self._do_sync(name)

    def _post(self, sender: str, messages: Iterable[tuple[str, Message]]) -> None:
        for recipient, message in messages:
            is_lost = (sender, recipient) in self._cut or recipient in self._crashed
            mark = "  (lost)" if is_lost else ""
            self._say(f"{sender}>{recipient} {message_in_words(message)}{mark}")
            if not is_lost:
                self._queue(sender, recipient).append(message)

    def _queue(self, sender: str, recipient: str) -> deque[Message]:
        return self._queues.setdefault((sender, recipient), deque())

    def _matching(self, way: str) -> list[tuple[str, str]]:
        sender, recipient = way.split(">")
        return [
            (one, other)
            for one, other in sorted(self._queues)
            if sender in ("*", one) and recipient in ("*", other)
        ]

    def _do_deliver(self, way: str, count: str = "1000") -> None:
        for sender, recipient in self._matching(way):
            queue = self._queue(sender, recipient)
            for _ in range(min(int(count), len(queue))):
                self._nodes[recipient].core.receive(queue.popleft(), self.now_s)

    def _do_drop(self, way: str, count: str = "1000") -> None:
        for sender, recipient in self._matching(way):
            queue = self._queue(sender, recipient)
            for _ in range(min(int(count), len(queue))):
                message = message_in_words(queue.popleft())
                self._say(f"lost: {sender}>{recipient} {message}")

    def _do_repeat(self, way: str) -> None:
        for sender, recipient in self._matching(way):
            queue = self._queue(sender, recipient)
            queue.extend(list(queue))

    def _do_reverse(self, way: str) -> None:
        for sender, recipient in self._matching(way):
            self._queue(sender, recipient).reverse()

    def _do_settle(self, how: str = "") -> None:
        self._is_quiet = how == "quietly"
        for _ in range(1000):
            for name, node in self._nodes.items():
                is_running = name not in self._crashed and node.unsynced is None
                if is_running and node.core.has_work:
                    self._do_run(name)
                    self._say_news()
            if not any(self._queues.values()):
                break
            self._do_deliver("*>*")
            self._say_news()
        else:
            raise AssertionError("it never settles")
        self._is_quiet = False

    def _say_news(self) -> None:
        if not self._is_quiet:
            self._say_changes()

    def _do_cut(self, one: str, other: str) -> None:
        self._cut |= {(one, other), (other, one)}

    def _do_isolate(self, name: str) -> None:
        for other in self._nodes:
            self._do_cut(name, other)

    def _do_heal(self) -> None:
        self._cut.clear()

    def _do_forge(self, way: str, kind: str, *pairs: str) -> None:
        sender, recipient = way.split(">")
        fields: dict[str, Any] = {"sender": sender}
        for pair in pairs:
            key, value = pair.split("=")
            fields[key] = msgspec.json.decode(value)
        if "entries" in fields:
            fields["entries"] = tuple(
                (term, b"\x00" + data.encode()) for term, data in fields["entries"]
            )
        if "meta" in fields:
            index, term = fields["meta"]
            fields |= {"meta": _meta(index, term), "data": b"", "offset": 0}
        message = getattr(kinds, kind)(**fields)
        self._nodes[recipient].core.receive(message, self.now_s)

    def _say_work(self, name: str, work: Work) -> None:
        if work.truncate_from is not None:
            self._say(f"{name} cuts its log from {work.truncate_from} on")
        if work.entries:
            entries = [f"{one.index}:{name_of(one.data)}" for one in work.entries]
            if len(entries) > 4:
                entries[2:-1] = ["..."]
            self._say(f"{name} stores {' '.join(entries)}")
        if work.ballot is not None:
            vote = f", vote for {work.ballot.vote}" if work.ballot.vote else ""
            self._say(f"{name} stores term {work.ballot.term}{vote}")

    # --- requests -----------------------------------------------------------------

    def _do_propose(self, name: str, *words: str) -> None:
        data: list[bytes] = []
        for word in words:
            count, _, what = word.rpartition("*")
            data += [b"\x00" + what.encode()] * int(count or "1")
        index = self._nodes[name].core.propose(data, self.now_s)
        if index is None:
            self._say("refused")

    def _do_read(self, name: str) -> None:
        read_id = self._nodes[name].core.read(self.now_s)
        self._say("refused" if read_id is None else f"read {read_id} begun")

    def _do_transfer(self, name: str, target: str) -> None:
        refusal = self._nodes[name].core.transfer(target, self.now_s)
        self._say(f"refused: {refusal}" if refusal else "begun")

    def _do_step_down(self, name: str) -> None:
        self._nodes[name].core.step_down(self.now_s)

    def _do_peer_lost(self, name: str, peer: str) -> None:
        self._nodes[name].core.peer_lost(peer, self.now_s)

    def _do_link(self, name: str, peer: str, state: str) -> None:
        core = self._nodes[name].core
        (core.link_up if state == "up" else core.link_down)(peer)

    def _do_add(self, name: str, node_id: str) -> None:
        peer = Peer(node_id=node_id, address=f"at-{node_id}")
        self._change(name, AddLearner(peer))

    def _do_promote(self, name: str, node_id: str) -> None:
        self._change(name, Promote(node_id))

    def _do_remove(self, name: str, node_id: str) -> None:
        self._change(name, Remove(node_id))

    def _do_instance(self, name: str, node_id: str, instance: str) -> None:
        self._change(name, LearnInstance(node_id, instance))

    def _change(self, name: str, change: Change) -> None:
        outcome = self._nodes[name].core.change(change, self.now_s)
        if isinstance(outcome, Proposed):
            self._say(f"proposed as {outcome.index}")
        else:
            self._say(f"refused: {outcome.reason}")

    def _do_snapshot(self, name: str, _keep: str, count: str) -> None:
        node = self._nodes[name]
        meta = node.store_snapshot(keep=int(count))
        self._say(
            f"{name} has a snapshot of {meta.index}, {meta.size_bytes} bytes; "
            f"its log begins at {node.core.first_index}"
        )

    def _do_corrupt(self, name: str) -> None:
        self._nodes[name].corrupts_next_chunk = True

    def _do_chunks(self, name: str, size: str) -> None:
        self._nodes[name].chunk_bytes_max = int(size)

    # --- looking ------------------------------------------------------------------

    def _do_show(self, name: str) -> None:
        node = self._nodes[name]
        core = node.core
        entries = core.entries(core.first_index, core.last_index)
        log = [f"{one.index}/{one.term}:{name_of(one.data)}" for one in entries]
        self._say(f"{name} log: {' '.join(log) or '(empty)'}")
        self._say(f"{name} applied: {' '.join(data_of(node.applied)) or '(nothing)'}")

    def _do_members(self, name: str) -> None:
        configuration = self._nodes[name].core.configuration
        self._say(f"{name} knows {members_in_words(configuration)}")

    def _do_progress(self, name: str) -> None:
        for one in self._nodes[name].core.progress():
            active = "" if one.is_recently_active else ", silent"
            self._say(
                f"{one.node_id}: {one.state.value}, match {one.match}, "
                f"next {one.next}{active}"
            )

    def _do_refusals(self, name: str) -> None:
        for reason, count in sorted(self._nodes[name].core.refusals.items()):
            self._say(f"{name} refused {count}: {reason}")


def _meta(index: int, term: int) -> kinds.SnapshotMeta:
    return kinds.SnapshotMeta(
        index=index,
        term=term,
        configuration=Configuration(),
        size_bytes=0,
        checksum=b"",
    )
