"""Who is in the group: voters, and learners who receive the log without a voice.

A configuration counts from the moment its entry is appended, committed or not, and
one change is made at a time, so that any two majorities of neighbours in the log
share a member (Ongaro 2014, section 4.1).
"""

from __future__ import annotations

import msgspec

from raftleader.replication.entries import CONFIGURATION


class Peer(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One member.

    Attributes:
        address: Where its transport listens.
        instance: Names its data directory: drawn when that was made, and known here
            since the group was formed or the member first answered. Empty while
            unknown. A node of that name with another directory is another node.
    """

    node_id: str
    address: str
    is_voter: bool = True
    instance: str = ""


class Configuration(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """All members, in order of node id."""

    peers: tuple[Peer, ...] = ()

    @property
    def voters(self) -> tuple[str, ...]:
        return tuple(peer.node_id for peer in self.peers if peer.is_voter)

    @property
    def learners(self) -> tuple[str, ...]:
        return tuple(peer.node_id for peer in self.peers if not peer.is_voter)

    @property
    def node_ids(self) -> tuple[str, ...]:
        return tuple(peer.node_id for peer in self.peers)

    def peer(self, node_id: str) -> Peer | None:
        """The member of that name."""
        return next((one for one in self.peers if one.node_id == node_id), None)

    def with_peer(self, peer: Peer) -> Configuration:
        """This one with ``peer`` added, or in the place of its namesake."""
        others = [one for one in self.peers if one.node_id != peer.node_id]
        members = sorted([*others, peer], key=lambda one: one.node_id)
        return Configuration(peers=tuple(members))

    def without(self, node_id: str) -> Configuration:
        """This one without the member of that name."""
        return Configuration(
            peers=tuple(one for one in self.peers if one.node_id != node_id)
        )


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Configuration] = msgspec.msgpack.Decoder(
    Configuration
)


def configuration_entry(configuration: Configuration) -> bytes:
    """The data of the entry that puts ``configuration`` in force."""
    return CONFIGURATION + _encoder.encode(configuration)


def read_configuration(data: bytes) -> Configuration:
    """The inverse. Raises msgspec.DecodeError for what is none."""
    return _decoder.decode(data[1:])
