"""``/roles``: who shares the cluster, and how."""

from __future__ import annotations

from typing import Any

from raftleader.api.operator.roles import RoleRow, Roles
from raftleader.api.rendering import Pieces, Rows, json_pieces
from raftleader.api.v0.resources import quantities
from raftleader.state.cluster import ClusterState

JsonRow = dict[str, Any]


def roles_pieces(state: ClusterState) -> Pieces:
    """``/roles``."""
    roles = Roles()
    yield from roles.fill(state)
    yield from json_pieces({"roles": Rows(roles.rows, _role)})


def _role(row: RoleRow) -> JsonRow:
    held = dict(row.allocated)
    for name, millis in row.offered.items():
        held[name] = held.get(name, 0) + millis
    return {
        "name": row.name,
        "weight": row.weight_millis / 1000,
        "quota": {
            "role": row.name,
            "guarantee": quantities(row.quota.guarantees),
            "limit": quantities(row.quota.limits),
            "consumed": quantities(row.consumed),
        },
        "resources": quantities(held),
        "allocated": quantities(row.allocated),
        "offered": quantities(row.offered),
        "reserved": quantities(row.reserved),
        "frameworks": row.frameworks,
    }
