"""Containers: images, volumes, networks, limits, what is announced."""

from __future__ import annotations

PACKAGE = "mesos"
TABLE = """\
Image: type! Type 1, appc Appc 2, docker Docker 3, cached bool 4=true
enum Image.Type: APPC 1, DOCKER 2
Image.Appc: name! string 1, id string 2, labels Labels 3
Image.Docker: name! string 1, credential Credential 2, config Secret 3
MountPropagation: mode Mode 1
enum MountPropagation.Mode: UNKNOWN 0, HOST_TO_CONTAINER 1, BIDIRECTIONAL 2
Volume: mode! Mode 3, container_path! string 1, host_path string 2, image Image 4,
    source Source 5
enum Volume.Mode: RW 1, RO 2
Volume.Source: type Type 1, docker_volume DockerVolume 2, host_path HostPath 5,
    sandbox_path SandboxPath 3, secret Secret 4, csi_volume CSIVolume 6
enum Volume.Source.Type: UNKNOWN 0, DOCKER_VOLUME 1, HOST_PATH 4, SANDBOX_PATH 2,
    SECRET 3, CSI_VOLUME 5
Volume.Source.DockerVolume: driver string 1, name! string 2,
    driver_options Parameters 3
Volume.Source.HostPath: path! string 1, mount_propagation MountPropagation 2
Volume.Source.SandboxPath: type Type 1, path! string 2
enum Volume.Source.SandboxPath.Type: UNKNOWN 0, SELF 1, PARENT 2
Volume.Source.CSIVolume: plugin_name! string 1,
    static_provisioning StaticProvisioning 2
Volume.Source.CSIVolume.VolumeCapability: block BlockVolume 1, mount MountVolume 2,
    access_mode! AccessMode 3
Volume.Source.CSIVolume.VolumeCapability.BlockVolume:
Volume.Source.CSIVolume.VolumeCapability.MountVolume: fs_type string 1,
    mount_flags* string 2
Volume.Source.CSIVolume.VolumeCapability.AccessMode: mode! Mode 1
enum Volume.Source.CSIVolume.VolumeCapability.AccessMode.Mode: UNKNOWN 0,
    SINGLE_NODE_WRITER 1, SINGLE_NODE_READER_ONLY 2, MULTI_NODE_READER_ONLY 3,
    MULTI_NODE_SINGLE_WRITER 4, MULTI_NODE_MULTI_WRITER 5
Volume.Source.CSIVolume.StaticProvisioning: volume_id! string 1,
    volume_capability! VolumeCapability 2, node_stage_secrets {Secret} 3,
    node_publish_secrets {Secret} 4, volume_context {string} 5
NetworkInfo: ip_addresses* IPAddress 5, name string 6, groups* string 3,
    labels Labels 4, port_mappings* PortMapping 7
enum NetworkInfo.Protocol: IPv4 1, IPv6 2
NetworkInfo.IPAddress: protocol Protocol 1=IPv4, ip_address string 2
NetworkInfo.PortMapping: host_port! uint32 1, container_port! uint32 2,
    protocol string 3
CapabilityInfo: capabilities* Capability 1
enum CapabilityInfo.Capability: UNKNOWN 0, CHOWN 1000, DAC_OVERRIDE 1001,
    DAC_READ_SEARCH 1002, FOWNER 1003, FSETID 1004, KILL 1005, SETGID 1006,
    SETUID 1007, SETPCAP 1008, LINUX_IMMUTABLE 1009, NET_BIND_SERVICE 1010,
    NET_BROADCAST 1011, NET_ADMIN 1012, NET_RAW 1013, IPC_LOCK 1014, IPC_OWNER 1015,
    SYS_MODULE 1016, SYS_RAWIO 1017, SYS_CHROOT 1018, SYS_PTRACE 1019, SYS_PACCT 1020,
    SYS_ADMIN 1021, SYS_BOOT 1022, SYS_NICE 1023, SYS_RESOURCE 1024, SYS_TIME 1025,
    SYS_TTY_CONFIG 1026, MKNOD 1027, LEASE 1028, AUDIT_WRITE 1029, AUDIT_CONTROL 1030,
    SETFCAP 1031, MAC_OVERRIDE 1032, MAC_ADMIN 1033, SYSLOG 1034, WAKE_ALARM 1035,
    BLOCK_SUSPEND 1036, AUDIT_READ 1037, PERFMON 1038, BPF 1039,
    CHECKPOINT_RESTORE 1040
SeccompInfo: profile_name string 1, unconfined bool 2
LinuxInfo: capability_info CapabilityInfo 1, bounding_capabilities CapabilityInfo 2,
    effective_capabilities CapabilityInfo 3, share_pid_namespace bool 4,
    seccomp SeccompInfo 5, ipc_mode IpcMode 6, shm_size uint32 7,
    share_cgroups bool 8=true
enum LinuxInfo.IpcMode: UNKNOWN 0, PRIVATE 1, SHARE_PARENT 2
RLimitInfo: rlimits* RLimit 1
RLimitInfo.RLimit: type Type 1, hard uint64 2, soft uint64 3
enum RLimitInfo.RLimit.Type: UNKNOWN 0, RLMT_AS 1, RLMT_CORE 2, RLMT_CPU 3,
    RLMT_DATA 4, RLMT_FSIZE 5, RLMT_LOCKS 6, RLMT_MEMLOCK 7, RLMT_MSGQUEUE 8,
    RLMT_NICE 9, RLMT_NOFILE 10, RLMT_NPROC 11, RLMT_RSS 12, RLMT_RTPRIO 13,
    RLMT_RTTIME 14, RLMT_SIGPENDING 15, RLMT_STACK 16
TTYInfo: window_size WindowSize 1
TTYInfo.WindowSize: rows! uint32 1, columns! uint32 2
ContainerInfo: type! Type 1, volumes* Volume 2, hostname string 4,
    docker DockerInfo 3, mesos MesosInfo 5, network_infos* NetworkInfo 7,
    linux_info LinuxInfo 8, rlimit_info RLimitInfo 9, tty_info TTYInfo 10
enum ContainerInfo.Type: DOCKER 1, MESOS 2
ContainerInfo.DockerInfo: image! string 1, network Network 2=HOST,
    port_mappings* PortMapping 3, privileged bool 4=false, parameters* Parameter 5,
    force_pull_image bool 6, volume_driver string 7
enum ContainerInfo.DockerInfo.Network: HOST 1, BRIDGE 2, NONE 3, USER 4
ContainerInfo.DockerInfo.PortMapping: host_port! uint32 1, container_port! uint32 2,
    protocol string 3
ContainerInfo.MesosInfo: image Image 1
ContainerStatus: container_id ContainerID 4, network_infos* NetworkInfo 1,
    cgroup_info CgroupInfo 2, executor_pid uint32 3
CgroupInfo: net_cls NetCls 1
CgroupInfo.Blkio:
enum CgroupInfo.Blkio.Operation: UNKNOWN 0, TOTAL 1, READ 2, WRITE 3, SYNC 4, ASYNC 5,
    DISCARD 6
CgroupInfo.Blkio.Value: op Operation 1, value uint64 2
CgroupInfo.Blkio.CFQ:
CgroupInfo.Blkio.CFQ.Statistics: device Device.Number 1, sectors uint64 2,
    time uint64 3, io_serviced* Value 4, io_service_bytes* Value 5,
    io_service_time* Value 6, io_wait_time* Value 7, io_merged* Value 8,
    io_queued* Value 9
CgroupInfo.Blkio.Throttling:
CgroupInfo.Blkio.Throttling.Statistics: device Device.Number 1, io_serviced* Value 2,
    io_service_bytes* Value 3
CgroupInfo.Blkio.Statistics: cfq* CFQ.Statistics 1, cfq_recursive* CFQ.Statistics 2,
    throttling* Throttling.Statistics 3
CgroupInfo.NetCls: classid uint32 1
Port: number! uint32 1, name string 2, protocol string 3,
    visibility DiscoveryInfo.Visibility 4, labels Labels 5
Ports: ports* Port 1
DiscoveryInfo: visibility! Visibility 1, name string 2, environment string 3,
    location string 4, version string 5, ports Ports 6, labels Labels 7
enum DiscoveryInfo.Visibility: FRAMEWORK 0, CLUSTER 1, EXTERNAL 2
Device: path string 1, number Number 2
Device.Number: major_number! uint64 1, minor_number! uint64 2
DeviceAccess: device! Device 1, access! Access 2
DeviceAccess.Access: read bool 1, write bool 2, mknod bool 3
DeviceWhitelist: allowed_devices* DeviceAccess 1
"""
