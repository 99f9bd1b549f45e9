"""Tasks, executors, commands, checks, and what is known of tasks."""

from __future__ import annotations

PACKAGE = "mesos"
TABLE = """\
CheckInfo: type Type 1, command Command 2, http Http 3, tcp Tcp 7,
    delay_seconds double 4=15.0, interval_seconds double 5=10.0,
    timeout_seconds double 6=20.0
enum CheckInfo.Type: UNKNOWN 0, COMMAND 1, HTTP 2, TCP 3
CheckInfo.Command: command! CommandInfo 1
CheckInfo.Http: port! uint32 1, path string 2
CheckInfo.Tcp: port! uint32 1
HealthCheck: delay_seconds double 2=15.0, interval_seconds double 3=10.0,
    timeout_seconds double 4=20.0, consecutive_failures uint32 5=3,
    grace_period_seconds double 6=10.0, type Type 8, command CommandInfo 7,
    http HTTPCheckInfo 1, tcp TCPCheckInfo 9
enum HealthCheck.Type: UNKNOWN 0, COMMAND 1, HTTP 2, TCP 3
HealthCheck.HTTPCheckInfo: protocol NetworkInfo.Protocol 5=IPv4, scheme string 3,
    port! uint32 1, path string 2, statuses* uint32 4
HealthCheck.TCPCheckInfo: protocol NetworkInfo.Protocol 2=IPv4, port! uint32 1
KillPolicy: grace_period DurationInfo 1
CommandInfo: uris* URI 1, environment Environment 2, shell bool 6=true,
    value string 3, arguments* string 7, user string 5
CommandInfo.URI: value! string 1, executable bool 2, extract bool 3=true,
    cache bool 4, output_file string 5
ExecutorInfo: type Type 15, executor_id! ExecutorID 1, framework_id FrameworkID 8,
    command CommandInfo 7, container ContainerInfo 11, resources* Resource 5,
    name string 9, source string 10, data bytes 4, discovery DiscoveryInfo 12,
    shutdown_grace_period DurationInfo 13, labels Labels 14
enum ExecutorInfo.Type: UNKNOWN 0, DEFAULT 1, CUSTOM 2
TaskInfo: name! string 1, task_id! TaskID 2, agent_id! AgentID 3,
    resources* Resource 4, executor ExecutorInfo 5, command CommandInfo 7,
    container ContainerInfo 9, health_check HealthCheck 8, check CheckInfo 13,
    kill_policy KillPolicy 12, data bytes 6, labels Labels 10,
    discovery DiscoveryInfo 11, max_completion_time DurationInfo 14,
    limits {Value.Scalar} 15
TaskGroupInfo: tasks* TaskInfo 1
Task: name! string 1, task_id! TaskID 2, framework_id! FrameworkID 3,
    executor_id ExecutorID 4, agent_id! AgentID 5, state! TaskState 6,
    resources* Resource 7, statuses* TaskStatus 8, status_update_state TaskState 9,
    status_update_uuid bytes 10, labels Labels 11, discovery DiscoveryInfo 12,
    container ContainerInfo 13, health_check HealthCheck 15,
    kill_policy KillPolicy 16, user string 14, limits {Value.Scalar} 17
enum TaskState: TASK_STAGING 6, TASK_STARTING 0, TASK_RUNNING 1, TASK_KILLING 8,
    TASK_FINISHED 2, TASK_FAILED 3, TASK_KILLED 4, TASK_ERROR 7, TASK_LOST 5,
    TASK_DROPPED 9, TASK_UNREACHABLE 10, TASK_GONE 11, TASK_GONE_BY_OPERATOR 12,
    TASK_UNKNOWN 13
TaskResourceLimitation: resources* Resource 1
CheckStatusInfo: type CheckInfo.Type 1, command Command 2, http Http 3, tcp Tcp 4
CheckStatusInfo.Command: exit_code int32 1
CheckStatusInfo.Http: status_code uint32 1
CheckStatusInfo.Tcp: succeeded bool 1
TaskStatus: task_id! TaskID 1, state! TaskState 2, message string 4, source Source 9,
    reason Reason 10, data bytes 3, agent_id AgentID 5, executor_id ExecutorID 7,
    timestamp double 6, uuid bytes 11, healthy bool 8,
    check_status CheckStatusInfo 15, labels Labels 12,
    container_status ContainerStatus 13, unreachable_time TimeInfo 14,
    limitation TaskResourceLimitation 16
enum TaskStatus.Source: SOURCE_MASTER 0, SOURCE_AGENT 1, SOURCE_EXECUTOR 2
enum TaskStatus.Reason: REASON_COMMAND_EXECUTOR_FAILED 0,
    REASON_CONTAINER_LAUNCH_FAILED 21, REASON_CONTAINER_LIMITATION 19,
    REASON_CONTAINER_LIMITATION_DISK 20, REASON_CONTAINER_LIMITATION_MEMORY 8,
    REASON_CONTAINER_PREEMPTED 17, REASON_CONTAINER_UPDATE_FAILED 22,
    REASON_MAX_COMPLETION_TIME_REACHED 33, REASON_EXECUTOR_REGISTRATION_TIMEOUT 23,
    REASON_EXECUTOR_REREGISTRATION_TIMEOUT 24, REASON_EXECUTOR_TERMINATED 1,
    REASON_EXECUTOR_UNREGISTERED 2, REASON_FRAMEWORK_REMOVED 3, REASON_GC_ERROR 4,
    REASON_INVALID_FRAMEWORKID 5, REASON_INVALID_OFFERS 6,
    REASON_IO_SWITCHBOARD_EXITED 27, REASON_MASTER_DISCONNECTED 7,
    REASON_RECONCILIATION 9, REASON_RESOURCES_UNKNOWN 18,
    REASON_AGENT_DISCONNECTED 10, REASON_AGENT_DRAINING 34, REASON_AGENT_REMOVED 11,
    REASON_AGENT_REMOVED_BY_OPERATOR 31, REASON_AGENT_REREGISTERED 32,
    REASON_AGENT_RESTARTED 12, REASON_AGENT_UNKNOWN 13,
    REASON_TASK_KILLED_DURING_LAUNCH 30, REASON_TASK_CHECK_STATUS_UPDATED 28,
    REASON_TASK_HEALTH_CHECK_STATUS_UPDATED 29, REASON_TASK_GROUP_INVALID 25,
    REASON_TASK_GROUP_UNAUTHORIZED 26, REASON_TASK_INVALID 14,
    REASON_TASK_UNAUTHORIZED 15, REASON_TASK_UNKNOWN 16
Environment: variables* Variable 1
Environment.Variable: name! string 1, type Type 3=VALUE, value string 2,
    secret Secret 4
enum Environment.Variable.Type: UNKNOWN 0, VALUE 1, SECRET 2
Secret: type Type 1, reference Reference 2, value Value 3
enum Secret.Type: UNKNOWN 0, REFERENCE 1, VALUE 2
Secret.Reference: name! string 1, key string 2
Secret.Value: data! bytes 1
"""
