from __future__ import annotations

import pytest

from transports.addresses import format_host_port, parse_host_port, split_address
from transports.errors import BadAddressError


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("tcp://127.0.0.1:7070", "127.0.0.1", 7070),
        ("tcp://leader-1.example:0", "leader-1.example", 0),
        ("tcp://[::1]:65535", "::1", 65535),
        ("tcp://[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_host_port_survives_a_round_trip(address: str, host: str, port: int) -> None:
    assert parse_host_port(address, scheme="tcp") == (host, port)
    assert format_host_port(host, port, scheme="tcp") == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://",
        "tcp://host",
        "tcp://host:",
        "tcp://:1",
        "tcp://host:65536",
        "tcp://host:-1",
        "tcp://host:1/path",
        "tcp://::1:1",
        "tcp://[::1]",
        "tcp://user@host:1",
        "tcp://ho st:1",
        "tls://host:1",
        "host:1",
    ],
)
def test_bad_address_is_refused_and_named(address: str) -> None:
    with pytest.raises(BadAddressError, match=r"want|no port") as caught:
        parse_host_port(address, scheme="tcp")
    assert repr(address) in str(caught.value)


def test_scheme_is_in_lower_case() -> None:
    assert split_address("TCP://Host:1") == ("tcp", "Host:1")
