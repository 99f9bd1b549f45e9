"""Ids, times, labels, machines, frameworks, agents, leaders."""

from __future__ import annotations

PACKAGE = "mesos"
TABLE = """\
FrameworkID: value! string 1
OfferID: value! string 1
AgentID: value! string 1
TaskID: value! string 1
ExecutorID: value! string 1
ContainerID: value! string 1, parent ContainerID 2
ResourceProviderID: value! string 1
OperationID: value! string 1
TimeInfo: nanoseconds! int64 1
DurationInfo: nanoseconds! int64 1
Address: hostname string 1, ip string 2, port! int32 3
URL: scheme! string 1, address! Address 2, path string 3, query* Parameter 4,
    fragment string 5
Unavailability: start! TimeInfo 1, duration DurationInfo 2
MachineID: hostname string 1, ip string 2
MachineInfo: id! MachineID 1, mode Mode 2, unavailability Unavailability 3
enum MachineInfo.Mode: UP 1, DRAINING 2, DOWN 3
FrameworkInfo: user! string 1, name! string 2, id FrameworkID 3,
    failover_timeout double 4=0.0, checkpoint bool 5=false, role string 6=*,
    roles* string 12, hostname string 7, principal string 8, webui_url string 9,
    capabilities* Capability 10, labels Labels 11, offer_filters {OfferFilters} 13
FrameworkInfo.Capability: type Type 1
enum FrameworkInfo.Capability.Type: UNKNOWN 0, REVOCABLE_RESOURCES 1,
    TASK_KILLING_STATE 2, GPU_RESOURCES 3, SHARED_RESOURCES 4, PARTITION_AWARE 5,
    MULTI_ROLE 6, RESERVATION_REFINEMENT 7, REGION_AWARE 8
DomainInfo: fault_domain FaultDomain 1
DomainInfo.FaultDomain: region! RegionInfo 1, zone! ZoneInfo 2
DomainInfo.FaultDomain.RegionInfo: name! string 1
DomainInfo.FaultDomain.ZoneInfo: name! string 1
MasterInfo: id! string 1, ip! uint32 2, port! uint32 3=5050, pid string 4,
    hostname string 5, version string 6, address Address 7, domain DomainInfo 8,
    capabilities* Capability 9
MasterInfo.Capability: type Type 1
enum MasterInfo.Capability.Type: UNKNOWN 0, AGENT_UPDATE 1, AGENT_DRAINING 2,
    QUOTA_V2 3
AgentInfo: hostname! string 1, port int32 8=5051, resources* Resource 3,
    attributes* Attribute 5, id AgentID 6, domain DomainInfo 10
AgentInfo.Capability: type Type 1
enum AgentInfo.Capability.Type: UNKNOWN 0, MULTI_ROLE 1, HIERARCHICAL_ROLE 2,
    RESERVATION_REFINEMENT 3, RESOURCE_PROVIDER 4, RESIZE_VOLUME 5,
    AGENT_OPERATION_FEEDBACK 6, AGENT_DRAINING 7, TASK_RESOURCE_LIMITS 8
Parameter: key! string 1, value! string 2
Parameters: parameter* Parameter 1
Credential: principal! string 1, secret string 2
Credentials: credentials* Credential 1
Labels: labels* Label 1
Label: key! string 1, value string 2
WeightInfo: weight! double 1, role string 2
VersionInfo: version! string 1, build_date string 2, build_time double 3,
    build_user string 4, git_sha string 5, git_branch string 6, git_tag string 7
Flag: name! string 1, value string 2
Role: name! string 1, weight! double 2, frameworks* FrameworkID 3,
    resources* Resource 4
Metric: name! string 1, value double 2
FileInfo: path! string 1, nlink int32 2, size uint64 3, mtime TimeInfo 4,
    mode uint32 5, uid string 6, gid string 7
enum DrainState: UNKNOWN 0, DRAINING 1, DRAINED 2
DrainConfig: max_grace_period DurationInfo 1, mark_gone bool 2=false
DrainInfo: state! DrainState 1, config! DrainConfig 2
"""
