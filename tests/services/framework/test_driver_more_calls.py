"""The driver against scripted leaders: operations, executors, inverse offers, and
what a framework changes of itself."""

from __future__ import annotations

import msgspec
import pytest
import trio

from raftleader.errors import ApiError
from raftleader.framework.reservations import reserved, volume, volumes
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.constraints import Constraint, Predicate
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import (
    Create,
    InverseOffer,
    Launch,
    OperationState,
    OperationStatus,
    Reserve,
    Unavailability,
)
from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.scheduler_api import (
    Accept,
    AcceptInverseOffers,
    AcknowledgeOperation,
    DeclineInverseOffers,
    Failure,
    InverseOffers,
    Message,
    OperationUpdate,
    ReconcileOperation,
    ReconcileOperations,
    RequestResources,
    RescindInverseOffer,
    SendMessage,
    ShutdownExecutor,
    UpdateFramework,
)
from raftleader.protocol.tasks import CommandInfo, TaskInfo

ONLY_HERE = {"eng": ((Constraint(predicate=Predicate.EXISTS, attribute="here"),),)}


def names(node):
    return [type(call).__name__ for call in node.calls]


async def test_operations_go_before_tasks_in_one_accept(
    autojump_clock, cluster, recorder
) -> None:
    kept = reserved(parse_resources("cpus:1;disk:64"), "eng", labels=[Label("k", "v")])
    data = volume(64, role="eng", volume_id="d", path="data", labels=[Label("k", "v")])
    task = TaskInfo(
        name="t",
        task_id="t",
        agent_id="agent-1",
        resources=kept.only(lambda key: "cpus" in key) + data,
        command=CommandInfo(value="true"),
    )
    operations = [Reserve(id="r", resources=kept), Create(volumes=data)]
    async with cluster.driver(recorder, "a") as driver:
        await cluster["a"].send(cluster.offers("o-1"))
        await trio.sleep(0.01)
        await driver.accept(["o-1"], [task], operations=operations)
    (call,) = cluster["a"].calls
    assert isinstance(call, Accept)
    assert call.operations == (*operations, Launch(tasks=(task,)))


def test_volume_is_disk_of_the_same_reservation() -> None:
    (key,) = volume(64, role="eng", volume_id="d", path="data").scalars
    (base,) = reserved(Resources.of({"disk": 64_000}), "eng").scalars
    kind = kind_of_key(key)
    assert kind.reservations == kind_of_key(base).reservations
    assert (kind.volume.id, kind.volume.container_path) == ("d", "data")
    both = parse_resources("cpus:1") + volume(1, role="r", volume_id="v", path="p")
    assert list(volumes(both).scalars.values()) == [1000]


async def test_calls_about_executors_and_operations_say_what_was_asked(
    autojump_clock, cluster, recorder
) -> None:
    operation = ReconcileOperation(operation_id="op", agent_id="agent-1")
    async with cluster.driver(recorder, "a") as driver:
        await driver.shutdown_executor("e-1", "agent-1")
        await driver.send_message("agent-1", "e-1", b"\x00")
        await driver.reconcile_operations([operation])
        await driver.request_resources()
        await driver.accept_inverse_offers(["i-1"], refuse_s=1)
        await driver.decline_inverse_offers(["i-2"], refuse_s=2)
    f = {"framework_id": "f-1"}
    assert cluster["a"].calls == [
        ShutdownExecutor(executor_id="e-1", agent_id="agent-1", **f),
        SendMessage(agent_id="agent-1", executor_id="e-1", data=b"\x00", **f),
        ReconcileOperations(operations=(operation,), **f),
        RequestResources(**f),
        AcceptInverseOffers(inverse_offer_ids=("i-1",), refuse_ms=1000, **f),
        DeclineInverseOffers(inverse_offer_ids=("i-2",), refuse_ms=2000, **f),
    ]


class Listener:
    """Notes whatever handler is called, but for the first."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def __getattr__(self, name: str):
        async def note(_driver: object, *arguments: object) -> None:
            if name != "subscribed":
                self.heard.append((name, *arguments))

        return note


async def test_every_event_comes_to_its_handler(autojump_clock, cluster) -> None:
    inverse = InverseOffer(
        id="i-1",
        framework_id="f-1",
        agent_id="agent-1",
        unavailability=Unavailability(start_ns=5, duration_ns=7),
        agent=AgentInfo(hostname="h", ip="127.0.0.1", port=5051),
        resources=Resources.of({"cpus": 1000}),
    )
    message = Message(agent_id="agent-1", executor_id="e-1", data=b"\xff")
    failure = Failure(agent_id="agent-1", executor_id="e-1", status=9)
    listener = Listener()
    async with cluster.driver(listener, "a"):
        await cluster["a"].send(
            InverseOffers(inverse_offers=(inverse,)),
            RescindInverseOffer(inverse_offer_id="i-1"),
            message,
            failure,
        )
        await trio.sleep(0.1)
    (name, offers), *rest = listener.heard
    assert name == "inverse_offers"
    assert [(o.id, o.unavailability) for o in offers] == [
        (inverse.id, inverse.unavailability)
    ]
    assert rest == [
        ("inverse_offer_rescinded", "i-1"),
        ("message", message),
        ("failure", failure),
    ]


async def test_operation_update_is_acknowledged_once_and_comes_once(
    autojump_clock, cluster
) -> None:
    status = OperationStatus(
        operation_id="op",
        state=OperationState.FINISHED,
        uuid=b"u" * 16,
        agent_id="agent-1",
    )
    answer = msgspec.structs.replace(status, uuid=None)
    listener = Listener()
    async with cluster.driver(listener, "a") as driver:
        node = cluster["a"]
        await node.send(OperationUpdate(status=status), OperationUpdate(status=status))
        await node.send(OperationUpdate(status=answer))
        await trio.sleep(0.1)
        acknowledged = AcknowledgeOperation(
            framework_id="f-1",
            operation_id="op",
            uuid=b"u" * 16,
            agent_id="agent-1",
        )
        assert node.calls == [acknowledged, acknowledged]
        assert driver.statistics().updates_repeated == 1
    states = [(s.operation_id, s.uuid) for _, s in listener.heard]
    assert states == [("op", b"u" * 16), ("op", None)]


async def test_changed_framework_is_what_the_next_subscribe_says(
    autojump_clock, cluster, recorder
) -> None:
    cluster.roles(a="leads", b="follows a", c="follows a")
    changed = FrameworkInfo(
        user="u", name="other", roles=("eng", "ops"), capabilities=("MULTI_ROLE",)
    )
    driver = cluster.driver(recorder, offer_constraints=ONLY_HERE)
    async with driver:
        assert cluster["a"].subscribes[0].offer_constraints == ONLY_HERE
        await driver.update_framework(changed, suppressed_roles=["ops"])
        assert cluster["a"].calls == [
            UpdateFramework(
                framework_id="f-1",
                framework_info=msgspec.structs.replace(changed, id="f-1"),
                suppressed_roles=("ops",),
                offer_constraints=ONLY_HERE,
            )
        ]
        cluster["a"].crash()
        cluster.roles(b="leads", c="follows b")
        await trio.sleep(1)
    (again,) = cluster["b"].subscribes
    assert again.framework_info == msgspec.structs.replace(changed, id="f-1")
    assert again.suppressed_roles == ("ops",)
    assert again.offer_constraints == ONLY_HERE


async def test_refused_change_of_the_framework_changes_nothing(
    autojump_clock, cluster, recorder
) -> None:
    cluster.roles(a="leads", b="follows a", c="follows a")
    async with cluster.driver(recorder) as driver:
        text = "Updating 'FrameworkInfo.user' is unsupported"
        cluster["a"].refuse["UpdateFramework"] = ("400 Bad Request", text)
        other = FrameworkInfo(user="someone else", name="n")
        with pytest.raises(ApiError, match="is unsupported"):
            await driver.update_framework(other)
        cluster["a"].crash()
        cluster.roles(b="leads", c="follows b")
        await trio.sleep(1)
    assert names(cluster["a"]) == ["UpdateFramework"]
    assert cluster["b"].subscribes[0].framework_info.user == "u"
