"""Who granted this node what, counted by voter. Pure."""

from __future__ import annotations


class Ballots:
    """The probe that is open, if any, and the votes of the latest term.

    The library counts messages, so that one voter heard twice can elect a leader (H).
    """

    def __init__(self, node_id: str, *, quorum: int) -> None:
        self._node_id = node_id
        self._quorum = quorum
        self._probe: set[str] | None = None
        self._term = 0
        self._votes: set[str] = set()

    def open_probe(self) -> bool:
        """Begin a probe with our own grant; whether that is a majority."""
        self._probe = set()
        return self.grant_probe(self._node_id)

    def grant_probe(self, voter: str) -> bool:
        """Count a grant; whether the open probe has a majority now, and is over."""
        if self._probe is None:
            return False
        self._probe.add(voter)
        is_granted = len(self._probe) >= self._quorum
        if is_granted:
            self._probe = None
        return is_granted

    def close_probe(self) -> None:
        """Grants that still come mean nothing."""
        self._probe = None

    def grant_vote(self, voter: str, *, term: int) -> bool:
        """Count a vote in ``term``, beside our own; whether they are a majority."""
        if term != self._term:
            self._term, self._votes = term, {self._node_id}
        self._votes.add(voter)
        return len(self._votes) >= self._quorum
