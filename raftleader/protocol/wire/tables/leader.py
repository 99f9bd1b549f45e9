"""The operator API of the leader: calls, responses, events."""

from __future__ import annotations

PACKAGE = "master"
TABLE = """\
Call: type Type 1, get_metrics GetMetrics 2, set_logging_level SetLoggingLevel 3,
    list_files ListFiles 4, read_file ReadFile 5, update_weights UpdateWeights 6,
    reserve_resources ReserveResources 7, unreserve_resources UnreserveResources 8,
    create_volumes CreateVolumes 9, destroy_volumes DestroyVolumes 10,
    grow_volume GrowVolume 18, shrink_volume ShrinkVolume 19,
    update_maintenance_schedule UpdateMaintenanceSchedule 11,
    start_maintenance StartMaintenance 12, stop_maintenance StopMaintenance 13,
    drain_agent DrainAgent 21, deactivate_agent DeactivateAgent 22,
    reactivate_agent ReactivateAgent 23, update_quota UpdateQuota 20,
    teardown Teardown 16, mark_agent_gone MarkAgentGone 17, set_quota SetQuota 14,
    remove_quota RemoveQuota 15
enum Call.Type: UNKNOWN 0, GET_HEALTH 1, GET_FLAGS 2, GET_VERSION 3, GET_METRICS 4,
    GET_LOGGING_LEVEL 5, SET_LOGGING_LEVEL 6, LIST_FILES 7, READ_FILE 8, GET_STATE 9,
    GET_AGENTS 10, GET_FRAMEWORKS 11, GET_EXECUTORS 12, GET_OPERATIONS 33,
    GET_TASKS 13, GET_ROLES 14, GET_WEIGHTS 15, UPDATE_WEIGHTS 16, GET_MASTER 17,
    SUBSCRIBE 18, RESERVE_RESOURCES 19, UNRESERVE_RESOURCES 20, CREATE_VOLUMES 21,
    DESTROY_VOLUMES 22, GROW_VOLUME 34, SHRINK_VOLUME 35, GET_MAINTENANCE_STATUS 23,
    GET_MAINTENANCE_SCHEDULE 24, UPDATE_MAINTENANCE_SCHEDULE 25, START_MAINTENANCE 26,
    STOP_MAINTENANCE 27, DRAIN_AGENT 37, DEACTIVATE_AGENT 38, REACTIVATE_AGENT 39,
    GET_QUOTA 28, UPDATE_QUOTA 36, SET_QUOTA 29, REMOVE_QUOTA 30, TEARDOWN 31,
    MARK_AGENT_GONE 32
Call.GetMetrics: timeout DurationInfo 1
Call.SetLoggingLevel: level! uint32 1, duration! DurationInfo 2
Call.ListFiles: path! string 1
Call.ReadFile: path! string 1, offset! uint64 2, length uint64 3
Call.UpdateWeights: weight_infos* WeightInfo 1
Call.ReserveResources: agent_id! AgentID 1, source* Resource 3, resources* Resource 2
Call.UnreserveResources: agent_id! AgentID 1, resources* Resource 2
Call.CreateVolumes: agent_id! AgentID 1, volumes* Resource 2
Call.DestroyVolumes: agent_id! AgentID 1, volumes* Resource 2
Call.GrowVolume: agent_id AgentID 1, volume! Resource 2, addition! Resource 3
Call.ShrinkVolume: agent_id AgentID 1, volume! Resource 2, subtract! Value.Scalar 3
Call.UpdateMaintenanceSchedule: schedule! maintenance.Schedule 1
Call.StartMaintenance: machines* MachineID 1
Call.StopMaintenance: machines* MachineID 1
Call.DrainAgent: agent_id! AgentID 1, max_grace_period google.protobuf.Duration 2,
    mark_gone bool 3=false
Call.DeactivateAgent: agent_id! AgentID 1
Call.ReactivateAgent: agent_id! AgentID 1
Call.UpdateQuota: force bool 1, quota_configs* quota.QuotaConfig 2
Call.SetQuota: quota_request! quota.QuotaRequest 1
Call.RemoveQuota: role! string 1
Call.Teardown: framework_id! FrameworkID 1
Call.MarkAgentGone: agent_id! AgentID 1
Response: type Type 1, get_health GetHealth 2, get_flags GetFlags 3,
    get_version GetVersion 4, get_metrics GetMetrics 5,
    get_logging_level GetLoggingLevel 6, list_files ListFiles 7, read_file ReadFile 8,
    get_state GetState 9, get_agents GetAgents 10, get_frameworks GetFrameworks 11,
    get_executors GetExecutors 12, get_operations GetOperations 20,
    get_tasks GetTasks 13, get_roles GetRoles 14, get_weights GetWeights 15,
    get_master GetMaster 16, get_maintenance_status GetMaintenanceStatus 17,
    get_maintenance_schedule GetMaintenanceSchedule 18, get_quota GetQuota 19
enum Response.Type: UNKNOWN 0, GET_HEALTH 1, GET_FLAGS 2, GET_VERSION 3,
    GET_METRICS 4, GET_LOGGING_LEVEL 5, LIST_FILES 6, READ_FILE 7, GET_STATE 8,
    GET_AGENTS 9, GET_FRAMEWORKS 10, GET_EXECUTORS 11, GET_OPERATIONS 19,
    GET_TASKS 12, GET_ROLES 13, GET_WEIGHTS 14, GET_MASTER 15,
    GET_MAINTENANCE_STATUS 16, GET_MAINTENANCE_SCHEDULE 17, GET_QUOTA 18
Response.GetHealth: healthy! bool 1
Response.GetFlags: flags* Flag 1
Response.GetVersion: version_info! VersionInfo 1
Response.GetMetrics: metrics* Metric 1
Response.GetLoggingLevel: level! uint32 1
Response.ListFiles: file_infos* FileInfo 1
Response.ReadFile: size! uint64 1, data! bytes 2
Response.GetState: get_tasks GetTasks 1, get_executors GetExecutors 2,
    get_frameworks GetFrameworks 3, get_agents GetAgents 4
Response.GetAgents: agents* Agent 1, recovered_agents* AgentInfo 2
Response.GetAgents.Agent: agent_info! AgentInfo 1, active! bool 2,
    deactivated bool 12, version! string 3, pid string 4, registered_time TimeInfo 5,
    reregistered_time TimeInfo 6, total_resources* Resource 7,
    allocated_resources* Resource 8, offered_resources* Resource 9,
    capabilities* AgentInfo.Capability 10, resource_providers* ResourceProvider 11,
    drain_info DrainInfo 13, estimated_drain_start_time TimeInfo 14
Response.GetAgents.Agent.ResourceProvider:
    resource_provider_info! ResourceProviderInfo 1, total_resources* Resource 2
Response.GetFrameworks: frameworks* Framework 1, completed_frameworks* Framework 2,
    recovered_frameworks* FrameworkInfo 3
Response.GetFrameworks.Framework: framework_info! FrameworkInfo 1, active! bool 2,
    connected! bool 3, recovered! bool 11, registered_time TimeInfo 4,
    reregistered_time TimeInfo 5, unregistered_time TimeInfo 6, offers* Offer 7,
    inverse_offers* InverseOffer 8, allocated_resources* Resource 9,
    offered_resources* Resource 10, offer_constraints scheduler.OfferConstraints 12
Response.GetExecutors: executors* Executor 1, orphan_executors* Executor 2
Response.GetExecutors.Executor: executor_info! ExecutorInfo 1, agent_id! AgentID 2
Response.GetOperations: operations* Operation 1
Response.GetTasks: pending_tasks* Task 1, tasks* Task 2, unreachable_tasks* Task 5,
    completed_tasks* Task 3, orphan_tasks* Task 4
Response.GetRoles: roles* Role 1
Response.GetWeights: weight_infos* WeightInfo 1
Response.GetMaster: master_info MasterInfo 1, start_time double 2,
    elected_time double 3
Response.GetMaintenanceStatus: status! maintenance.ClusterStatus 1
Response.GetMaintenanceSchedule: schedule! maintenance.Schedule 1
Response.GetQuota: status! quota.QuotaStatus 1
Event: type Type 1, subscribed Subscribed 2, task_added TaskAdded 3,
    task_updated TaskUpdated 4, agent_added AgentAdded 5,
    agent_removed AgentRemoved 6, framework_added FrameworkAdded 7,
    framework_updated FrameworkUpdated 8, framework_removed FrameworkRemoved 9
enum Event.Type: UNKNOWN 0, SUBSCRIBED 1, TASK_ADDED 2, TASK_UPDATED 3, AGENT_ADDED 4,
    AGENT_REMOVED 5, FRAMEWORK_ADDED 6, FRAMEWORK_UPDATED 7, FRAMEWORK_REMOVED 8,
    HEARTBEAT 9
Event.Subscribed: get_state Response.GetState 1, heartbeat_interval_seconds double 2
Event.TaskAdded: task! Task 1
Event.TaskUpdated: framework_id! FrameworkID 1, status! TaskStatus 2,
    state! TaskState 3
Event.FrameworkAdded: framework! Response.GetFrameworks.Framework 1
Event.FrameworkUpdated: framework! Response.GetFrameworks.Framework 1
Event.FrameworkRemoved: framework_info! FrameworkInfo 1
Event.AgentAdded: agent! Response.GetAgents.Agent 1
Event.AgentRemoved: agent_id! AgentID 1
"""
