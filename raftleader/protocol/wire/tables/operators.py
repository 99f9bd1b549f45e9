"""What operators set: quota and maintenance; four small packages."""

from __future__ import annotations

QUOTA = """\
QuotaInfo: role string 1, principal string 2, guarantee* Resource 3
QuotaRequest: force bool 1, role string 2, guarantee* Resource 3
QuotaConfig: role! string 1, guarantees {Value.Scalar} 2, limits {Value.Scalar} 3
QuotaStatus: infos* QuotaInfo 1, configs* QuotaConfig 2
"""
MAINTENANCE = """\
Window: machine_ids* MachineID 1, unavailability! Unavailability 2
Schedule: windows* Window 1
ClusterStatus: draining_machines* DrainingMachine 1, down_machines* MachineID 2
ClusterStatus.DrainingMachine: id! MachineID 1,
    statuses* allocator.InverseOfferStatus 2
"""
ALLOCATOR = """\
InverseOfferStatus: status! Status 1, framework_id! FrameworkID 2,
    timestamp! TimeInfo 3
enum InverseOfferStatus.Status: UNKNOWN 1, ACCEPT 2, DECLINE 3
"""
GOOGLE = """\
Duration: seconds int64 1, nanos int32 2
"""
