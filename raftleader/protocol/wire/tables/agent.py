"""The operator API of the agent: calls, responses, streams of containers."""

from __future__ import annotations

PACKAGE = "agent"
TABLE = """\
Call: type Type 1, get_metrics GetMetrics 2, set_logging_level SetLoggingLevel 3,
    list_files ListFiles 4, read_file ReadFile 5, get_containers GetContainers 20,
    launch_nested_container LaunchNestedContainer 6,
    wait_nested_container WaitNestedContainer 7,
    kill_nested_container KillNestedContainer 8,
    remove_nested_container RemoveNestedContainer 12,
    launch_nested_container_session LaunchNestedContainerSession 9,
    attach_container_input AttachContainerInput 10,
    attach_container_output AttachContainerOutput 11,
    launch_container LaunchContainer 13, wait_container WaitContainer 14,
    kill_container KillContainer 15, remove_container RemoveContainer 16,
    add_resource_provider_config AddResourceProviderConfig 17,
    update_resource_provider_config UpdateResourceProviderConfig 18,
    remove_resource_provider_config RemoveResourceProviderConfig 19,
    mark_resource_provider_gone MarkResourceProviderGone 22,
    prune_images PruneImages 21
enum Call.Type: UNKNOWN 0, GET_HEALTH 1, GET_FLAGS 2, GET_VERSION 3, GET_METRICS 4,
    GET_LOGGING_LEVEL 5, SET_LOGGING_LEVEL 6, LIST_FILES 7, READ_FILE 8, GET_STATE 9,
    GET_CONTAINERS 10, GET_FRAMEWORKS 11, GET_EXECUTORS 12, GET_OPERATIONS 31,
    GET_TASKS 13, GET_AGENT 20, GET_RESOURCE_PROVIDERS 26, LAUNCH_NESTED_CONTAINER 14,
    WAIT_NESTED_CONTAINER 15, KILL_NESTED_CONTAINER 16, REMOVE_NESTED_CONTAINER 21,
    LAUNCH_NESTED_CONTAINER_SESSION 17, ATTACH_CONTAINER_INPUT 18,
    ATTACH_CONTAINER_OUTPUT 19, LAUNCH_CONTAINER 22, WAIT_CONTAINER 23,
    KILL_CONTAINER 24, REMOVE_CONTAINER 25, ADD_RESOURCE_PROVIDER_CONFIG 27,
    UPDATE_RESOURCE_PROVIDER_CONFIG 28, REMOVE_RESOURCE_PROVIDER_CONFIG 29,
    MARK_RESOURCE_PROVIDER_GONE 32, PRUNE_IMAGES 30
Call.GetMetrics: timeout DurationInfo 1
Call.SetLoggingLevel: level! uint32 1, duration! DurationInfo 2
Call.ListFiles: path! string 1
Call.ReadFile: path! string 1, offset! uint64 2, length uint64 3
Call.GetContainers: show_nested bool 1, show_standalone bool 2
Call.LaunchNestedContainer: container_id! ContainerID 1, command CommandInfo 2,
    container ContainerInfo 3
Call.WaitNestedContainer: container_id! ContainerID 1
Call.KillNestedContainer: container_id! ContainerID 1, signal int32 2
Call.RemoveNestedContainer: container_id! ContainerID 1
Call.LaunchNestedContainerSession: container_id! ContainerID 1, command CommandInfo 2,
    container ContainerInfo 3
Call.AttachContainerInput: type Type 1, container_id ContainerID 2,
    process_io ProcessIO 3
enum Call.AttachContainerInput.Type: UNKNOWN 0, CONTAINER_ID 1, PROCESS_IO 2
Call.AttachContainerOutput: container_id! ContainerID 1
Call.LaunchContainer: container_id! ContainerID 1, command CommandInfo 2,
    resources* Resource 3, container ContainerInfo 4, limits {Value.Scalar} 5
Call.WaitContainer: container_id! ContainerID 1
Call.KillContainer: container_id! ContainerID 1, signal int32 2
Call.RemoveContainer: container_id! ContainerID 1
Call.AddResourceProviderConfig: info! ResourceProviderInfo 1
Call.UpdateResourceProviderConfig: info! ResourceProviderInfo 1
Call.RemoveResourceProviderConfig: type! string 1, name! string 2
Call.MarkResourceProviderGone: resource_provider_id! ResourceProviderID 1
Call.PruneImages: excluded_images* Image 1
Response: type Type 1, get_health GetHealth 2, get_flags GetFlags 3,
    get_version GetVersion 4, get_metrics GetMetrics 5,
    get_logging_level GetLoggingLevel 6, list_files ListFiles 7, read_file ReadFile 8,
    get_state GetState 9, get_containers GetContainers 10,
    get_frameworks GetFrameworks 11, get_executors GetExecutors 12,
    get_operations GetOperations 18, get_tasks GetTasks 13, get_agent GetAgent 15,
    get_resource_providers GetResourceProviders 17,
    wait_nested_container WaitNestedContainer 14, wait_container WaitContainer 16
enum Response.Type: UNKNOWN 0, GET_HEALTH 1, GET_FLAGS 2, GET_VERSION 3,
    GET_METRICS 4, GET_LOGGING_LEVEL 5, LIST_FILES 6, READ_FILE 7, GET_STATE 8,
    GET_CONTAINERS 9, GET_FRAMEWORKS 10, GET_EXECUTORS 11, GET_OPERATIONS 17,
    GET_TASKS 12, GET_AGENT 14, GET_RESOURCE_PROVIDERS 16, WAIT_NESTED_CONTAINER 13,
    WAIT_CONTAINER 15
Response.GetHealth: healthy! bool 1
Response.GetFlags: flags* Flag 1
Response.GetVersion: version_info! VersionInfo 1
Response.GetMetrics: metrics* Metric 1
Response.GetLoggingLevel: level! uint32 1
Response.ListFiles: file_infos* FileInfo 1
Response.ReadFile: size! uint64 1, data! bytes 2
Response.GetState: get_tasks GetTasks 1, get_executors GetExecutors 2,
    get_frameworks GetFrameworks 3
Response.GetContainers: containers* Container 1
Response.GetContainers.Container: framework_id FrameworkID 1,
    executor_id ExecutorID 2, executor_name string 3, container_id! ContainerID 4,
    container_status ContainerStatus 5, resource_statistics ResourceStatistics 6
Response.GetFrameworks: frameworks* Framework 1, completed_frameworks* Framework 2
Response.GetFrameworks.Framework: framework_info! FrameworkInfo 1
Response.GetExecutors: executors* Executor 1, completed_executors* Executor 2
Response.GetExecutors.Executor: executor_info! ExecutorInfo 1
Response.GetOperations: operations* Operation 1
Response.GetTasks: pending_tasks* Task 1, queued_tasks* Task 2,
    launched_tasks* Task 3, terminated_tasks* Task 4, completed_tasks* Task 5
Response.GetAgent: agent_info AgentInfo 1, drain_config DrainConfig 2,
    estimated_drain_start_time TimeInfo 3
Response.GetResourceProviders: resource_providers* ResourceProvider 1
Response.GetResourceProviders.ResourceProvider:
    resource_provider_info! ResourceProviderInfo 1, total_resources* Resource 2
Response.WaitNestedContainer: exit_status int32 1, state TaskState 2,
    reason TaskStatus.Reason 3, limitation TaskResourceLimitation 4, message string 5
Response.WaitContainer: exit_status int32 1, state TaskState 2,
    reason TaskStatus.Reason 3, limitation TaskResourceLimitation 4, message string 5
ProcessIO: type Type 1, data Data 2, control Control 3
enum ProcessIO.Type: UNKNOWN 0, DATA 1, CONTROL 2
ProcessIO.Data: type Type 1, data bytes 2
enum ProcessIO.Data.Type: UNKNOWN 0, STDIN 1, STDOUT 2, STDERR 3
ProcessIO.Control: type Type 1, tty_info TTYInfo 2, heartbeat Heartbeat 3
enum ProcessIO.Control.Type: UNKNOWN 0, TTY_INFO 1, HEARTBEAT 2
ProcessIO.Control.Heartbeat: interval DurationInfo 1
"""
