"""Hypothesis strategies for the messages of the Mesos v1 API."""

from __future__ import annotations

from hypothesis import strategies as st
from support.mesos_values import (
    agent_ids,
    attributes,
    constraints,
    domains,
    executors,
    framework_ids,
    framework_infos,
    graces_ms,
    inverse_offers,
    ips,
    names,
    octets,
    offer_ids,
    offers,
    operation_statuses,
    operations,
    ports,
    refusals_ms,
    resources,
    roles,
    several,
    statuses,
    task_ids,
    tasks,
    texts,
    uuids,
)

from raftleader.protocol import executor_api, scheduler_api
from raftleader.protocol.agents import AgentInfo


@st.composite
def subscriptions(draw: st.DrawFn) -> scheduler_api.Subscribe:
    info = draw(framework_infos(st.none() | framework_ids))
    return scheduler_api.Subscribe(
        framework_id=info.id,
        framework_info=info,
        suppressed_roles=draw(several(roles)),
        offer_constraints=draw(constraints),
    )


@st.composite
def framework_updates(draw: st.DrawFn) -> scheduler_api.UpdateFramework:
    info = draw(framework_infos(framework_ids))
    assert info.id is not None
    return scheduler_api.UpdateFramework(
        framework_id=info.id,
        framework_info=info,
        suppressed_roles=draw(several(roles)),
        offer_constraints=draw(constraints),
    )


whose = {"framework_id": framework_ids}
offer_answers = {"offer_ids": several(offer_ids), "refuse_ms": refusals_ms} | whose
inverse_answers = {
    "inverse_offer_ids": several(offer_ids),
    "refuse_ms": refusals_ms,
} | whose
operation_names = {
    "operation_id": names,
    "resource_provider_id": st.none() | names,
}
calls: st.SearchStrategy[scheduler_api.Call] = st.one_of(
    subscriptions(),
    framework_updates(),
    st.builds(scheduler_api.Teardown, **whose),
    st.builds(scheduler_api.Accept, operations=several(operations), **offer_answers),
    st.builds(scheduler_api.Decline, **offer_answers),
    st.builds(scheduler_api.AcceptInverseOffers, **inverse_answers),
    st.builds(scheduler_api.DeclineInverseOffers, **inverse_answers),
    st.builds(scheduler_api.Revive, roles=several(roles), **whose),
    st.builds(scheduler_api.Suppress, roles=several(roles), **whose),
    st.builds(
        scheduler_api.Kill,
        task_id=task_ids,
        agent_id=st.none() | agent_ids,
        grace_ms=st.none() | graces_ms,
        **whose,
    ),
    st.builds(
        scheduler_api.ShutdownExecutor, executor_id=names, agent_id=agent_ids, **whose
    ),
    st.builds(
        scheduler_api.Acknowledge,
        agent_id=agent_ids,
        task_id=task_ids,
        uuid=uuids,
        **whose,
    ),
    st.builds(
        scheduler_api.AcknowledgeOperation,
        uuid=uuids,
        agent_id=agent_ids,
        **operation_names,
        **whose,
    ),
    st.builds(
        scheduler_api.Reconcile,
        tasks=several(
            st.builds(
                scheduler_api.ReconcileTask,
                task_id=task_ids,
                agent_id=st.none() | agent_ids,
            )
        ),
        **whose,
    ),
    st.builds(
        scheduler_api.ReconcileOperations,
        operations=several(
            st.builds(
                scheduler_api.ReconcileOperation,
                agent_id=st.none() | agent_ids,
                **operation_names,
            )
        ),
        **whose,
    ),
    st.builds(
        scheduler_api.SendMessage,
        agent_id=agent_ids,
        executor_id=names,
        data=octets,
        **whose,
    ),
    st.builds(scheduler_api.RequestResources, **whose),
    st.builds(
        scheduler_api.UnknownCall,
        type=st.just("UNKNOWN"),
        framework_id=st.none() | framework_ids,
    ),
)
leaders = st.builds(
    scheduler_api.LeaderInfo,
    id=texts,
    hostname=texts,
    ip=ips,
    port=ports,
    version=texts,
    domain=domains,
)
events: st.SearchStrategy[scheduler_api.Event] = st.one_of(
    st.builds(
        scheduler_api.Subscribed,
        framework_id=framework_ids,
        heartbeat_interval_s=st.floats(0.001, 1e6),
        leader=st.none() | leaders,
    ),
    st.builds(scheduler_api.Offers, offers=several(offers)),
    st.builds(scheduler_api.InverseOffers, inverse_offers=several(inverse_offers)),
    st.builds(scheduler_api.Rescind, offer_id=offer_ids),
    st.builds(scheduler_api.RescindInverseOffer, inverse_offer_id=offer_ids),
    st.builds(scheduler_api.Update, status=statuses),
    st.builds(scheduler_api.OperationUpdate, status=operation_statuses),
    st.builds(
        scheduler_api.Message, agent_id=agent_ids, executor_id=names, data=octets
    ),
    st.builds(
        scheduler_api.Failure,
        agent_id=st.none() | agent_ids,
        executor_id=st.none() | names,
        status=st.none() | st.integers(-(2**31), 2**31 - 1),
    ),
    st.builds(scheduler_api.Error, message=texts),
    st.just(scheduler_api.Heartbeat()),
)
executor_of = {"executor_id": names, "framework_id": framework_ids}
executor_calls: st.SearchStrategy[executor_api.Call] = st.one_of(
    st.builds(
        executor_api.Subscribe,
        unacknowledged_tasks=several(tasks),
        unacknowledged_updates=several(statuses),
        **executor_of,
    ),
    st.builds(executor_api.Update, status=statuses, **executor_of),
    st.builds(executor_api.SendMessage, data=octets, **executor_of),
    st.builds(executor_api.Beat, **executor_of),
)
executor_events: st.SearchStrategy[executor_api.Event] = st.one_of(
    st.builds(
        executor_api.Subscribed,
        executor_info=executors,
        framework_info=framework_infos(framework_ids),
        agent_id=agent_ids,
        agent_info=st.builds(
            AgentInfo,
            hostname=texts,
            ip=st.just(""),
            port=ports,
            resources=resources,
            attributes=attributes,
            domain=domains,
        ),
        container_id=st.none() | names,
    ),
    st.builds(executor_api.LaunchTask, task=tasks),
    st.builds(executor_api.LaunchTaskGroup, tasks=several(tasks)),
    st.builds(executor_api.KillTask, task_id=task_ids, grace_ms=st.none() | graces_ms),
    st.builds(executor_api.Acknowledged, task_id=task_ids, uuid=uuids),
    st.builds(executor_api.Message, data=octets),
    st.builds(executor_api.Error, message=texts),
    st.sampled_from([executor_api.Shutdown(), executor_api.Heartbeat()]),
)
