"""Resources, offers, and operations on them."""

from __future__ import annotations

PACKAGE = "mesos"
TABLE = """\
CSIPluginContainerInfo: services* Service 1, command CommandInfo 2,
    resources* Resource 3, container ContainerInfo 4
enum CSIPluginContainerInfo.Service: UNKNOWN 0, CONTROLLER_SERVICE 1, NODE_SERVICE 2
CSIPluginEndpoint: csi_service! CSIPluginContainerInfo.Service 1, endpoint! string 2
CSIPluginInfo: type! string 1, name string 2=default,
    containers* CSIPluginContainerInfo 3, endpoints* CSIPluginEndpoint 4,
    target_path_root string 5, target_path_exists bool 6
ResourceProviderInfo: id ResourceProviderID 1, attributes* Attribute 2,
    type! string 3, name! string 4, default_reservations* Resource.ReservationInfo 5,
    storage Storage 6
ResourceProviderInfo.Storage: plugin! CSIPluginInfo 1,
    reconciliation_interval_seconds double 2
Value: type! Type 1, scalar Scalar 2, ranges Ranges 3, set Set 4, text Text 5
enum Value.Type: SCALAR 0, RANGES 1, SET 2, TEXT 3
Value.Scalar: value! double 1
Value.Range: begin! uint64 1, end! uint64 2
Value.Ranges: range* Range 1
Value.Set: item* string 1
Value.Text: value! string 1
Attribute: name! string 1, type! Value.Type 2, scalar Value.Scalar 3,
    ranges Value.Ranges 4, set Value.Set 6, text Value.Text 5
Resource: provider_id ResourceProviderID 12, name! string 1, type! Value.Type 2,
    scalar Value.Scalar 3, ranges Value.Ranges 4, set Value.Set 5, role string 6=*,
    allocation_info AllocationInfo 11, reservation ReservationInfo 8,
    reservations* ReservationInfo 13, disk DiskInfo 7, revocable RevocableInfo 9,
    shared SharedInfo 10
Resource.AllocationInfo: role string 1
Resource.ReservationInfo: type Type 4, role string 3, principal string 1,
    labels Labels 2
enum Resource.ReservationInfo.Type: UNKNOWN 0, STATIC 1, DYNAMIC 2
Resource.DiskInfo: persistence Persistence 1, volume Volume 2, source Source 3
Resource.DiskInfo.Persistence: id! string 1, principal string 2
Resource.DiskInfo.Source: type! Type 1, path Path 2, mount Mount 3, vendor string 7,
    id string 4, metadata Labels 5, profile string 6
enum Resource.DiskInfo.Source.Type: UNKNOWN 0, PATH 1, MOUNT 2, BLOCK 3, RAW 4
Resource.DiskInfo.Source.Path: root string 1
Resource.DiskInfo.Source.Mount: root string 1
Resource.RevocableInfo:
Resource.SharedInfo:
OfferFilters: min_allocatable_resources MinAllocatableResources 1
OfferFilters.ResourceQuantities: quantities {Value.Scalar} 1
OfferFilters.MinAllocatableResources: quantities* ResourceQuantities 1
Request: agent_id AgentID 1, resources* Resource 2
Offer: id! OfferID 1, framework_id! FrameworkID 2, agent_id! AgentID 3,
    hostname! string 4, url URL 8, domain DomainInfo 11, resources* Resource 5,
    attributes* Attribute 7, executor_ids* ExecutorID 6,
    unavailability Unavailability 9, allocation_info Resource.AllocationInfo 10
Offer.Operation: type Type 1, id OperationID 12, launch Launch 2,
    launch_group LaunchGroup 7, reserve Reserve 3, unreserve Unreserve 4,
    create Create 5, destroy Destroy 6, grow_volume GrowVolume 13,
    shrink_volume ShrinkVolume 14, create_disk CreateDisk 15,
    destroy_disk DestroyDisk 16
enum Offer.Operation.Type: UNKNOWN 0, LAUNCH 1, LAUNCH_GROUP 6, RESERVE 2,
    UNRESERVE 3, CREATE 4, DESTROY 5, GROW_VOLUME 11, SHRINK_VOLUME 12,
    CREATE_DISK 13, DESTROY_DISK 14
Offer.Operation.Launch: task_infos* TaskInfo 1
Offer.Operation.LaunchGroup: executor! ExecutorInfo 1, task_group! TaskGroupInfo 2
Offer.Operation.Reserve: source* Resource 2, resources* Resource 1
Offer.Operation.Unreserve: resources* Resource 1
Offer.Operation.Create: volumes* Resource 1
Offer.Operation.Destroy: volumes* Resource 1
Offer.Operation.GrowVolume: volume! Resource 1, addition! Resource 2
Offer.Operation.ShrinkVolume: volume! Resource 1, subtract! Value.Scalar 2
Offer.Operation.CreateDisk: source! Resource 1,
    target_type! Resource.DiskInfo.Source.Type 2, target_profile string 3
Offer.Operation.DestroyDisk: source! Resource 1
InverseOffer: id! OfferID 1, url URL 2, framework_id! FrameworkID 3,
    agent_id AgentID 4, unavailability! Unavailability 5, resources* Resource 6
UUID: value! bytes 1
Operation: framework_id FrameworkID 1, agent_id AgentID 2, info! Offer.Operation 3,
    latest_status! OperationStatus 4, statuses* OperationStatus 5, uuid! UUID 6
enum OperationState: OPERATION_UNSUPPORTED 0, OPERATION_PENDING 1,
    OPERATION_FINISHED 2, OPERATION_FAILED 3, OPERATION_ERROR 4, OPERATION_DROPPED 5,
    OPERATION_UNREACHABLE 6, OPERATION_GONE_BY_OPERATOR 7, OPERATION_RECOVERING 8,
    OPERATION_UNKNOWN 9
OperationStatus: operation_id OperationID 1, state! OperationState 2,
    message string 3, converted_resources* Resource 4, uuid UUID 5,
    agent_id AgentID 6, resource_provider_id ResourceProviderID 7
Filters: refuse_seconds double 1=5.0
"""
