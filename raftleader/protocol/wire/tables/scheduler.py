"""The scheduler API: calls, events, offer constraints."""

from __future__ import annotations

PACKAGE = "scheduler"
TABLE = """\
Event: type Type 1, subscribed Subscribed 2, offers Offers 3,
    inverse_offers InverseOffers 9, rescind Rescind 4,
    rescind_inverse_offer RescindInverseOffer 10, update Update 5,
    update_operation_status UpdateOperationStatus 11, message Message 6,
    failure Failure 7, error Error 8
enum Event.Type: UNKNOWN 0, SUBSCRIBED 1, OFFERS 2, INVERSE_OFFERS 9, RESCIND 3,
    RESCIND_INVERSE_OFFER 10, UPDATE 4, UPDATE_OPERATION_STATUS 11, MESSAGE 5,
    FAILURE 6, ERROR 7, HEARTBEAT 8
Event.Subscribed: framework_id! FrameworkID 1, heartbeat_interval_seconds double 2,
    master_info MasterInfo 3
Event.Offers: offers* Offer 1
Event.InverseOffers: inverse_offers* InverseOffer 1
Event.Rescind: offer_id! OfferID 1
Event.RescindInverseOffer: inverse_offer_id! OfferID 1
Event.Update: status! TaskStatus 1
Event.UpdateOperationStatus: status! OperationStatus 1
Event.Message: agent_id! AgentID 1, executor_id! ExecutorID 2, data! bytes 3
Event.Failure: agent_id AgentID 1, executor_id ExecutorID 2, status int32 3
Event.Error: message! string 1
Response: type Type 1, reconcile_operations ReconcileOperations 2
enum Response.Type: UNKNOWN 0, RECONCILE_OPERATIONS 1
Response.ReconcileOperations: operation_statuses* OperationStatus 1
AttributeConstraint: selector! Selector 1, predicate! Predicate 2
AttributeConstraint.Selector: pseudoattribute_type PseudoattributeType 1,
    attribute_name string 2
enum AttributeConstraint.Selector.PseudoattributeType: UNKNOWN 0, HOSTNAME 1,
    REGION 2, ZONE 3
AttributeConstraint.Predicate: exists Exists 1, not_exists NotExists 2,
    text_equals TextEquals 3, text_not_equals TextNotEquals 4,
    text_matches TextMatches 5, text_not_matches TextNotMatches 6
AttributeConstraint.Predicate.Exists:
AttributeConstraint.Predicate.NotExists:
AttributeConstraint.Predicate.TextEquals: value! string 1
AttributeConstraint.Predicate.TextNotEquals: value! string 1
AttributeConstraint.Predicate.TextMatches: regex! string 1
AttributeConstraint.Predicate.TextNotMatches: regex! string 1
OfferConstraints: role_constraints {RoleConstraints} 1
OfferConstraints.RoleConstraints: groups* Group 1
OfferConstraints.RoleConstraints.Group: attribute_constraints* AttributeConstraint 1
Call: framework_id FrameworkID 1, type Type 2, subscribe Subscribe 3, accept Accept 4,
    decline Decline 5, accept_inverse_offers AcceptInverseOffers 13,
    decline_inverse_offers DeclineInverseOffers 14, revive Revive 15, kill Kill 6,
    shutdown Shutdown 7, acknowledge Acknowledge 8,
    acknowledge_operation_status AcknowledgeOperationStatus 17, reconcile Reconcile 9,
    reconcile_operations ReconcileOperations 18, message Message 10,
    request Request 11, suppress Suppress 16, update_framework UpdateFramework 19
enum Call.Type: UNKNOWN 0, SUBSCRIBE 1, TEARDOWN 2, ACCEPT 3, DECLINE 4,
    ACCEPT_INVERSE_OFFERS 13, DECLINE_INVERSE_OFFERS 14, REVIVE 5, KILL 6, SHUTDOWN 7,
    ACKNOWLEDGE 8, ACKNOWLEDGE_OPERATION_STATUS 15, RECONCILE 9,
    RECONCILE_OPERATIONS 16, MESSAGE 10, REQUEST 11, SUPPRESS 12, UPDATE_FRAMEWORK 17
Call.Subscribe: framework_info! FrameworkInfo 1, suppressed_roles* string 2,
    offer_constraints OfferConstraints 3
Call.Accept: offer_ids* OfferID 1, operations* Offer.Operation 2, filters Filters 3
Call.Decline: offer_ids* OfferID 1, filters Filters 2
Call.AcceptInverseOffers: inverse_offer_ids* OfferID 1, filters Filters 2
Call.DeclineInverseOffers: inverse_offer_ids* OfferID 1, filters Filters 2
Call.Revive: roles* string 1
Call.Kill: task_id! TaskID 1, agent_id AgentID 2, kill_policy KillPolicy 3
Call.Shutdown: executor_id! ExecutorID 1, agent_id! AgentID 2
Call.Acknowledge: agent_id! AgentID 1, task_id! TaskID 2, uuid! bytes 3
Call.AcknowledgeOperationStatus: agent_id AgentID 1,
    resource_provider_id ResourceProviderID 2, uuid! bytes 3,
    operation_id! OperationID 4
Call.Reconcile: tasks* Task 1
Call.Reconcile.Task: task_id! TaskID 1, agent_id AgentID 2
Call.ReconcileOperations: operations* Operation 1
Call.ReconcileOperations.Operation: operation_id! OperationID 1, agent_id AgentID 2,
    resource_provider_id ResourceProviderID 3
Call.Message: agent_id! AgentID 1, executor_id! ExecutorID 2, data! bytes 3
Call.Request: requests* mesos.Request 1
Call.Suppress: roles* string 1
Call.UpdateFramework: framework_info! FrameworkInfo 1, suppressed_roles* string 2,
    offer_constraints OfferConstraints 3
APIResult: status_code! uint32 1, response Response 2, error string 3
"""
