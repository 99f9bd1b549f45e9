"""What a leader node was told that its API shows."""

from __future__ import annotations

from pathlib import Path

import attrs

from raftleader.protocol.agents import Domain


@attrs.frozen(kw_only=True)
class NodeFacts:
    """What a leader node was told that its API shows.

    Attributes:
        flags: Its settings, by name, as text.
        log_file: Where its log goes, if that is a file that may be read.
        domain: Where it stands.
    """

    flags: dict[str, str] = attrs.field(factory=dict)
    log_file: Path | None = None
    domain: Domain | None = None
