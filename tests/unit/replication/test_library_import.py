"""Importing the backend leaves the process as it was."""

from __future__ import annotations

import socket

import raftleader.replication.pysyncobj_backend


def test_addresses_can_be_printed_after_the_library_is_imported() -> None:
    assert raftleader.replication.pysyncobj_backend.PySyncObjLog
    assert socket.inet_ntop(socket.AF_INET, b"\x7f\x00\x00\x01") == "127.0.0.1"
    assert socket.inet_ntop(socket.AF_INET6, bytes(15) + b"\x01") == "::1"
