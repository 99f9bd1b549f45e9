"""A network namespace of its own for tests that make devices."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

from chaos.machine.capabilities import Ability, Machine, probe

CLONE_NEWNET = 0x40000000


@pytest.fixture(scope="session")
def machine() -> Machine:
    return probe()


@pytest.fixture
def own_network(machine: Machine) -> Iterator[None]:
    """This thread stands in an empty network namespace, and in its old one again
    afterwards: what the test leaves behind is gone with it."""
    needed = (Ability.ROOT, Ability.BRIDGE, Ability.NFT, Ability.TAP)
    if why := machine.missing(*needed):
        pytest.skip(f"a capability is missing: {why}")
    library = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert library.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        assert library.setns(before, CLONE_NEWNET) == 0
        os.close(before)
