"""What containers use, as the agent measures it."""

from __future__ import annotations

PACKAGE = "mesos"
TABLE = """\
TrafficControlStatistics: id! string 1, backlog uint64 2, bytes uint64 3,
    drops uint64 4, overlimits uint64 5, packets uint64 6, qlen uint64 7,
    ratebps uint64 8, ratepps uint64 9, requeues uint64 10
IpStatistics: Forwarding int64 1, DefaultTTL int64 2, InReceives int64 3,
    InHdrErrors int64 4, InAddrErrors int64 5, ForwDatagrams int64 6,
    InUnknownProtos int64 7, InDiscards int64 8, InDelivers int64 9,
    OutRequests int64 10, OutDiscards int64 11, OutNoRoutes int64 12,
    ReasmTimeout int64 13, ReasmReqds int64 14, ReasmOKs int64 15,
    ReasmFails int64 16, FragOKs int64 17, FragFails int64 18, FragCreates int64 19
IcmpStatistics: InMsgs int64 1, InErrors int64 2, InCsumErrors int64 3,
    InDestUnreachs int64 4, InTimeExcds int64 5, InParmProbs int64 6,
    InSrcQuenchs int64 7, InRedirects int64 8, InEchos int64 9, InEchoReps int64 10,
    InTimestamps int64 11, InTimestampReps int64 12, InAddrMasks int64 13,
    InAddrMaskReps int64 14, OutMsgs int64 15, OutErrors int64 16,
    OutDestUnreachs int64 17, OutTimeExcds int64 18, OutParmProbs int64 19,
    OutSrcQuenchs int64 20, OutRedirects int64 21, OutEchos int64 22,
    OutEchoReps int64 23, OutTimestamps int64 24, OutTimestampReps int64 25,
    OutAddrMasks int64 26, OutAddrMaskReps int64 27
TcpStatistics: RtoAlgorithm int64 1, RtoMin int64 2, RtoMax int64 3, MaxConn int64 4,
    ActiveOpens int64 5, PassiveOpens int64 6, AttemptFails int64 7,
    EstabResets int64 8, CurrEstab int64 9, InSegs int64 10, OutSegs int64 11,
    RetransSegs int64 12, InErrs int64 13, OutRsts int64 14, InCsumErrors int64 15
UdpStatistics: InDatagrams int64 1, NoPorts int64 2, InErrors int64 3,
    OutDatagrams int64 4, RcvbufErrors int64 5, SndbufErrors int64 6,
    InCsumErrors int64 7, IgnoredMulti int64 8
SNMPStatistics: ip_stats IpStatistics 1, icmp_stats IcmpStatistics 2,
    tcp_stats TcpStatistics 3, udp_stats UdpStatistics 4
DiskStatistics: source Resource.DiskInfo.Source 1,
    persistence Resource.DiskInfo.Persistence 2, limit_bytes uint64 3,
    used_bytes uint64 4
ResourceStatistics: timestamp! double 1, processes uint32 30, threads uint32 31,
    cpus_user_time_secs double 2, cpus_system_time_secs double 3, cpus_limit double 4,
    cpus_soft_limit double 45, cpus_nr_periods uint32 7, cpus_nr_throttled uint32 8,
    cpus_throttled_time_secs double 9, mem_total_bytes uint64 36,
    mem_total_memsw_bytes uint64 37, mem_kmem_usage_bytes uint64 52,
    mem_kmem_tcp_usage_bytes uint64 53, mem_limit_bytes uint64 6,
    mem_soft_limit_bytes uint64 38, mem_file_bytes uint64 10,
    mem_anon_bytes uint64 11, mem_cache_bytes uint64 39, mem_rss_bytes uint64 5,
    mem_mapped_file_bytes uint64 12, mem_swap_bytes uint64 40,
    mem_unevictable_bytes uint64 41, mem_low_pressure_counter uint64 32,
    mem_medium_pressure_counter uint64 33, mem_critical_pressure_counter uint64 34,
    disk_limit_bytes uint64 26, disk_used_bytes uint64 27,
    disk_statistics* DiskStatistics 43,
    blkio_statistics CgroupInfo.Blkio.Statistics 44, perf PerfStatistics 13,
    net_rx_packets uint64 14, net_rx_bytes uint64 15, net_rx_errors uint64 16,
    net_rx_dropped uint64 17, net_tx_packets uint64 18, net_tx_bytes uint64 19,
    net_tx_errors uint64 20, net_tx_dropped uint64 21, net_tx_rate_limit uint64 46,
    net_tx_burst_rate_limit uint64 47, net_tx_burst_size uint64 48,
    net_rx_rate_limit uint64 49, net_rx_burst_rate_limit uint64 50,
    net_rx_burst_size uint64 51, net_rate_statistics RateStatistics 54,
    net_ephemeral_ports Value.Range 55, net_tcp_rtt_microsecs_p50 double 22,
    net_tcp_rtt_microsecs_p90 double 23, net_tcp_rtt_microsecs_p95 double 24,
    net_tcp_rtt_microsecs_p99 double 25, net_tcp_active_connections double 28,
    net_tcp_time_wait_connections double 29,
    net_traffic_control_statistics* TrafficControlStatistics 35,
    net_snmp_statistics SNMPStatistics 42
ResourceStatistics.RatePercentiles: min uint64 1, max uint64 2, p50 uint64 3,
    p90 uint64 4, p95 uint64 5, p99 uint64 6, p999 uint64 7, p9999 uint64 8,
    samples uint64 9
ResourceStatistics.RateStatistics: rx_rate RatePercentiles 1,
    rx_packet_rate RatePercentiles 2, rx_drop_rate RatePercentiles 3,
    rx_error_rate RatePercentiles 4, tx_rate RatePercentiles 5,
    tx_packet_rate RatePercentiles 6, tx_drop_rate RatePercentiles 7,
    tx_error_rate RatePercentiles 8, sampling_window_secs double 9,
    sampling_interval_secs double 10
ResourceUsage: executors* Executor 1, total* Resource 2
ResourceUsage.Executor: executor_info! ExecutorInfo 1, allocated* Resource 2,
    statistics ResourceStatistics 3, container_id! ContainerID 4, tasks* Task 5
ResourceUsage.Executor.Task: name! string 1, id! TaskID 2, resources* Resource 3,
    labels Labels 4
PerfStatistics: timestamp! double 1, duration! double 2, cycles uint64 3,
    stalled_cycles_frontend uint64 4, stalled_cycles_backend uint64 5,
    instructions uint64 6, cache_references uint64 7, cache_misses uint64 8,
    branches uint64 9, branch_misses uint64 10, bus_cycles uint64 11,
    ref_cycles uint64 12, cpu_clock double 13, task_clock double 14,
    page_faults uint64 15, minor_faults uint64 16, major_faults uint64 17,
    context_switches uint64 18, cpu_migrations uint64 19, alignment_faults uint64 20,
    emulation_faults uint64 21, l1_dcache_loads uint64 22,
    l1_dcache_load_misses uint64 23, l1_dcache_stores uint64 24,
    l1_dcache_store_misses uint64 25, l1_dcache_prefetches uint64 26,
    l1_dcache_prefetch_misses uint64 27, l1_icache_loads uint64 28,
    l1_icache_load_misses uint64 29, l1_icache_prefetches uint64 30,
    l1_icache_prefetch_misses uint64 31, llc_loads uint64 32,
    llc_load_misses uint64 33, llc_stores uint64 34, llc_store_misses uint64 35,
    llc_prefetches uint64 36, llc_prefetch_misses uint64 37, dtlb_loads uint64 38,
    dtlb_load_misses uint64 39, dtlb_stores uint64 40, dtlb_store_misses uint64 41,
    dtlb_prefetches uint64 42, dtlb_prefetch_misses uint64 43, itlb_loads uint64 44,
    itlb_load_misses uint64 45, branch_loads uint64 46, branch_load_misses uint64 47,
    node_loads uint64 48, node_load_misses uint64 49, node_stores uint64 50,
    node_store_misses uint64 51, node_prefetches uint64 52,
    node_prefetch_misses uint64 53
"""
