"""Resources as operations of an ACCEPT want them: reserved, and volumes of disk.

keep = reserved(parse_resources("cpus:1;disk:512"), "db")
data = volume(512, role="db", volume_id="data", path="data")
operations = [Reserve(resources=keep), Create(volumes=data)]
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from raftleader.protocol.labels import Label
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
    kind_of_key,
)
from raftleader.protocol.resources import Resources


def reserved(
    resources: Resources,
    role: str,
    *,
    principal: str | None = None,
    labels: Iterable[Label] = (),
) -> Resources:
    """``resources``, each with a dynamic reservation for ``role`` on top."""
    top = Reservation("DYNAMIC", role, principal, tuple(labels))

    def convert(kind: ResourceKind) -> ResourceKind:
        return msgspec.structs.replace(kind, reservations=(*kind.reservations, top))

    return resources.converted(convert)


def volume(
    megabytes: float,
    *,
    role: str,
    volume_id: str,
    path: str,
    principal: str | None = None,
    labels: Iterable[Label] = (),
    is_shared: bool = False,
) -> Resources:
    """A persistent volume of disk that is reserved dynamically for ``role``.

    Its tasks see it at ``path`` in their sandbox. The reservation must be the one of
    the disk it is made of; ``principal`` is also who makes it.
    """
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", role, principal, tuple(labels)),),
        volume=VolumeInfo(id=volume_id, container_path=path, principal=principal),
        is_shared=is_shared,
    )
    return Resources.of({key_of_kind(kind): round(megabytes * 1000)})


def volumes(resources: Resources) -> Resources:
    """The persistent volumes among ``resources``, as of an offer."""
    return resources.only(_is_volume)


def _is_volume(key: str) -> bool:
    return "|" in key and kind_of_key(key).volume is not None
