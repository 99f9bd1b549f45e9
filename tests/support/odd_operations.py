"""Offer operations made of what an offer has, most of them valid."""

from __future__ import annotations

import random
from typing import Any

from support.odd_framework import OddFramework


def draw_operations(
    framework: OddFramework, offer: Any, rng: random.Random
) -> list[dict[str, Any]]:
    """Some operations on one offer."""
    found = []
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        makers = [_launch, _launch, _launch, _group, _reserve, _reserve]
        makers += [_unreserve, _create, _create, _destroy, _grow, _shrink]
        if _reserved(offer):
            makers += [_create, _create, _destroy, _grow, _shrink]
        made = rng.choice(makers)(framework, offer, rng)
        if made is None:
            continue
        if rng.random() < 0.4 and not made["type"].startswith("LAUNCH"):
            made["id"] = {"value": f"op-{rng.randint(0, 999)}"}
        if rng.random() < 0.15:
            _spoil(made, rng)
        found.append(made)
    return found


def _task(framework: OddFramework, offer: Any, rng: random.Random) -> dict[str, Any]:
    if framework.launched and rng.random() < 0.05:
        name = rng.choice(framework.launched)
    else:
        name = f"t{len(framework.launched)}-{rng.randint(0, 99)}"
    framework.launched.append(name)
    return {
        "name": "n",
        "task_id": {"value": name},
        "agent_id": offer["agent_id"],
        "resources": _some_of(offer, rng),
    }


def _some_of(offer: Any, rng: random.Random) -> list[dict[str, Any]]:
    """A part of what is offered."""
    found = []
    for resource in offer["resources"]:
        is_needed = resource["name"] in ("cpus", "mem")
        if not is_needed and rng.random() < 0.6:
            continue
        part = {k: v for k, v in resource.items() if k != "allocation_info"}
        if "scalar" in part and "persistence" not in part.get("disk", {}):
            least = {"cpus": 0.1, "mem": 32}.get(part["name"], 1)
            value = min(rng.choice([least, least * 2]), part["scalar"]["value"])
            part["scalar"] = {"value": value}
        elif "ranges" in part:
            if not part["ranges"].get("range"):
                continue
            begin = part["ranges"]["range"][0]["begin"]
            part["ranges"] = {"range": [{"begin": begin, "end": begin}]}
        found.append(part)
    return found


def _launch(framework: OddFramework, offer: Any, rng: random.Random) -> dict[str, Any]:
    tasks = []
    for _ in range(rng.choice([1, 1, 2])):
        task = _task(framework, offer, rng)
        if rng.random() < 0.25:
            task["executor"] = _executor(rng, "CUSTOM")
        else:
            task["command"] = {"value": "true"}
        tasks.append(task)
    return {"type": "LAUNCH", "launch": {"task_infos": tasks}}


def _executor(rng: random.Random, type_: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": type_,
        "executor_id": {"value": f"{type_}-{rng.randint(0, 2)}"},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
        ],
    }
    if type_ == "CUSTOM":
        made["command"] = {"value": "true"}
    return made


def _group(framework: OddFramework, offer: Any, rng: random.Random) -> dict[str, Any]:
    tasks = [
        _task(framework, offer, rng) | {"command": {"value": "true"}}
        for _ in range(rng.randint(1, 3))
    ]
    executor = _executor(rng, "DEFAULT")
    executor["framework_id"] = {"value": framework.id}
    disk = {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}}
    executor["resources"].append(disk)
    group = {"executor": executor, "task_group": {"tasks": tasks}}
    return {"type": "LAUNCH_GROUP", "launch_group": group}


def _reserve(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    role = framework.role_of(offer)
    plain = [r for r in offer["resources"] if "scalar" in r and "disk" not in r]
    if not plain or role == "*":
        return None
    disks = [r for r in plain if r["name"] == "disk"]
    resource = dict(rng.choice(rng.choice([plain, disks or plain])))
    resource.pop("allocation_info", None)
    value = resource["scalar"]["value"]
    resource["scalar"] = {"value": rng.choice([value, round(value / 2, 3), 0.1])}
    mine = {"type": "DYNAMIC", "role": role, "principal": framework.info["principal"]}
    if any(
        c["type"] == "RESERVATION_REFINEMENT" for c in framework.info["capabilities"]
    ):
        if resource.get("reservations"):
            mine["role"] = resource["reservations"][-1]["role"] + "/sub"
        resource["reservations"] = [*resource.get("reservations", []), mine]
    else:
        resource["role"] = role
        resource["reservation"] = {"principal": mine["principal"]}
    return {"type": "RESERVE", "reserve": {"resources": [resource]}}


def _reserved(offer: Any) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in r.items() if k != "allocation_info"}
        for r in offer["resources"]
        if r.get("reservations") or r.get("reservation")
    ]


def _unreserve(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    found = _reserved(offer)
    if not found:
        return None
    resource = dict(rng.choice(found))
    if "scalar" in resource and rng.random() < 0.3:
        resource["scalar"] = {"value": round(resource["scalar"]["value"] / 2, 3)}
    return {"type": "UNRESERVE", "unreserve": {"resources": [resource]}}


def _create(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    found = [r for r in _reserved(offer) if r["name"] == "disk" and "disk" not in r]
    if not found:
        return None
    volume = dict(rng.choice(found))
    value = volume["scalar"]["value"]
    volume["scalar"] = {"value": rng.choice([value, 1, 2])}
    volume["disk"] = {
        "persistence": {
            "id": f"v{rng.randint(0, 5)}",
            "principal": framework.info["principal"],
        },
        "volume": {"container_path": "data", "mode": "RW"},
    }
    if rng.random() < 0.3:
        volume["shared"] = {}
    return {"type": "CREATE", "create": {"volumes": [volume]}}


def _volumes(offer: Any) -> list[dict[str, Any]]:
    return [r for r in _reserved(offer) if "persistence" in r.get("disk", {})]


def _destroy(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    found = _volumes(offer)
    if not found:
        return None
    return {"type": "DESTROY", "destroy": {"volumes": [rng.choice(found)]}}


def _grow(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    volumes = _volumes(offer)
    spare = [r for r in _reserved(offer) if r["name"] == "disk" and "disk" not in r]
    if not volumes or not spare:
        return None
    addition = rng.choice(spare) | {"scalar": {"value": 1}}
    body = {"volume": rng.choice(volumes), "addition": addition}
    return {"type": "GROW_VOLUME", "grow_volume": body}


def _shrink(
    framework: OddFramework, offer: Any, rng: random.Random
) -> dict[str, Any] | None:
    volumes = _volumes(offer)
    if not volumes:
        return None
    body = {"volume": rng.choice(volumes), "subtract": {"value": rng.choice([1, 0.5])}}
    return {"type": "SHRINK_VOLUME", "shrink_volume": body}


def _spoil(tree: Any, rng: random.Random) -> None:
    """Change one thing somewhere in it."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(tree[key], dict | list) and tree[key] and rng.random() < 0.8:
            tree = tree[key]
            continue
        wrong = [None, "", "x", -1, 0, 1e12, [], {}, "..", 0.0004, True]
        tree[key] = rng.choice(wrong)
        return
