"""Resources that cannot be, in operations of an ACCEPT: 202, and OPERATION_ERROR.

The framework holds a reserved disk with two volumes of it, one of them shared.
"""

from __future__ import annotations

from typing import Any

from support.scheduler_http import Api, Framework, Launcher, scalar

MINE = {"type": "DYNAMIC", "role": "dev", "principal": "me"}
PERSISTENCE = {"id": "new", "principal": "me"}
MOUNTED = {"container_path": "data", "mode": "RW"}


def reserved(name: str, value: float, **more: Any) -> Any:
    return scalar(name, value, **({"reservations": [MINE]} | more))


def volume(size: float, name: str, **more: Any) -> Any:
    disk = {"persistence": PERSISTENCE | {"id": name}, "volume": MOUNTED}
    return reserved("disk", size, **({"disk": disk} | more))


def operation(kind: str, **body: Any) -> Any:
    return {"type": kind, kind.lower(): body}


HELD = [
    operation("RESERVE", resources=[reserved("disk", 100)]),
    operation("CREATE", volumes=[volume(10, "v"), volume(10, "s", shared={})]),
]
DISK = reserved("disk", 1)

ROWS: list[tuple[str, Any, str]] = [
    (
        "a reservation of what is revocable",
        operation("RESERVE", resources=[reserved("cpus", 1, revocable={})]),
        "cannot be created from revocable resources",
    ),
    (
        "shared cpus",
        operation("RESERVE", resources=[reserved("cpus", 1, shared={})]),
        "Only persistent volumes can be shared",
    ),
    (
        "a reservation of another principal",
        operation(
            "RESERVE",
            resources=[reserved("cpus", 1, reservations=[MINE | {"principal": "x"}])],
        ),
        "which does not match a reserved resource in the request with principal 'x'",
    ),
    (
        "a reservation of nobody",
        operation(
            "RESERVE",
            resources=[
                scalar("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "dev"}])
            ],
        ),
        "there is a reserved resource in the request with no principal set",
    ),
    (
        "a reservation of a volume",
        operation("RESERVE", resources=[volume(10, "v")]),
        "cannot be reserved",
    ),
    (
        "a refined reservation that refines nothing",
        operation(
            "RESERVE",
            resources=[
                reserved("cpus", 1, reservations=[MINE, MINE | {"role": "other/x"}])
            ],
        ),
        "is not a refinement of",
    ),
    (
        "a range that ends before it begins",
        operation(
            "RESERVE",
            resources=[
                {
                    "name": "ports",
                    "type": "RANGES",
                    "ranges": {"range": [{"begin": 31005, "end": 31000}]},
                    "reservations": [MINE],
                }
            ],
        ),
        "is before the begin",
    ),
    (
        "overlapping ranges",
        operation(
            "RESERVE",
            resources=[
                {
                    "name": "ports",
                    "type": "RANGES",
                    "ranges": {
                        "range": [
                            {"begin": 31000, "end": 31005},
                            {"begin": 31003, "end": 31009},
                        ]
                    },
                    "reservations": [MINE],
                }
            ],
        ),
        "has overlapping ranges",
    ),
    (
        "a set with an item twice",
        operation(
            "RESERVE",
            resources=[
                {
                    "name": "things",
                    "type": "SET",
                    "set": {"item": ["a", "a"]},
                    "reservations": [MINE],
                }
            ],
        ),
        "has duplicated elements",
    ),
    (
        "unreserve a volume",
        operation("UNRESERVE", resources=[volume(10, "v")]),
        "cannot be unreserved directly. Please destroy the persistent volume first",
    ),
    (
        "a volume without an id",
        operation("CREATE", volumes=[volume(1, "x", disk={"volume": MOUNTED})]),
        "",
    ),
    (
        "a volume that is not mounted",
        operation(
            "CREATE", volumes=[volume(1, "x", disk={"persistence": PERSISTENCE})]
        ),
        "Expecting 'volume' to be set for persistent volume",
    ),
    (
        "a volume of what is not reserved",
        operation("CREATE", volumes=[volume(1, "x", reservations=[])]),
        "Persistent volumes cannot be created from unreserved resources",
    ),
    (
        "a volume of what is revocable",
        operation("CREATE", volumes=[volume(1, "x", revocable={})]),
        "revocable resources",
    ),
    (
        "a volume of another principal",
        operation(
            "CREATE",
            volumes=[
                volume(
                    1,
                    "x",
                    disk={
                        "persistence": PERSISTENCE | {"principal": "x"},
                        "volume": MOUNTED,
                    },
                )
            ],
        ),
        "which does not match a volume in the operation with principal 'x'",
    ),
    (
        "an id twice in one CREATE",
        operation(
            "CREATE",
            volumes=[
                volume(1, "twin"),
                volume(
                    1,
                    "twin",
                    disk={
                        "persistence": PERSISTENCE | {"id": "twin"},
                        "volume": MOUNTED | {"container_path": "other"},
                    },
                ),
            ],
        ),
        "Persistence ID 'twin' is not unique",
    ),
    (
        "an id that is taken",
        operation(
            "CREATE",
            volumes=[
                volume(
                    1,
                    "v",
                    disk={
                        "persistence": PERSISTENCE | {"id": "v"},
                        "volume": MOUNTED | {"container_path": "other"},
                    },
                ),
            ],
        ),
        "Persistence ID 'v' is not unique",
    ),
    (
        "destroy a disk that is none",
        operation("DESTROY", volumes=[DISK]),
        "does not have DiskInfo",
    ),
    (
        "grow what is no volume",
        operation("GROW_VOLUME", volume=DISK, addition=DISK),
        "does not have DiskInfo",
    ),
    (
        "grow by nothing",
        operation("GROW_VOLUME", volume=volume(10, "v"), addition=reserved("disk", 0)),
        "grow_volume.addition: must not be empty",
    ),
    (
        "grow by something else",
        operation("GROW_VOLUME", volume=volume(10, "v"), addition=reserved("mem", 1)),
        "Incompatible resources in the 'GrowVolume.volume' and",
    ),
    (
        "grow by what is free",
        operation("GROW_VOLUME", volume=volume(10, "v"), addition=scalar("disk", 1)),
        "Incompatible resources in the 'GrowVolume.volume' and",
    ),
    (
        "grow what is shared",
        operation("GROW_VOLUME", volume=volume(10, "s", shared={}), addition=DISK),
        "Growing a shared persistent volume is not supported",
    ),
    (
        "shrink what is no volume",
        operation("SHRINK_VOLUME", volume=DISK, subtract={"value": 0.5}),
        "does not have DiskInfo",
    ),
    (
        "shrink by nothing",
        operation("SHRINK_VOLUME", volume=volume(10, "v"), subtract={"value": 0}),
        "Value of 'ShrinkVolume.subtract' must be greater than zero",
    ),
    (
        "shrink by less than nothing",
        operation("SHRINK_VOLUME", volume=volume(10, "v"), subtract={"value": -1}),
        "shrink_volume.subtract.value: must be from 0 to",
    ),
    (
        "shrink to nothing",
        operation("SHRINK_VOLUME", volume=volume(10, "v"), subtract={"value": 10}),
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of",
    ),
    (
        "shrink what is shared",
        operation(
            "SHRINK_VOLUME",
            volume=volume(10, "s", shared={}),
            subtract={"value": 1},
        ),
        "Shrinking a shared persistent volume is not supported",
    ),
]
"""What is wrong, the operation, words of the message."""


async def test_operations_on_resources_that_cannot_be_are_202_and_a_status(
    address: tuple[str, int],
) -> None:
    framework = Framework(Api(address))
    capabilities = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "SHARED_RESOURCES")
    await framework.begin(
        roles=["dev"],
        principal="me",
        capabilities=[{"type": each} for each in capabilities],
    )
    launcher = Launcher(framework)
    held = [{**each, "id": {"value": f"h{n}"}} for n, each in enumerate(HELD)]
    first = await launcher.accept(*held)
    second = (await framework.next("UPDATE_OPERATION_STATUS"))[
        "update_operation_status"
    ]["status"]
    assert {first["state"], second["state"]} == {"OPERATION_FINISHED"}
    wrong = []
    for number, (row, described, words) in enumerate(ROWS):
        named = {"id": {"value": f"op{number}"}, **described}
        status = await launcher.accept(named, as_protobuf=number % 2 == 1)
        if status["state"] != "OPERATION_ERROR" or words not in status["message"]:
            wrong.append(f"{row}: {status}")
    assert not wrong, "\n".join(wrong)
    shared = operation("CREATE", volumes=[volume(1, "mine", shared={})])
    other = Framework(Api(address))
    await other.begin(
        roles=["dev"],
        principal="me",
        capabilities=[{"type": each} for each in capabilities[:2]],
    )
    await framework.call("SUPPRESS")
    await framework.call("TEARDOWN")
    status = await Launcher(other).accept({"id": {"value": "o"}, **shared})
    assert status["state"] == "OPERATION_ERROR"
    assert "with no SHARED_RESOURCES capability" in status["message"]
