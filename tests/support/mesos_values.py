"""Hypothesis strategies for the values of the Mesos v1 API."""

from __future__ import annotations

from hypothesis import strategies as st

from raftleader.protocol.agents import AgentInfo, Attribute, Domain
from raftleader.protocol.constraints import Constraint, Predicate, Pseudoattribute
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1_frameworks import CAPABILITIES
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import (
    Create,
    Destroy,
    GrowVolume,
    InverseOffer,
    Launch,
    LaunchGroup,
    Offer,
    OperationState,
    OperationStatus,
    Reserve,
    ShrinkVolume,
    Unavailability,
    Unreserve,
)
from raftleader.protocol.resource_keys import (
    DiskSource,
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
    Uri,
)

texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
octets = st.binary(max_size=20)
uuids = st.binary(min_size=16, max_size=16)
millis = st.integers(0, 10**15)
times_ms = st.integers(0, 2**42)
graces_ms = st.integers(0, 86_400_000)
refusals_ms = st.integers(0, 31_536_000_000)
framework_ids = names.map(FrameworkId)
agent_ids = names.map(AgentId)
task_ids = names.map(TaskId)
offer_ids = names.map(OfferId)
ips = st.ip_addresses(v=4).map(str)
ports = st.integers(0, 65535)
roles = st.sampled_from(["*", "prod", "a/b", "löwe"])
labels = st.lists(st.builds(Label, texts, st.none() | texts), max_size=2).map(tuple)


def several(strategy, most=2):
    return st.lists(strategy, max_size=most).map(tuple)


reservations = st.sampled_from(
    [
        (),
        (Reservation("STATIC", "prod"),),
        (Reservation("DYNAMIC", "löwe", principal="p"),),
        (
            Reservation("STATIC", "prod"),
            Reservation("DYNAMIC", "prod/web", labels=(Label("k", "v"), Label("l"))),
        ),
    ]
)
sources = st.sampled_from(
    [
        None,
        DiskSource("PATH", root="/d"),
        DiskSource("MOUNT", root="/m", id="i", vendor="v"),
        DiskSource("RAW", profile="fast", metadata=(Label("k", "v"),)),
    ]
)
plain_kinds = st.builds(
    ResourceKind,
    name=st.sampled_from(["cpus", "mem", "disk", "gpus", "ports", "x.y-z"]),
    reservations=reservations,
    is_revocable=st.booleans(),
)
volume_kinds = st.builds(
    ResourceKind,
    name=st.just("disk"),
    reservations=reservations,
    volume=st.builds(
        VolumeInfo,
        id=names,
        container_path=names,
        principal=st.none() | texts,
        mode=st.sampled_from(["RW", "RO"]),
    ),
    source=sources,
    is_shared=st.booleans(),
)
keys = (plain_kinds | volume_kinds).map(key_of_kind)
plain_keys = plain_kinds.map(key_of_kind)
ranges = st.lists(
    st.tuples(st.integers(0, 2**62), st.integers(0, 1000)).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    max_size=4,
)
resources = st.builds(
    Resources.of,
    st.dictionaries(keys, millis, max_size=3),
    st.dictionaries(plain_keys, ranges, max_size=2),
    st.dictionaries(plain_keys, st.lists(texts, max_size=3), max_size=2),
)
one_resource = st.builds(
    lambda key, amount: Resources.of({key: amount}), keys, st.integers(1, 10**15)
)
commands = st.builds(
    CommandInfo,
    value=st.none() | texts,
    shell=st.booleans(),
    arguments=several(texts),
    environment=several(st.tuples(texts, texts)),
    user=st.none() | texts,
    uris=several(
        st.builds(
            Uri,
            value=names,
            is_executable=st.booleans(),
            is_extracted=st.booleans(),
            is_cached=st.booleans(),
            output_file=st.none() | texts,
        )
    ),
)
CARRIED = (
    b'{"container":{"type":"MESOS"}}',
    b'{"container":{"linux_info":{},"type":"MESOS"},'
    b'"discovery":{"name":"\xc3\xb6","visibility":"FRAMEWORK"}}',
)
executors = st.builds(
    ExecutorInfo,
    executor_id=names,
    type=st.none() | st.sampled_from(ExecutorType),
    framework_id=st.none() | framework_ids,
    command=st.none() | commands,
    resources=resources,
    name=st.none() | texts,
    data=st.none() | octets,
    labels=labels,
    shutdown_grace_ms=st.none() | graces_ms,
    carried=st.none() | st.sampled_from([*CARRIED, b'{"source":"s"}']),
)


def tasks_with(executor):
    return st.builds(
        TaskInfo,
        name=texts,
        task_id=task_ids,
        agent_id=agent_ids,
        resources=resources,
        executor=executor,
        command=st.none() | commands,
        kill_grace_ms=st.none() | graces_ms,
        max_completion_ms=st.none() | times_ms,
        health_check=st.none() | st.just(b'{"tcp":{"port":80},"type":"TCP"}'),
        check=st.none() | st.just(b'{"delay_seconds":1.0,"type":"COMMAND"}'),
        data=st.none() | octets,
        labels=labels,
        carried=st.none() | st.sampled_from(CARRIED),
    )


tasks = tasks_with(st.none() | executors)


@st.composite
def launch_groups(draw: st.DrawFn) -> LaunchGroup:
    executor = draw(executors)
    group = draw(several(tasks_with(st.just(executor))))
    return LaunchGroup(executor=executor, tasks=group, id=draw(st.none() | names))


named = {"id": st.none() | names}
operations = st.one_of(
    st.builds(Launch, tasks=several(tasks), **named),
    launch_groups(),
    st.builds(Reserve, resources=resources, source=st.none() | one_resource, **named),
    st.builds(Unreserve, resources=resources, **named),
    st.builds(Create, volumes=resources, **named),
    st.builds(Destroy, volumes=resources, **named),
    st.builds(GrowVolume, volume=one_resource, addition=one_resource, **named),
    st.builds(ShrinkVolume, volume=one_resource, subtract_millis=millis, **named),
)
constraints = st.dictionaries(
    names,
    several(
        several(
            st.builds(
                Constraint,
                predicate=st.sampled_from([Predicate.EXISTS, Predicate.NOT_EXISTS]),
                pseudoattribute=st.sampled_from(Pseudoattribute),
            )
            | st.builds(
                Constraint,
                predicate=st.sampled_from(
                    [Predicate.TEXT_EQUALS, Predicate.TEXT_NOT_MATCHES]
                ),
                attribute=texts,
                text=texts,
            )
        )
    ),
    max_size=2,
)


@st.composite
def framework_infos(
    draw: st.DrawFn, ids: st.SearchStrategy[FrameworkId | None]
) -> FrameworkInfo:
    is_multi_role = draw(st.booleans())
    others = [name for name in CAPABILITIES if name != "MULTI_ROLE"]
    capabilities = draw(st.lists(st.sampled_from(others), unique=True))
    amounts = st.dictionaries(names, millis, max_size=2)
    return FrameworkInfo(
        user=draw(texts),
        name=draw(texts),
        id=draw(ids),
        roles=draw(several(roles)) if is_multi_role else (draw(roles),),
        failover_timeout_ms=draw(st.integers(-1000, 10**12)),
        checkpoint=draw(st.booleans()),
        hostname=draw(st.none() | texts),
        principal=draw(st.none() | texts),
        webui_url=draw(st.none() | texts),
        capabilities=(*capabilities, *(["MULTI_ROLE"] * is_multi_role)),
        labels=draw(labels),
        offer_filters=draw(st.dictionaries(names, several(amounts), max_size=2)),
    )


statuses = st.builds(
    TaskStatus,
    task_id=task_ids,
    state=st.sampled_from(TaskState),
    source=st.sampled_from(Source),
    agent_id=st.none() | agent_ids,
    reason=st.none() | st.sampled_from(Reason),
    message=st.none() | texts,
    data=st.none() | octets,
    uuid=st.none() | uuids,
    timestamp_ms=times_ms,
    executor_id=st.none() | names,
    container_id=st.none() | names,
    executor_pid=st.none() | st.integers(0, 2**31),
    labels=labels,
    unreachable_ms=st.none() | times_ms,
    healthy=st.none() | st.booleans(),
    carried=st.none()
    | st.sampled_from(
        [
            b'{"check_status":{"tcp":{"succeeded":true},"type":"TCP"}}',
            b'{"container_status":{"network_infos":'
            b'[{"ip_addresses":[{"ip_address":"10.0.0.1"}]}]},"limitation":{}}',
        ]
    ),
)
domains = st.none() | st.builds(Domain, region=texts, zone=texts)
attributes = several(
    st.builds(Attribute, name=texts, text=texts)
    | st.builds(Attribute, name=texts, scalar_millis=millis)
    | st.builds(Attribute, name=texts, items=st.tuples(texts))
    | st.builds(
        Attribute,
        name=texts,
        ranges=st.tuples(st.tuples(st.integers(0, 5), st.integers(5, 9))),
    )
)
agents = st.builds(
    AgentInfo,
    hostname=texts,
    ip=ips,
    port=ports,
    attributes=attributes,
    domain=domains,
)
unavailabilities = st.builds(
    Unavailability,
    start_ns=st.integers(-(2**62), 2**62),
    duration_ns=st.none() | st.integers(0, 2**62),
)
offers = st.builds(
    Offer,
    id=offer_ids,
    framework_id=framework_ids,
    agent_id=agent_ids,
    role=roles,
    resources=resources,
    agent=agents,
    executor_ids=several(names),
    unavailability=st.none() | unavailabilities,
)
inverse_offers = st.builds(
    InverseOffer,
    id=offer_ids,
    framework_id=framework_ids,
    agent_id=agent_ids,
    unavailability=unavailabilities,
    agent=st.builds(AgentInfo, hostname=texts, ip=ips, port=ports),
    resources=resources,
)
operation_statuses = st.builds(
    OperationStatus,
    operation_id=st.none() | names,
    state=st.sampled_from(OperationState),
    message=st.none() | texts,
    converted=st.none() | one_resource,
    uuid=st.none() | uuids,
    agent_id=st.none() | agent_ids,
)
