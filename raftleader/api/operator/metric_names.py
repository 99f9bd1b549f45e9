"""Parts of Mesos' names of metrics."""

from __future__ import annotations

from urllib.parse import quote

from raftleader.protocol import scheduler_api as api
from raftleader.protocol.tasks import Reason, Source
from raftleader.protocol.wire.schema import labels_of

Metrics = dict[str, float]
"""By name."""

CALL_NAMES: dict[type, str] = {
    api.Subscribe: "subscribe",
    api.Teardown: "teardown",
    api.Accept: "accept",
    api.Decline: "decline",
    api.AcceptInverseOffers: "accept_inverse_offers",
    api.DeclineInverseOffers: "decline_inverse_offers",
    api.Revive: "revive",
    api.Kill: "kill",
    api.ShutdownExecutor: "shutdown",
    api.Acknowledge: "acknowledge",
    api.AcknowledgeOperation: "acknowledge_operation_status",
    api.Reconcile: "reconcile",
    api.ReconcileOperations: "reconcile_operations",
    api.SendMessage: "message",
    api.RequestResources: "request",
    api.Suppress: "suppress",
    api.UpdateFramework: "update_framework",
}
EVENT_NAMES: dict[type, str] = {
    api.Subscribed: "subscribed",
    api.Offers: "offers",
    api.InverseOffers: "inverse_offers",
    api.Rescind: "rescind",
    api.RescindInverseOffer: "rescind_inverse_offer",
    api.Update: "update",
    api.OperationUpdate: "update_operation_status",
    api.Message: "message",
    api.Failure: "failure",
    api.Error: "error",
    api.Heartbeat: "heartbeat",
}
OPERATION_TYPES = tuple(
    sorted(set(labels_of("mesos.Offer.Operation.Type")) - {"UNKNOWN"})
)
"""Types of operations, Mesos' names for them."""


def framework_prefix(name: str, framework_id: str) -> str:
    """Where the metrics of a framework are. Mesos keeps other characters of a name as
    they are than Python does."""
    encoded = quote(name, safe="-_.!*'()").replace("~", "%7E")
    return f"master/frameworks/{encoded}/{framework_id}/"


def source_name(source: Source) -> str:
    """Metrics have the words of Mesos' old API."""
    return source.value.replace("AGENT", "SLAVE").lower()


def reason_name(reason: Reason) -> str:
    """See ``source_name``."""
    return reason.value.replace("AGENT", "SLAVE").lower()
