"""The executor API of the agent."""

from __future__ import annotations

from raftleader.protocol.compatibility.entries import Section, entries

_CALLS = """\
SUBSCRIBE | test_new_stream_replaces_the_old_and_hears_what_was_lost
UPDATE | test_update_is_filled_reported_and_acknowledged
    | data that is too large for the log is left out, the update is not
MESSAGE | test_messages_are_passed_on_once_or_lost
HEARTBEAT | test_call_is_answered_as_by_mesos
"""

_EVENTS = """\
SUBSCRIBED | test_new_stream_replaces_the_old_and_hears_what_was_lost
LAUNCH | test_tasks_wait_for_the_subscription_and_are_handed_over_in_order
LAUNCH_GROUP | test_group_for_a_custom_executor_is_handed_over_whole
KILL | test_kill_is_told_once_and_again_when_its_grace_is_shortened
ACKNOWLEDGED | test_update_is_filled_reported_and_acknowledged
    | + once the agent has it on its disk
MESSAGE | test_messages_are_passed_on_once_or_lost
ERROR | test_second_subscription_ends_the_first
SHUTDOWN | test_shutdown_is_told_and_forced_when_the_grace_is_over
HEARTBEAT | test_stream_and_calls_work_in_both_encodings
"""

_KINDS = """\
command executor | test_task_is_reported_in_order_when_it_runs_and_ends_well
    | is the agent itself: no process between it and the task
default executor (task groups) | test_one_failing_task_ends_its_group_and_no_other
    | is the agent itself
custom executors
    | test_pymesos_runs_command_tasks_and_its_own_executor_through_a_standby
several tasks of an executor | test_custom_executor_answers_several_tasks_in_one_process
environment variables | test_executor_gets_the_environment_that_mesos_gives
    | `MESOS_EXECUTOR_AUTHENTICATION_TOKEN` and `MESOS_DOMAIN_SOCKET` are never set
registration timeout (1 min) | test_executor_that_does_not_subscribe_in_time_is_killed
shutdown grace period (5 s) | test_shutdown_is_told_and_forced_when_the_grace_is_over
outliving the agent's process | test_executor_left_over_is_killed_at_the_next_start
    | what a crashed agent left is killed and reported when it is started again
executors that link libmesos | | they speak another protocol; only HTTP is spoken here
"""

SECTIONS = (
    Section(
        key="executor.calls",
        title="Executor API: calls",
        words="`POST /api/v1/executor` of the agent, also below `/slave(1)`.",
        enum="executor.Call.Type",
        entries=entries(_CALLS),
    ),
    Section(
        key="executor.events",
        title="Executor API: events",
        enum="executor.Event.Type",
        entries=entries(_EVENTS),
    ),
    Section(key="executor.kinds", title="Executors", entries=entries(_KINDS)),
)
