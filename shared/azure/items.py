"""What the vault says of a protected item, as far as decisions need it."""

from datetime import timedelta

from shared.azure.wire import Json, part, text, utc
from shared.messages import ItemView

HYPER_V_TO_AZURE = "HyperVReplicaAzure"


def is_ours(item: Json) -> bool:
    """Whether it is a Hyper-V machine that replicates to Azure: a vault may hold machines of other kinds."""
    return bool(_details(item).get("instanceType") == HYPER_V_TO_AZURE)


def item_view(item: Json) -> ItemView:
    """Read an item; what the vault leaves out or sends as null takes the message's default."""
    properties, details = part(item, "properties"), _details(item)
    rpo = details.get("rpoInSeconds")
    return ItemView(
        id=item["id"],
        vm=text(properties.get("friendlyName")),
        protection_state=text(properties.get("protectionState")),
        active_location=properties.get("activeLocation") or "Primary",
        test_failover_state=properties.get("testFailoverState") or "None",
        allowed_operations=tuple(properties.get("allowedOperations") or ()),
        scenario=part(properties, "currentScenario").get("scenarioName") or "None",
        replication_health=properties.get("replicationHealth") or "None",
        rpo=None if rpo is None else timedelta(seconds=int(rpo)),
        last_recovery_point=utc(details.get("lastRecoveryPointReceived")),
        azure_vm=text(details.get("recoveryAzureVmName")),
        target_group=text(details.get("recoveryAzureResourceGroupId")),
        host_provider=text(properties.get("recoveryServicesProviderId")),
        last_test_failover=utc(properties.get("lastSuccessfulTestFailoverTime")),
    )


def machine_guid(item: Json) -> str:
    """The virtual machine's GUID: what jobs name as their targetObjectId."""
    return text(_details(item).get("vmId"))


def current_job(item: Json) -> str:
    """Name of the job that occupies the item, empty when it is idle."""
    job = text(part(item, "properties", "currentScenario").get("jobId")).rpartition("/")[2]
    return "" if job == "None" else job


def _details(item: Json) -> Json:
    return part(item, "properties", "providerSpecificDetails")
