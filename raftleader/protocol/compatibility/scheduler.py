"""The scheduler API: calls, events, operations, capabilities."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_CALLS = """\
SUBSCRIBE | test_subscribe_opens_a_stream_of_one_record_for_each_chunk
TEARDOWN | test_teardown_ends_the_stream_and_kills_the_tasks
ACCEPT | test_operations_are_performed_in_order_on_what_is_left
    | a repeated one has the outcome of the first; in Mesos its tasks are lost
DECLINE | test_declined_resources_come_again_when_the_filter_has_ended
ACCEPT_INVERSE_OFFERS
    | test_answer_is_remembered_and_the_question_repeated_after_its_time
DECLINE_INVERSE_OFFERS
    | test_answer_is_remembered_and_the_question_repeated_after_its_time
REVIVE | test_revive_brings_declined_resources_at_once
KILL | test_a_kill_is_sent_until_the_task_has_ended
    | is repeated until the task has ended, also by the next leader
SHUTDOWN | test_a_shutdown_is_sent_until_the_executor_has_ended
    | is repeated until the executor has ended, also by the next leader
ACKNOWLEDGE | test_a_task_goes_from_accept_to_acknowledged_end
ACKNOWLEDGE_OPERATION_STATUS | test_acknowledgement_with_another_uuid_is_ignored
RECONCILE | test_reconciliation_of_an_unknown_task_says_what_its_agent_allows
    | is answered for every task at once, also after a failover: there is no silence
RECONCILE_OPERATIONS | test_reconciliation_of_operations
MESSAGE | test_messages_go_both_ways_while_both_sides_are_there
REQUEST | test_call_becomes_its_command_and_is_answered_202_without_a_body
    | + a hint nobody reads, as in Mesos
SUPPRESS | test_suppress_and_revive_work_role_by_role
    | survives the leader
UPDATE_FRAMEWORK | test_what_may_not_change_of_a_framework_does_not
"""

_EVENTS = """\
SUBSCRIBED | test_subscribed_names_no_capability_that_older_schemas_lack
    | `master_info` does not say QUOTA_V2: mesos-go cannot read that in JSON
OFFERS | test_a_new_leader_sends_the_same_offers_again
    | outstanding offers survive leader and scheduler: they are sent again under their
    ids, or rescinded
INVERSE_OFFERS | test_framework_is_asked_to_leave_as_long_as_it_is_there
RESCIND | test_remembered_rescinds_are_told_on_a_new_stream
    | comes again on a new stream
RESCIND_INVERSE_OFFER
    | test_question_changes_with_the_schedule_and_goes_with_the_framework
UPDATE | test_an_update_is_sent_again_after_10_then_20_seconds
    | updates by the leader have a uuid, too, and come until acknowledged
UPDATE_OPERATION_STATUS | test_only_operations_with_a_name_are_told
    | is the leader's: FINISHED or ERROR at once, without asking the agent
MESSAGE | test_messages_go_both_ways_while_both_sides_are_there
FAILURE | test_the_end_of_an_executor_is_committed_and_told_once
ERROR | test_subscriptions_that_are_refused_are_one_error_and_the_end
HEARTBEAT | test_heartbeats_come_every_15_seconds
"""

_OPERATIONS = """\
LAUNCH | test_accept_launches_tasks_and_returns_what_is_left
LAUNCH_GROUP | test_a_group_is_launched_as_a_whole_or_not_at_all
RESERVE | test_a_framework_reserves_for_the_role_of_its_offers_and_names_itself
UNRESERVE | test_unreserve_takes_the_innermost_reservation_off
CREATE | test_a_volume_is_offered_and_used_as_a_whole
DESTROY | test_a_volume_is_made_grown_shrunk_and_destroyed
GROW_VOLUME | test_a_volume_grows_and_shrinks_unless_it_is_used
SHRINK_VOLUME | test_a_volume_grows_and_shrinks_unless_it_is_used
CREATE_DISK | | needs resource providers (CSI); OPERATION_ERROR
DESTROY_DISK | | needs resource providers (CSI); OPERATION_ERROR
"""

_CAPABILITIES = """\
REVOCABLE_RESOURCES | test_revocable_and_refined_resources_are_for_those_who_know_them
    | agents may announce revocable resources, but none are found by estimating
TASK_KILLING_STATE | test_task_state_is_told_in_words_the_framework_knows
GPU_RESOURCES | test_machines_with_gpus_are_kept_for_those_who_handle_them
    | are counted and offered; nothing keeps a task to its own
SHARED_RESOURCES | test_shared_volume_is_offered_again_and_again_to_those_who_share
PARTITION_AWARE | test_only_partition_aware_frameworks_hear_what_lost_may_mean
MULTI_ROLE | test_roles_follow_the_capability_multi_role
RESERVATION_REFINEMENT | test_offer_to_a_new_framework_names_allocation_and_reservations
REGION_AWARE | test_other_regions_are_for_region_aware_frameworks
"""

_FRAMEWORK = """\
user | test_what_may_not_change_of_a_framework_does_not
name | test_changed_framework_is_what_the_next_subscribe_says
id | test_subscribe_takes_over_an_id_that_was_never_seen
failover_timeout | test_a_downtime_does_not_shorten_a_deadline
    | runs on over failovers of the leader; in Mesos it begins anew
checkpoint | test_executor_gets_the_environment_that_mesos_gives
    | executors do not outlive their agent's process
role | test_roles_follow_the_capability_multi_role
roles | test_roles_follow_the_capability_multi_role
hostname | test_call_is_the_same_after_a_round_trip
principal | test_what_may_not_change_of_a_framework_does_not
    | is remembered, and nobody proves it
webui_url | test_call_is_the_same_after_a_round_trip
capabilities | test_unknown_capabilities_are_ignored
labels | test_call_is_the_same_after_a_round_trip
offer_filters | test_smallest_offer_is_what_the_framework_says
"""

_CONSTRAINTS = """\
EXISTS, NOT_EXISTS | test_constraint_holds_as_in_mesos
TEXT_EQUALS, TEXT_NOT_EQUALS | test_constraint_holds_as_in_mesos
TEXT_MATCHES, TEXT_NOT_MATCHES | test_regex_matches_whole_texts_as_re2_does
    | + in linear time; RE2's patterns but for Unicode classes
HOSTNAME, REGION, ZONE | test_region_is_absent_when_the_agent_has_no_domain
"""

SECTIONS = (
    Section(
        key="scheduler.calls",
        title="Scheduler API: calls",
        words=(
            "`POST /api/v1/scheduler`. A call that is answered 202 is in the log of a "
            "majority of leaders; Mesos' are in the memory of one."
        ),
        enum="scheduler.Call.Type",
        entries=entries(_CALLS),
    ),
    Section(
        key="scheduler.events",
        title="Scheduler API: events",
        enum="scheduler.Event.Type",
        entries=entries(_EVENTS),
    ),
    Section(
        key="scheduler.operations",
        title="Operations of an ACCEPT",
        enum="mesos.Offer.Operation.Type",
        entries=entries(_OPERATIONS),
    ),
    Section(
        key="scheduler.capabilities",
        title="Capabilities of frameworks",
        enum="mesos.FrameworkInfo.Capability.Type",
        entries=entries(_CAPABILITIES),
    ),
    Section(
        key="scheduler.framework",
        title="Fields of FrameworkInfo",
        enum="mesos.FrameworkInfo",
        entries=entries(_FRAMEWORK),
    ),
    Section(
        key="scheduler.constraints",
        title="Offer constraints",
        entries=entries(_CONSTRAINTS),
    ),
)
