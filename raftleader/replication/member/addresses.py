"""Where members listen: what the log says, and what the node was told at its start."""

from __future__ import annotations

import msgspec

from raftleader.replication.raft.configuration import Configuration, Peer


class Addresses:
    """A node may move to another address between two starts: then every node is told
    so, and the log still has the old one. What the log says later counts again."""

    def __init__(self, *, given: Configuration, recovered: Configuration) -> None:
        """``recovered``: in force at the start."""
        self._moved: dict[tuple[str, str], str] = {}
        for peer in recovered.peers:
            told = given.peer(peer.node_id)
            if told is not None and told.address != peer.address:
                self._moved[peer.node_id, peer.address] = told.address
        self._seen: Configuration | None = None
        self._answer = recovered

    def of(self, configuration: Configuration) -> Configuration:
        """``configuration`` with the addresses to dial."""
        if configuration is not self._seen:
            self._seen = configuration
            peers = tuple(self._here(peer) for peer in configuration.peers)
            self._answer = Configuration(peers=peers)
        return self._answer

    def _here(self, peer: Peer) -> Peer:
        address = self._moved.get((peer.node_id, peer.address), peer.address)
        return msgspec.structs.replace(peer, address=address)
