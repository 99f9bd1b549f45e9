"""All nemeses there are. Each group is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.live.faults import Fault, Group
from chaos.live.seams import Nemesis
from chaos.machine.capabilities import Machine


def all_nemeses(machine: Machine, *, disks: str = "auto") -> list[Nemesis]:
    """New ones for a run on this machine, with this kind of disks; together they make
    every class of faults, each class once."""
    return [nemesis for group in Group for nemesis in nemeses_of(group, machine, disks)]


def nemesis_of(fault: Fault, machine: Machine, *, disks: str = "auto") -> Nemesis:
    """A new one that makes this class."""
    made = nemeses_of(fault.group, machine, disks)
    return next(nemesis for nemesis in made if fault in nemesis.faults)


def nemeses_by_fault(
    machine: Machine, *, disks: str = "auto"
) -> Mapping[Fault, Nemesis]:
    """Who makes which class, in the order of ``Fault``."""
    made = all_nemeses(machine, disks=disks)
    found = {fault: nemesis for nemesis in made for fault in nemesis.faults}
    return {fault: found[fault] for fault in Fault}


def nemeses_of(group: Group, machine: Machine, disks: str = "auto") -> list[Nemesis]:
    """New ones of one group."""
    match group:
        case Group.PROCESS:
            return _process(machine)
        case Group.NETWORK:
            from chaos.nemeses.network.catalog import network_nemeses

            return network_nemeses()
        case Group.DISK:
            from chaos.disks.means import means_of
            from chaos.nemeses.disk import disk_nemeses

            return disk_nemeses(means_of(machine, disks))
        case Group.CLOCK:
            from chaos.nemeses.clock import clock_nemeses

            return clock_nemeses(machine)
        case Group.OPERATOR:
            return _operator()


def _process(machine: Machine) -> list[Nemesis]:
    from chaos.nemeses.process.crashing import CrashPointArming
    from chaos.nemeses.process.descriptors import DescriptorShortage
    from chaos.nemeses.process.executors import ExecutorKilling
    from chaos.nemeses.process.killing import Killing
    from chaos.nemeses.process.pausing import Pausing
    from chaos.nemeses.process.squeezing import Squeezing

    return [
        Killing(),
        Pausing(),
        Squeezing(machine),
        DescriptorShortage(),
        CrashPointArming(),
        ExecutorKilling(),
    ]


def _operator() -> list[Nemesis]:
    from chaos.nemeses.operator.draining import Draining
    from chaos.nemeses.operator.duplicate_id import DuplicateId
    from chaos.nemeses.operator.membership import MemberChange
    from chaos.nemeses.operator.rolling_restart import RollingRestart
    from chaos.nemeses.operator.transfer import LeadershipTransfer
    from chaos.nemeses.operator.wrong_config import WrongConfig

    return [
        RollingRestart(),
        MemberChange(),
        LeadershipTransfer(),
        Draining(),
        WrongConfig(),
        DuplicateId(),
    ]
