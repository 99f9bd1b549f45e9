"""What goes wrong in a test with a cluster, apart from what the test itself asserts."""

from __future__ import annotations

DOCTOR = "`raftleader chaos doctor` shows what this machine can do"


class ClusterStartError(Exception):
    """The cluster did not become ready for work; nothing of it runs any more."""


class ClusterDiedError(Exception):
    """The processes cannot be kept any more: the loop that keeps them has ended."""


class NemesisError(Exception):
    """A fault that was asked for has no meaning, cannot be made here and now, or could
    not be put right."""


class BrokenPromiseError(AssertionError):
    """The cluster did not do what docs/promises.md says; the text says what it did."""
