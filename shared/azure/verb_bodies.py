"""What each verb is sent with, to a protected item and to a recovery plan.

Source: the inputs of api-version 2025-08-01.
"""

from typing import Any

from shared.azure.json_fields import Json
from shared.azure.protected_items import HYPER_V_TO_AZURE
from shared.errors import Refused
from shared.recovery.contract import StartRecoveryPlan
from shared.recovery_plans.parts import TO_AZURE, TO_PRIMARY
from shared.site_recovery.contract import StartVerbs
from shared.site_recovery.recovery_points import RecoveryPoint
from shared.site_recovery.verb_options import AZURE_DATA_SYNC

AZURE_TO_HYPER_V = "HyperVReplicaAzureFailback"


def item_verb_body(request: StartVerbs, point: RecoveryPoint | None, provider: str = "") -> Json | None:
    """The body of a verb for a protected item; None for a commit and a cancellation, which have none.

    Args:
        point: The recovery point to start from; None to leave it to the vault.
        provider: For a Failback that may make the VM: ARM id of its host's provider. Azure PowerShell sends it with
            CreateVmIfNotFound to a Hyper-V site, and only then.
    """
    if request.verb in {"Commit", "CancelFailover"}:
        return None
    if request.verb == "ChangePit" and point:
        details = {"instanceType": HYPER_V_TO_AZURE}
        return {"properties": {"recoveryPointId": point.id, "providerSpecificDetails": details}}
    if request.verb == "Failback":
        provider_choice = {"providerIdForAlternateRecovery": provider} if request.options.create_vm and provider else {}
        creation = "CreateVmIfNotFound" if request.options.create_vm else "NoAction"
        return _verb_body(request, _failback_details(request, creation) | provider_choice)
    return _verb_body(request, {"instanceType": HYPER_V_TO_AZURE} | ({"recoveryPointId": point.id} if point else {}))


def plan_verb_body(request: StartRecoveryPlan) -> Json | None:
    """The body of a verb for a recovery plan, where its details are a list; None for a verb that has none."""
    if request.verb in {"Commit", "CancelFailover", "ReverseReplicate"}:
        return None
    if request.verb == "Failback":
        return _verb_body(request, [_failback_details(request, "NoAction")])
    return _verb_body(request, [{"instanceType": HYPER_V_TO_AZURE, "recoveryPointType": request.point_type}])


def require_drill_network(request: StartVerbs | StartRecoveryPlan) -> None:
    """Let pass every verb but a test failover without a network.

    Raises:
        Refused: it would tell nothing.
    """
    if request.verb == "TestFailover" and not request.network_id:
        raise Refused("no-drill-network", "a test failover needs an isolated network: name one in the plan's drill")


def _failback_details(request: StartVerbs | StartRecoveryPlan, creation: str) -> dict[str, str]:
    data_sync = AZURE_DATA_SYNC[request.options.data_sync]
    return {"instanceType": AZURE_TO_HYPER_V, "dataSyncOption": data_sync, "recoveryVmCreationOption": creation}


def _verb_body(request: StartVerbs | StartRecoveryPlan, details: Any) -> Json:
    if request.verb == "TestFailoverCleanup":
        return {"properties": {"comments": request.operation}}
    properties = {
        "failoverDirection": TO_PRIMARY if request.verb == "Failback" else TO_AZURE,
        "providerSpecificDetails": details,
    }
    if request.verb == "TestFailover":
        properties |= {"networkType": "VmNetworkAsInput", "networkId": request.network_id}
    if request.verb == "UnplannedFailover":
        properties |= {"sourceSiteOperations": "Required" if request.options.shuts_down_source else "NotRequired"}
    return {"properties": properties}
