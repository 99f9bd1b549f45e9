"""What is asked of a simulated node, and the answers: each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftleader.errors import RaftLeaderError
from raftleader.replication.member.proposals import Done
from raftleader.replication.raft.membership import Change

if TYPE_CHECKING:
    from chaos.sim.fast.node_life import NodeLife


class Asks:
    """Passes on to the member. It answers in the middle of a step; the answers are
    kept until the step is over, as tasks are only woken by them."""

    def __init__(self, life: NodeLife) -> None:
        self._life = life
        self._later: list[tuple[Done, object, Exception | None]] = []

    def propose(self, data: bytes, done: Done) -> None:
        """Commit it."""
        self._life.member.propose(data, self._tracked("proposal", done))
        self._life.turn()

    def read(self, done: Done) -> None:
        """Prove leadership."""
        self._life.member.read(self._tracked("read", done))
        self._life.turn()

    def change(self, change: Change, done: Done) -> None:
        """Change the members."""
        self._life.member.change(change, self._tracked("change", done))
        self._life.turn()

    def transfer(self, target: str, done: Done) -> None:
        """Hand leadership over."""
        self._life.member.transfer(target, self._tracked("transfer", done))
        self._life.turn()

    def tell(self) -> None:
        """The step is over."""
        while self._later:
            later, self._later = self._later, []
            for done, result, error in later:
                done(result, error)

    def forget(self) -> None:
        """The process is no more: nobody is told."""
        self._later.clear()

    def _tracked(self, kind: str, done: Done) -> Done:
        life = self._life
        number = life.judge.asked(life, kind)

        def settled(result: object, error: Exception | None) -> None:
            life.judge.settled(life, number)
            assert error is None or isinstance(error, RaftLeaderError), error
            if life.is_alive:
                self._later.append((done, result, error))

        return settled
