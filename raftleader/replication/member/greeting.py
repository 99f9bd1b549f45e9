"""The first thing a node says on a link: who it is, and with which data directory."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from raftleader.replication.raft.messages import Count, Name

Instances = Annotated[dict[Name, Name], Meta(max_length=255)]


class Greeting(
    msgspec.Struct,
    tag="greeting",
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
):
    """Nothing else that ``sender`` says is heard before this.

    Attributes:
        instance: Names the sender's data directory; drawn when that was made.
        first: The instance of every first voter of the group, as the sender keeps it
            on its disk; None while it has not heard them all, or joined later.
        is_formed: The sender knows that every first voter keeps the same ``first``.
        is_answer: To a greeting; it asks for none back.
        as_of: The committed configuration at this index of the log names the sender
            with this instance; 0: none that it knows of. Whoever has not applied that
            entry learns here that an older instance was removed.
        known: The instance that the sender has the recipient bound to, if any.
    """

    sender: Name
    cluster_id: Name
    instance: Name
    first: Instances | None = None
    is_formed: bool = False
    is_answer: bool = False
    as_of: Count = 0
    known: Name | None = None
