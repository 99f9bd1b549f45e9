"""Operations of an ACCEPT that cannot be performed: 202, and OPERATION_ERROR."""

from __future__ import annotations

from typing import Any

from support.scheduler_http import Api, Framework, Launcher, scalar


def reserved(name: str, value: float, role: str = "dev", **more: Any) -> Any:
    reservation = {"type": "DYNAMIC", "role": role, "principal": "me"}
    return scalar(name, value, reservations=[reservation], **more)


def volume(size: float, role: str = "dev", **more: Any) -> Any:
    disk = {
        "persistence": {"id": "v", "principal": "me"},
        "volume": {"container_path": "data", "mode": "RW"},
    }
    return reserved("disk", size, role, disk=disk | more)


def operation(kind: str, **body: Any) -> Any:
    return {"type": kind, kind.lower(): body}


OPERATIONS: list[tuple[str, Any, str]] = [
    (
        "unreserved",
        operation("RESERVE", resources=[scalar("cpus", 1)]),
        "Resource cpus is not dynamically reserved",
    ),
    (
        "reserved for *",
        operation("RESERVE", resources=[reserved("cpus", 1, "*")]),
        "must be set, and not '*'",
    ),
    (
        "reserved for another role",
        operation("RESERVE", resources=[reserved("cpus", 1, "other")]),
        "A reserve operation was attempted for a resource with role 'other'",
    ),
    (
        "more than offered",
        operation("RESERVE", resources=[reserved("cpus", 99)]),
        "does not contain cpus:99",
    ),
    ("nothing", operation("RESERVE", resources=[]), "Resource cannot be empty"),
    (
        "a static reservation",
        operation(
            "RESERVE",
            resources=[
                scalar("cpus", 1, reservations=[{"type": "STATIC", "role": "dev"}])
            ],
        ),
        "Resource cpus(dev) is not dynamically reserved",
    ),
    (
        "unreserve what is free",
        operation("UNRESERVE", resources=[scalar("cpus", 1)]),
        "Resource cpus is not dynamically reserved",
    ),
    (
        "unreserve what is not there",
        operation("UNRESERVE", resources=[reserved("cpus", 1)]),
        "does not contain cpus(dev)",
    ),
    (
        "a volume of nothing reserved",
        operation("CREATE", volumes=[volume(10)]),
        "does not contain disk(dev)",
    ),
    (
        "no volume",
        operation("CREATE", volumes=[reserved("disk", 10)]),
        "does not have DiskInfo",
    ),
    (
        "a read-only volume",
        operation(
            "CREATE",
            volumes=[volume(10, volume={"container_path": "data", "mode": "RO"})],
        ),
        "Read-only persistent volume not supported",
    ),
    (
        "a volume of the host",
        operation(
            "CREATE",
            volumes=[
                volume(
                    10,
                    volume={"container_path": "d", "host_path": "/d", "mode": "RW"},
                )
            ],
        ),
        "Expecting 'host_path' to be unset for persistent volume",
    ),
    (
        "a volume with a bad id",
        operation("CREATE", volumes=[volume(10, persistence={"id": "a/b"})]),
        "Invalid persistence ID for persistent volume",
    ),
    (
        "destroy what is not there",
        operation("DESTROY", volumes=[volume(10)]),
        "Persistent volumes not found",
    ),
    (
        "grow what is not there",
        operation("GROW_VOLUME", volume=volume(10), addition=reserved("disk", 1)),
        "does not contain disk(dev)",
    ),
    (
        "shrink what is not there",
        operation("SHRINK_VOLUME", volume=volume(10), subtract={"value": 1}),
        "does not contain disk(dev)",
    ),
    (
        "create a disk",
        operation("CREATE_DISK", source=scalar("disk", 1), target_type="MOUNT"),
        "CREATE_DISK is not supported",
    ),
    (
        "destroy a disk",
        operation("DESTROY_DISK", source=scalar("disk", 1)),
        "DESTROY_DISK is not supported",
    ),
]
"""Operations that are answered with OPERATION_ERROR."""


async def test_operations_that_cannot_be_performed_are_202_and_a_status(
    address: tuple[str, int],
) -> None:
    framework = Framework(Api(address))
    capabilities = [{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}]
    await framework.begin(roles=["dev"], principal="me", capabilities=capabilities)
    launcher = Launcher(framework)
    wrong = []
    for number, (row, described, words) in enumerate(OPERATIONS):
        named = {"id": {"value": f"op{number}"}, **described}
        status = await launcher.accept(named, as_protobuf=number % 2 == 1)
        is_named = status.get("operation_id") == {"value": f"op{number}"}
        if (
            status["state"] != "OPERATION_ERROR"
            or not is_named
            or not status.get("message")
            or words not in status["message"]
            or "uuid" not in status
        ):
            wrong.append(f"{row}: {status}")
    assert not wrong, "\n".join(wrong)


async def test_status_of_an_operation_without_an_agent_is_acknowledged_without(
    address: tuple[str, int],
) -> None:
    framework = Framework(Api(address))
    await framework.begin()
    described = operation("RESERVE", resources=[scalar("cpus", 1)])
    accept = {"offer_ids": [{"value": "none"}], "operations": [described]}
    described["id"] = {"value": "op"}
    assert (await framework.call("ACCEPT", accept=accept)).status == 202
    event = await framework.next("UPDATE_OPERATION_STATUS")
    status = event["update_operation_status"]["status"]
    assert status["state"] == "OPERATION_ERROR"
    assert "no longer valid" in status["message"]
    assert "agent_id" not in status
    body = {"operation_id": {"value": "op"}, "uuid": status["uuid"]["value"]}
    for number in (202, 400):  # It is gone then.
        reply = await framework.call(
            "ACKNOWLEDGE_OPERATION_STATUS", acknowledge_operation_status=body
        )
        assert reply.status == number, reply
