"""Names of containers: a chain of ids, the outermost container first."""

from __future__ import annotations

import attrs

from raftleader.limits import ID_CHARS_MAX

NAME_CHARS_MAX = 242
"""Of one id in the chain; Mesos' own limit."""
LEVELS_MAX = 32
"""Containers within containers, as Mesos."""


@attrs.frozen
class ContainerName:
    """Where a container is: ``("a", "b")`` is ``b`` within ``a``.

    What makes one of parts that nobody has checked asks ``name_problem`` first.
    """

    parts: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        assert self.parts, "a container has a name"

    @property
    def own(self) -> str:
        """The container's own id."""
        return self.parts[-1]

    @property
    def parent(self) -> ContainerName | None:
        """The container it is in, if it is in one."""
        return ContainerName(self.parts[:-1]) if len(self.parts) > 1 else None

    def is_within(self, other: ContainerName) -> bool:
        """Whether it is ``other``, or in it at any depth."""
        return self.parts[: len(other.parts)] == other.parts

    def __str__(self) -> str:
        return ".".join(self.parts)


def name_problem(text: str) -> str | None:
    """Why ``text`` cannot be one id of a name, in Mesos' words, or None.

    A period would make the written form ambiguous, a space makes log lines and
    paths confusing.
    """
    if not text:
        return "ID must not be empty"
    if len(text) > ID_CHARS_MAX:
        return f"ID must not be greater than {ID_CHARS_MAX} characters"
    if text in (".", ".."):
        return f"'{text}' is disallowed"
    if any(c in "/\\" or ord(c) < 32 or ord(c) == 127 for c in text):
        return f"'{text}' contains invalid characters"
    if len(text) > NAME_CHARS_MAX:
        return (
            f"'ContainerID.value' '{text}' exceeds the maximum length"
            f" ({NAME_CHARS_MAX})"
        )
    if "." in text or " " in text:
        return f"'ContainerID.value' '{text}' contains invalid characters"
    return None
