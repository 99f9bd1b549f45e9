"""What a task may ask for."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_TASK = """\
name | test_accept_launches_its_tasks
task_id | test_tasks_that_cannot_be_launched_are_202_and_an_update
agent_id | test_tasks_that_cannot_be_launched_are_202_and_an_update
resources | test_accept_subtracts_task_after_task
    | are charged, and handed on in the environment; no cgroup holds a task to them
executor | test_pymesos_runs_command_tasks_and_its_own_executor_through_a_standby
command | test_task_runs_and_is_reported
container | test_task_names_what_we_cannot_honour
    | `MESOS` without image, volumes, networks of its own and `tty_info`; else
    TASK_ERROR
health_check | test_health_is_reported_and_a_task_that_fails_too_often_is_killed
    | COMMAND, HTTP and TCP, of command tasks and task groups
check | test_every_update_of_a_task_with_a_check_says_what_it_found
    | as health_check
kill_policy | test_kill_asks_then_forces_when_the_grace_is_over
    | a day at most
data | test_update_is_filled_reported_and_acknowledged
    | 1 MiB at most; a command task finds it in the file `task.data`
labels | test_call_is_the_same_after_a_round_trip
discovery | test_what_is_carried_is_canonical_whatever_its_writer_did
    | + handed on to whoever reads the state, as in Mesos
max_completion_time | test_task_that_runs_too_long_is_killed_at_once_and_has_failed
limits | | TASK_ERROR: no cgroup would hold a task to them
"""

_COMMAND = """\
uris | test_task_finds_what_its_uris_name
    | `http`, `https`, `file` and absolute paths; not `ftp`, nor what Hadoop reads;
    `cache` does nothing; archives with devices, or that lead out of the sandbox, fail
environment | test_process_runs_in_its_sandbox_with_a_clean_environment
    | secrets in it are TASK_ERROR
shell | test_process_without_a_shell_gets_its_arguments_as_they_are
value | test_process_without_a_shell_gets_its_arguments_as_they_are
arguments | test_process_without_a_shell_gets_its_arguments_as_they_are
user | test_process_of_another_user_owns_its_sandbox
    | + if the agent runs as root, as in Mesos
"""

_EXECUTOR = """\
type | test_group_is_taken_as_one_and_the_agent_runs_its_tasks
executor_id | test_an_executor_belongs_to_its_agent_and_framework
framework_id | test_an_executor_belongs_to_its_agent_and_framework
command | test_executor_runs_tasks_and_ends_when_it_is_told
container | test_task_names_what_we_cannot_honour
    | as that of a task
resources | test_an_executor_is_charged_once_and_until_it_ends
name | test_call_is_the_same_after_a_round_trip
source | test_what_is_carried_is_canonical_whatever_its_writer_did
data | test_call_is_the_same_after_a_round_trip
discovery | test_what_is_carried_is_canonical_whatever_its_writer_did
shutdown_grace_period | test_shutdown_is_told_and_forced_when_the_grace_is_over
labels | test_call_is_the_same_after_a_round_trip
"""

_RESOURCES = """\
scalars, ranges, sets | test_subtracting_what_is_not_there_is_a_bug_and_not_a_number
    | + three decimals, exactly
static and dynamic reservations, refined | test_reservation_is_read_in_each_of_its_forms
    | + in the form of `role` and `reservation`, or of `reservations`
persistent volumes | test_pymesos_keeps_data_on_a_volume_from_task_to_task
    | `RW` only; on the agent's own disk and on `PATH` and `MOUNT` disks
shared volumes | test_a_shared_volume_is_in_any_number_of_offers_and_tasks
revocable resources | test_revocable_and_refined_resources_are_for_those_who_know_them
    | as the agent's configuration names them
`provider_id` | | needs resource providers; TASK_ERROR or OPERATION_ERROR
"""

_CHARGES = (
    "A task that asks for what is not there is answered with TASK_ERROR and the name "
    "of the field, rather than run without it."
)

SECTIONS = (
    Section(
        key="tasks.task",
        title="Fields of TaskInfo",
        words=_CHARGES,
        enum="mesos.TaskInfo",
        entries=entries(_TASK),
    ),
    Section(
        key="tasks.command",
        title="Fields of CommandInfo",
        enum="mesos.CommandInfo",
        entries=entries(_COMMAND),
    ),
    Section(
        key="tasks.executor",
        title="Fields of ExecutorInfo",
        enum="mesos.ExecutorInfo",
        entries=entries(_EXECUTOR),
    ),
    Section(key="tasks.resources", title="Resources", entries=entries(_RESOURCES)),
)
