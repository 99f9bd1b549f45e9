"""P1: answered means committed. What was answered is in every later log and read."""

from __future__ import annotations


class AnsweredIsCommitted:
    """Told of answers and reads, and at the end how far the logs go.

    Attributes:
        newest: Highest index whose outcome, or a state with it, was answered to
            anybody.
        answers: How many there were.
    """

    name = "P1 answered means committed"

    def __init__(self) -> None:
        self.newest = 0
        self.answers = 0

    def answered(self, node: str, index: int, committed: int) -> list[str]:
        """``node`` answers a call with the outcome of the entry ``index``."""
        self.answers += 1
        if index > self.newest:
            self.newest = index
        if index > committed:
            return [f"{node} answers for entry {index}, which nobody has applied"]
        return []

    def read(self, node: str, asked_after: int, index: int) -> list[str]:
        """``node`` answers a question from its state at ``index``; when it was asked,
        the entry ``asked_after`` had been answered, or read by somebody."""
        if index > self.newest:
            self.newest = index
        if index >= asked_after:
            return []
        return [
            f"{node} answers from entry {index}, though entry {asked_after} had been"
            " answered or read before it was asked"
        ]

    def ended(self, last_index: int) -> list[str]:
        """The healed cluster's log ends here."""
        if last_index >= self.newest:
            return []
        return [
            f"entry {self.newest} was answered, and the log ends at {last_index} now"
        ]
