"""Each rule of Raft, left out on purpose, is missed by some transcript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.raft_script import run_script

from raftleader.replication.raft import transfer
from raftleader.replication.raft.election import Election
from raftleader.replication.raft.following import Following
from raftleader.replication.raft.leading import Leading
from raftleader.replication.raft.log import Log
from raftleader.replication.raft.messages import VoteReply
from raftleader.replication.raft.progress import Progress
from raftleader.replication.raft.reads import Reads

TRANSCRIPTS = sorted(Path(__file__).parents[3].glob("transcripts/raft/*.txt"))


def cut_the_log_always(self: Following, *arguments: Any) -> bool:
    _, after, entries = arguments
    if entries and after < self._group.log.last_index:
        self._group.log.truncate(after + 1)
    return append_as_it_is(self, *arguments)


append_as_it_is = Following._append


def forget_the_vote(self: Election, candidate: str) -> None:
    self._group.deadline = self._group.now_s + self._group.timeout_s


def count_messages_not_voters(self: Election, message: VoteReply, *_: Any) -> None:
    self._group.votes.add(f"{message.sender} {len(self._group.votes)}")
    if len(self._group.votes) >= self._group.quorum:
        self._won()


def commit_all_there_is(self: Following, commit_index: int, matched: int) -> None:
    self._group.commit(min(commit_index, self._group.log.last_index))


def count_unsynced_copies(self: Log, entries: Any) -> None:
    self.stable_index = self.last_index


def follow_nobody_earlier(self: Election) -> bool:
    return False


def read_at_once(self: Reads, *, confirmed_round: int, commit_index: int) -> Any:
    return done_as_it_is(self, confirmed_round=10**6, commit_index=commit_index)


done_as_it_is = Reads.done

BROKEN: list[tuple[type | Any, str, Callable[..., Any]]] = [
    (Following, "_append", cut_the_log_always),
    (Following, "_merge_commit", commit_all_there_is),
    (Following, "_require_uncommitted", lambda *_: None),
    (Election, "_grant", forget_the_vote),
    (Election, "_count", count_messages_not_voters),
    (Election, "_hears_leader", follow_nobody_earlier),
    (Log, "is_covered_by", lambda *_: True),
    (Leading, "_may_commit", lambda *_: True),
    (Leading, "_is_of_this_term", lambda *_: True),
    (Progress, "answered", lambda *_, **__: False),
    (Progress, "link_changed", lambda *_, **__: None),
    (Reads, "done", read_at_once),
    (transfer, "leave_if_removed", lambda *_: None),
]


@pytest.mark.parametrize(
    ("owner", "name", "broken"), BROKEN, ids=[name for _, name, _ in BROKEN]
)
def test_broken_rule_is_noticed(
    owner: Any, name: str, broken: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    assert any(_goes_wrong(path.read_text()) for path in TRANSCRIPTS)


def _goes_wrong(text: str) -> bool:
    try:
        return run_script(text) != text
    except AssertionError:
        return True
