"""Faults of the disks of leader nodes.

What a fault takes from the group is claimed (``harm``): at most a minority of the nodes
has lost what it promised, so a majority has everything that was answered. Faults that
leave what was synced intact, as power cuts do, may hit all.
"""

from chaos.disks.means import DiskMeans
from chaos.live.seams import Nemesis
from chaos.nemeses.disk.calls import CallNemesis
from chaos.nemeses.disk.full import FullDiskNemesis
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.journals import JournalNemesis
from chaos.nemeses.disk.lost import LostDiskNemesis
from chaos.nemeses.disk.power import PowerCutNemesis
from chaos.nemeses.disk.read_only import ReadOnlyNemesis

__all__ = ["disk_nemeses"]


def disk_nemeses(means: DiskMeans) -> list[Nemesis]:
    """All of them, sharing one account of what is broken."""
    harm = Harm()
    return [
        PowerCutNemesis(means=means),
        FullDiskNemesis(means=means, harm=harm),
        ReadOnlyNemesis(means=means, harm=harm),
        CallNemesis(means=means, harm=harm),
        JournalNemesis(harm=harm),
        LostDiskNemesis(harm=harm),
    ]
