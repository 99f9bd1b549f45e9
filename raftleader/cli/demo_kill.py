"""One kill of the leader in the demo, and what became of the offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from raftleader.cli.api_client import API
from raftleader.cli.demo_spectator import Spectator
from raftleader.cli.local_cluster import LocalCluster
from raftleader.cli.rows import rows_of
from raftleader.protocol.ids import OfferId

LEADER_POLL_S = 0.005
"""How exactly the time without a leader is measured."""
SETTLE_TIMEOUT_S = 5.0
"""Within it a framework that came back has been told of every offer it holds; the
client library itself gives up on one only after two heartbeats, 30 s."""
SETTLE_POLL_S = 0.02

HeldOffers = Callable[[], set[OfferId]]
"""The offers in a framework's hands right now."""


@attrs.frozen(kw_only=True)
class KillRecord:
    """What one kill did.

    Attributes:
        leaderless_s: From SIGKILL to the first moment another node says it leads.
        offers_carried: Offers outstanding before the kill that are outstanding
            under the same id with the new leader.
        problems: What was not as it should be, in words.
    """

    leader: str
    successor: str
    leaderless_s: float
    offers_carried: int
    problems: tuple[str, ...]


async def kill_leader(
    cluster: LocalCluster, spectator: Spectator, workers_held: HeldOffers
) -> KillRecord:
    """Wait until the cluster is whole and an offer is held; kill; see what is left.

    The killed node is being started again when this returns. Raises
    LocalClusterError when no other node leads in time.
    """
    await cluster.wait_ready()
    problems: list[str] = []
    if not await spectator.take_offers():
        problems.append("the spectator was offered nothing before the kill")
    leader = await cluster.wait_leader()  # it may have changed by itself meanwhile
    before = await offers_of(cluster)
    held = spectator.held
    killed_at = trio.current_time()
    cluster.kill(leader)
    successor = await cluster.wait_leader(besides=leader, interval_s=LEADER_POLL_S)
    leaderless_s = trio.current_time() - killed_at
    after = await offers_of(cluster)
    cluster.restart(leader)

    def known() -> set[OfferId]:
        return spectator.held | workers_held()

    forgotten = await forgotten_offers(before.keys() - after.keys(), known)
    problems += [
        f"offer {offer_id} of {before[offer_id]} was forgotten by {successor}"
        for offer_id in sorted(forgotten)
    ]
    unexplained = held - after.keys() - spectator.rescinded_ids
    problems += [
        f"offer {offer_id} of the spectator is neither carried over nor rescinded"
        for offer_id in sorted(unexplained - forgotten)
    ]
    await spectator.give_back()
    return KillRecord(
        leader=leader,
        successor=successor,
        leaderless_s=leaderless_s,
        offers_carried=len(before.keys() & after.keys()),
        problems=tuple(problems),
    )


async def forgotten_offers(gone: set[OfferId], known: HeldOffers) -> set[OfferId]:
    """Of the offers the new leader does not have, those a framework goes on holding.

    A framework that used one, or was told that it is rescinded, holds it no more.
    """
    with trio.move_on_after(SETTLE_TIMEOUT_S):
        while gone & known():  # noqa: ASYNC110 - the drivers' books have no event
            await trio.sleep(SETTLE_POLL_S)
    return gone & known()


async def offers_of(cluster: LocalCluster) -> Mapping[OfferId, str]:
    """The outstanding offers as the leader knows them: id to framework id."""
    document = await cluster.client.get(f"{API}/offers")
    return {
        OfferId(row["id"]): str(row.get("framework_id", "?"))
        for row in rows_of(document, "offers")
    }
