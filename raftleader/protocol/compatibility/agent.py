"""What operators and tools ask an agent."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_CALLS = """\
GET_HEALTH | test_health_version_flags_and_level_are_told
GET_FLAGS | test_health_version_flags_and_level_are_told
    | our settings
GET_VERSION | test_health_version_flags_and_level_are_told
GET_METRICS | test_metrics_have_the_names_of_mesos
    | those that have a meaning here
GET_LOGGING_LEVEL | test_health_version_flags_and_level_are_told
SET_LOGGING_LEVEL | test_logging_level_is_set_by_a_call
    | any level above 0 is debug
LIST_FILES | test_files_are_listed_and_read_by_virtual_and_by_absolute_path
READ_FILE | test_files_are_listed_and_read_by_virtual_and_by_absolute_path
GET_STATE | test_frameworks_executors_and_tasks_are_told_apart_by_how_far_they_are
GET_CONTAINERS | test_containers_are_shown_with_what_they_use
GET_FRAMEWORKS | test_frameworks_executors_and_tasks_are_told_apart_by_how_far_they_are
GET_EXECUTORS | test_frameworks_executors_and_tasks_are_told_apart_by_how_far_they_are
GET_OPERATIONS | test_read_of_the_agent_is_answered
    | is empty: operations are the leader's
GET_TASKS | test_frameworks_executors_and_tasks_are_told_apart_by_how_far_they_are
GET_AGENT | test_agent_tells_who_it_is
GET_RESOURCE_PROVIDERS | test_read_of_the_agent_is_answered
    | is empty: there are none
LAUNCH_NESTED_CONTAINER
    | test_nested_container_is_launched_awaited_signalled_and_removed
    | a process group beside the task's, in a sandbox of its own; no image, no `uris`,
    no isolation
WAIT_NESTED_CONTAINER | test_nested_container_is_launched_awaited_signalled_and_removed
KILL_NESTED_CONTAINER | test_nested_container_is_launched_awaited_signalled_and_removed
REMOVE_NESTED_CONTAINER
    | test_nested_container_is_launched_awaited_signalled_and_removed
LAUNCH_NESTED_CONTAINER_SESSION | test_shell_in_a_terminal_is_typed_into_and_left
ATTACH_CONTAINER_INPUT | test_shell_in_a_terminal_is_typed_into_and_left
    | of sessions; a task itself has no input
ATTACH_CONTAINER_OUTPUT | test_output_is_attached_to_by_others_in_either_encoding
    | of a session from now on; of a task from the beginning, or the last megabyte of
    each file of its sandbox
LAUNCH_CONTAINER | test_standalone_container_needs_no_parent
    | as LAUNCH_NESTED_CONTAINER
WAIT_CONTAINER | test_container_of_the_agent_is_awaited_and_signalled_through_it
KILL_CONTAINER | test_container_of_the_agent_is_awaited_and_signalled_through_it
REMOVE_CONTAINER | test_nested_container_is_launched_awaited_signalled_and_removed
ADD_RESOURCE_PROVIDER_CONFIG | | there are no resource providers (CSI)
UPDATE_RESOURCE_PROVIDER_CONFIG | | there are no resource providers (CSI)
REMOVE_RESOURCE_PROVIDER_CONFIG | | there are no resource providers (CSI)
MARK_RESOURCE_PROVIDER_GONE | | there are no resource providers (CSI)
PRUNE_IMAGES | | there are no container images
"""

_CAPABILITIES = """\
MULTI_ROLE | test_read_is_the_same_in_both_encodings
HIERARCHICAL_ROLE | test_reservations_are_for_the_roles_below_too
RESERVATION_REFINEMENT | test_reserve_refines_a_reservation_of_any_type
RESOURCE_PROVIDER | | there are no resource providers (CSI)
RESIZE_VOLUME | test_volume_is_made_resized_and_deleted
AGENT_OPERATION_FEEDBACK | test_only_operations_with_a_name_are_told
AGENT_DRAINING | test_agent_is_drained_and_reactivated
TASK_RESOURCE_LIMITS | | no cgroup would hold a task to them
"""

_PAGES = """\
/health | test_health_is_empty_and_the_version_can_be_counted
/version | test_health_is_empty_and_the_version_can_be_counted
/flags | test_page_is_found_under_its_names
/state | test_state_page_has_the_shape_of_mesos
/containers | test_containers_of_executors_are_shown_and_can_be_chosen
/monitor/statistics | test_page_is_found_under_its_names
/metrics/snapshot | test_metrics_have_the_names_of_mesos
/files/browse | test_folder_is_browsed
/files/read | test_files_are_read_in_the_shape_of_mesos
/files/download | test_download_streams_the_file_and_closes_it
/files/debug | test_page_is_found_under_its_names
the resource provider API | | there are no resource providers (CSI)
"""

SECTIONS = (
    Section(
        key="agent.calls",
        title="Operator API of an agent: calls",
        words="`POST /api/v1`, also below `/slave(1)`. What is not there: 501.",
        enum="agent.Call.Type",
        entries=entries(_CALLS),
    ),
    Section(
        key="agent.capabilities",
        title="Capabilities of agents",
        enum="mesos.AgentInfo.Capability.Type",
        entries=entries(_CAPABILITIES),
    ),
    Section(
        key="agent.pages",
        title="Old pages of an agent",
        words="Also with `/slave(1)` in front and `.json` behind.",
        entries=entries(_PAGES),
    ),
)
