"""Which transport serves a scheme.

Looked up in this order: what code registered, what is built in, what installed
packages offer as entry points of the group ``raftleader.transports`` (name = the
scheme, value = a factory without arguments). A package cannot take the place of a
built-in one; code can. ``mem`` is not here by itself: a memory transport belongs to
one network, so whoever made that registers it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from transports.addresses import parse_host_port, split_address
from transports.errors import BadAddressError
from transports.interface import Transport
from transports.tcp import TcpTransport

ENTRY_POINT_GROUP = "raftleader.transports"

TransportFactory = Callable[[], Transport]

_BUILT_IN: dict[str, TransportFactory] = {"tcp": TcpTransport}
_registered: dict[str, TransportFactory] = {}


def register(scheme: str, factory: TransportFactory) -> None:
    """Serve ``scheme`` with what ``factory`` makes, in this process.

    Replaces an earlier one. Raises BadAddressError if no address can begin so.
    """
    if split_address(f"{scheme}://")[0] != scheme:
        raise BadAddressError(f"{scheme!r}: a scheme is in lower case")
    _registered[scheme] = factory


def unregister(scheme: str) -> None:
    """The end of :func:`register`; does nothing if there was none."""
    _registered.pop(scheme, None)


def known_schemes() -> list[str]:
    """Every scheme :func:`transport_for` would try, in order of name."""
    return sorted({*_registered, *_BUILT_IN, *_plugins()})


def transport_for(address_or_scheme: str) -> Transport:
    """A new transport for ``tcp://host:port``, or just ``tcp``.

    Keep it: a process needs one of each scheme. Raises BadAddressError if the
    scheme is unknown (and lists the known), or if its plugin cannot be loaded
    (and says which package's and why).
    """
    scheme = address_or_scheme.lower()
    if ":" in scheme:
        scheme, _ = split_address(address_or_scheme)
    factory = _registered.get(scheme) or _BUILT_IN.get(scheme)
    if factory is not None:
        return factory()
    found = _plugins().get(scheme)
    if not found:
        raise BadAddressError(
            f"{address_or_scheme!r}: no transport for {scheme!r}; "
            f"known: {', '.join(known_schemes())}"
        )
    if len(found) > 1:
        offers = " and ".join(_origin(plugin) for plugin in found)
        raise BadAddressError(f"two transports for {scheme!r}: {offers}; remove one")
    return _load(found[0])


def check_address(address: str) -> None:
    """Raises BadAddressError unless :func:`transport_for` serves ``address``.

    Only of built-in schemes is known what must follow; a plugin finds out itself,
    when it is asked to dial.
    """
    transport_for(address)
    scheme, _ = split_address(address)
    if scheme == "tcp" and scheme not in _registered:
        parse_host_port(address, scheme=scheme)


def _plugins() -> dict[str, list[EntryPoint]]:
    """The entry points of each scheme; several only if they differ."""
    found: dict[str, list[EntryPoint]] = {}
    for plugin in entry_points(group=ENTRY_POINT_GROUP):
        others = found.setdefault(plugin.name, [])
        if plugin.value not in (other.value for other in others):
            others.append(plugin)
    return found


def _load(plugin: EntryPoint) -> Transport:
    # Whatever a stranger's import raises is the reason we must pass on.
    try:
        transport: Transport = plugin.load()()
    except Exception as error:
        raise BadAddressError(
            f"the transport for {plugin.name!r}, {_origin(plugin)}, does not load: "
            f"{type(error).__name__}: {error}"
        ) from error
    return transport


def _origin(plugin: EntryPoint) -> str:
    package = plugin.dist.name if plugin.dist is not None else "an unknown package"
    return f"{plugin.value} of {package}"
