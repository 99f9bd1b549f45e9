"""What operators and tools ask a leader."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_CALLS = """\
GET_HEALTH | test_pymesos_operates_leader_and_agent_through_a_standby
GET_FLAGS | test_flags_are_the_settings_it_was_told
    | our settings, by our names
GET_VERSION | test_pymesos_operates_leader_and_agent_through_a_standby
    | + 1.11.0, the version of Mesos whose API this is
GET_METRICS | test_metrics_have_mesos_names
    | counters are of the time in which a node led; a LAUNCH counts once
GET_LOGGING_LEVEL | test_level_is_set_by_a_call
SET_LOGGING_LEVEL | test_level_goes_back_after_its_time
    | any level above 0 is debug
LIST_FILES | test_log_file_is_browsed_read_and_downloaded
    | the node's log, if it has been told which file that is
READ_FILE | test_log_file_is_browsed_read_and_downloaded
    | the node's log; 256 KiB at a time
GET_STATE | test_state_tells_of_everything
GET_AGENTS | test_read_is_the_same_in_both_encodings
    | an unreachable agent is among `recovered_agents`
GET_FRAMEWORKS | test_removed_framework_is_completed
    | of a removed one only id and time are left
GET_EXECUTORS | test_read_is_the_same_in_both_encodings
GET_OPERATIONS | test_read_is_the_same_in_both_encodings
    | those that are not acknowledged
GET_TASKS | test_tasks_are_told_by_what_became_of_them
GET_ROLES | test_role_tells_what_is_held_below_it
GET_WEIGHTS | test_weights_that_are_not_named_stay
UPDATE_WEIGHTS | test_two_changes_of_weights_at_once_are_both_made
GET_MASTER | test_leader_tells_who_it_is
SUBSCRIBE | test_first_event_is_the_whole_state
    | a follower who does not read is cut at 20,000 waiting events
RESERVE_RESOURCES | test_reservation_is_made_and_undone
UNRESERVE_RESOURCES | test_reservation_is_made_and_undone
CREATE_VOLUMES | test_volume_is_made_resized_and_deleted
DESTROY_VOLUMES | test_volume_is_made_resized_and_deleted
GROW_VOLUME | test_volume_is_made_resized_and_deleted
SHRINK_VOLUME | test_volume_is_made_resized_and_deleted
GET_MAINTENANCE_STATUS | test_maintenance_from_the_schedule_to_its_end
GET_MAINTENANCE_SCHEDULE | test_maintenance_from_the_schedule_to_its_end
UPDATE_MAINTENANCE_SCHEDULE | test_schedule_that_cannot_be_is_400
START_MAINTENANCE | test_maintenance_from_the_schedule_to_its_end
STOP_MAINTENANCE | test_maintenance_from_the_schedule_to_its_end
DRAIN_AGENT | test_agent_is_drained_and_reactivated
DEACTIVATE_AGENT | test_agent_is_deactivated_and_reactivated
REACTIVATE_AGENT | test_agent_is_drained_and_reactivated
GET_QUOTA | test_quota_is_set_shown_and_removed
UPDATE_QUOTA | test_quota_beyond_the_cluster_is_refused_unless_forced
SET_QUOTA | test_older_quota_call_sets_guarantee_and_limit
REMOVE_QUOTA | test_quota_is_set_shown_and_removed
TEARDOWN | test_teardown_of_an_unknown_framework_is_400
MARK_AGENT_GONE | test_agent_is_gone_once_and_for_all
"""

_EVENTS = """\
SUBSCRIBED | test_first_event_is_the_whole_state
TASK_ADDED | test_life_of_a_task_is_told
TASK_UPDATED | test_life_of_a_task_is_told
AGENT_ADDED | test_agent_that_is_unreachable_is_removed_and_added_again
AGENT_REMOVED | test_agent_that_is_unreachable_is_removed_and_added_again
FRAMEWORK_ADDED | test_pymesos_operates_leader_and_agent_through_a_standby
FRAMEWORK_UPDATED | test_framework_is_updated_and_removed
FRAMEWORK_REMOVED | test_framework_is_updated_and_removed
HEARTBEAT | test_heartbeat_comes_every_fifteen_seconds
"""

_PAGES = """\
/health | test_health_is_an_empty_200_also_on_a_standby
/version | test_version_has_only_digits_and_dots
/redirect | test_redirect_leads_to_the_leader
/flags | test_flags_are_the_settings
/state | test_state_has_the_shape_that_mesos_tools_read
    | a standby tells what it knows when asked with `?local=true`
/state-summary | test_summary_counts_tasks
/slaves | test_agents_are_told_in_full_or_one_by_id
/frameworks | test_frameworks_are_told_all_or_one_by_id
/tasks | test_tasks_are_in_order_limited_and_chosen
/roles | test_roles_tell_quota_and_holdings
/weights | test_weights_by_put
/quota | test_quota_by_post_and_delete
/maintenance/schedule | test_maintenance_by_post
/maintenance/status | test_maintenance_by_post
/machine/down | test_maintenance_by_post
/machine/up | test_maintenance_by_post
/teardown | test_teardown_by_form
/reserve | test_reservations_and_volumes_by_form
/unreserve | test_reservations_and_volumes_by_form
/create-volumes | test_reservations_and_volumes_by_form
/destroy-volumes | test_reservations_and_volumes_by_form
/metrics/snapshot | test_metrics_have_mesos_names
/logging/toggle | test_toggle_page_changes_the_level
/files/browse | test_log_file_is_browsed_read_and_downloaded
/files/read | test_log_file_is_browsed_read_and_downloaded
/files/download | test_log_file_is_browsed_read_and_downloaded
/files/debug | test_node_without_a_log_file_has_none
/registrar(1)/registry | | `/state` and `raftleader journal` tell what is in the log
the web interface | | no page for people yet
"""

SECTIONS = (
    Section(
        key="leader.calls",
        title="Operator API of a leader: calls",
        words="`POST /api/v1`. What is not there is answered 501.",
        enum="master.Call.Type",
        entries=entries(_CALLS),
    ),
    Section(
        key="leader.events",
        title="Operator API of a leader: events",
        enum="master.Event.Type",
        entries=entries(_EVENTS),
    ),
    Section(
        key="leader.pages",
        title="Old pages of a leader",
        words="Also with `/master` in front and, but for files, `.json` behind.",
        entries=entries(_PAGES),
    ),
)
