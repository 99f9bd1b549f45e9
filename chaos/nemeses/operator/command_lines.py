"""Options in the command line of a node. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def values_of(arguments: Sequence[str], flag: str) -> list[str]:
    """What follows each use of an option that takes a value."""
    pairs = itertools.pairwise(arguments)
    return [value for name, value in pairs if name == flag]


def with_value(arguments: Sequence[str], flag: str, value: str) -> list[str]:
    """The option has this value, and no other."""
    return [*_without(arguments, flag), flag, value]


def peer_table(arguments: Sequence[str]) -> dict[str, str]:
    """Addresses of the leader nodes by name, as ``--peer`` gives them."""
    peers = (value.partition("=") for value in values_of(arguments, "--peer"))
    return {name: address for name, _, address in peers}


def with_peers(arguments: Sequence[str], peers: dict[str, str]) -> list[str]:
    """These peers, and no others."""
    words = _without(arguments, "--peer")
    for name, address in peers.items():
        words += ["--peer", f"{name}={address}"]
    return words


def _without(arguments: Sequence[str], flag: str) -> list[str]:
    words: list[str] = []
    is_value = False
    for word in arguments:
        if is_value or word == flag:
            is_value = word == flag and not is_value
            continue
        words.append(word)
    return words
