"""A rule is taken out by putting something else in the place of one small method."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs


@attrs.frozen
class Patch:
    """``put`` takes the place of ``owner.name``; the owner is a class or a module."""

    owner: Any
    name: str
    put: Any


Patches = Mapping[str, tuple[Patch, ...]]
"""By the name of the mutant."""


@contextlib.contextmanager
def put(patches: Iterable[Patch]) -> Iterator[None]:
    """Put all of them in place for a while; what was there comes back, whatever
    happens meanwhile."""
    with contextlib.ExitStack() as stack:
        for patch in patches:
            # Not getattr: a property must come back as what it is.
            original = vars(patch.owner)[patch.name]
            setattr(patch.owner, patch.name, patch.put)
            stack.callback(setattr, patch.owner, patch.name, original)
        yield
