"""Resources as Mesos' ``/state`` has them: one object, four scalars always in it."""

from __future__ import annotations

from typing import Any

from raftleader.protocol.json_v1_resources import number_of_millis
from raftleader.protocol.resources import Range, Resources, split_key

_ALWAYS = ("cpus", "disk", "gpus", "mem")


def state_resources(resources: Resources) -> dict[str, Any]:
    """Everything, whoever it is reserved for, by name."""
    scalars = dict.fromkeys(_ALWAYS, 0)
    for key, millis in resources.scalars.items():
        name = split_key(key)[0]
        scalars[name] = scalars.get(name, 0) + millis
    ranges: dict[str, list[Range]] = {}
    for key, spans in resources.ranges.items():
        ranges.setdefault(split_key(key)[0], []).extend(spans)
    sets: dict[str, list[str]] = {}
    for key, items in resources.sets.items():
        sets.setdefault(split_key(key)[0], []).extend(items)
    fields: dict[str, Any] = {
        name: number_of_millis(millis) for name, millis in scalars.items()
    }
    for name, joined in ranges.items():
        texts = (f"{begin}-{end}" for begin, end in sorted(joined))
        fields[name] = f"[{', '.join(texts)}]"
    for name, members in sets.items():
        fields[name] = f"{{{', '.join(sorted(members))}}}"
    return fields


def resource_fields(total: Resources) -> dict[str, Any]:
    """An agent's total, apart by reservation."""
    roles = sorted(
        {
            split_key(key)[1]
            for table in (total.scalars, total.ranges, total.sets)
            for key in table
        }
        - {"*"}
    )
    return {
        "reserved_resources": {
            role: state_resources(_of_role(total, role)) for role in roles
        },
        "unreserved_resources": state_resources(_of_role(total, "*")),
    }


def _of_role(total: Resources, role: str) -> Resources:
    return Resources(
        scalars={k: v for k, v in total.scalars.items() if split_key(k)[1] == role},
        ranges={k: v for k, v in total.ranges.items() if split_key(k)[1] == role},
        sets={k: v for k, v in total.sets.items() if split_key(k)[1] == role},
    )
