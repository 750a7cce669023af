"""A protected item as the vault keeps it: the state it is in, and what its jobs are about."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import (
    AZURE,
    FABRICS,
    ITEMS,
)
from lab.azure.site_recovery.items.lifecycle import STATES, State
from lab.azure.site_recovery.jobs.jobs import Target

SEGMENT = "replicationProtectedItems"
RECOVERY_FABRIC = "d49858f157601230a6ac5862fbbc6e63bf38d23ecd96cf953767945d457fe9d5"
RECOVERY_CONTAINER = "d38048d4-b460-4791-8ece-108395ee8478"


def state_of(item: Json) -> State:
    """The state that an item is in."""
    return STATES[item["state"]]


def enter_state(lab: Lab, item: Json, state: State, job: Json | None = None, scenario: str | None = None) -> None:
    """Put an item into a state; with a job it is busy with it, under its scenario's name or another."""
    item["state"] = state.name
    item["scenario"] = job and {"name": scenario or job["kind"], "job": job["id"], "startTime": job["starts"]}
    lab.store.put(ITEMS, item["id"], item)


def item_of(lab: Lab, job: Json) -> Json | None:
    """The item that a job works on; None if it no longer exists."""
    return lab.store.get(ITEMS, job["item"])


def target_of(item: Json) -> Target:
    """What the jobs of an item are about."""
    return Target(item["vmId"], item["friendlyName"], item["id"])


def facts_of(lab: Lab, item: Json) -> Json:
    """What the jobs of an item keep of it."""
    return {"item": item["id"], "affected": affected_object(lab, item)}


def affected_object(lab: Lab, item: Json) -> Json:
    """affectedObjectDetails of the jobs of an item: the fifteen keys as recorded."""
    fabric = lab.store.get(FABRICS, item["fabric"]) or {}
    return {
        "PrimaryVmId": item["vmId"],
        "PrimaryVmName": item["friendlyName"],
        "RecoveryVmId": "",
        "RecoveryVmName": item["friendlyName"],
        "ProtectionProfileId": lab.fixed_id("policy", item["policy"]),
        "PrimaryCloudId": item["container"].rpartition("/")[2],
        "PrimaryCloudName": fabric.get("friendlyName"),
        "RecoveryCloudId": RECOVERY_CONTAINER,
        "RecoveryCloudName": AZURE,
        "PrimaryVmmId": fabric.get("siteId"),
        "PrimaryVmmName": fabric.get("friendlyName"),
        "RecoveryVmmId": "21a9403c-6ec1-44f2-b744-b4e50b792387",
        "RecoveryVmmName": AZURE,
        "PrimaryFabricProviderId": "HyperVSite",
        "RecoveryFabricProviderId": "Azure",
    }
