"""The recovery plans of a vault: listed, read, made, changed and deleted. Functions over one handle."""

from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.vault import SDK_OPERATIONS, Vault
from shared.errors import Refused
from shared.recovery_plans.mirror import RUNNING
from shared.recovery_plans.parts import PlanPart
from shared.site_recovery.views import Verb

SCENARIOS = {"save": "SaveRecoveryPlan", "replace": "UpdateRecoveryPlan", "remove": "DeleteRecoveryPlan"}
"""scenarioName of the job that each write shows up as (recorded)."""


async def list_plans(vault: Vault) -> list[Json]:
    """Every recovery plan of the vault, without its groups: a list shows none (recorded)."""
    found, _ = await vault.list_collection("replicationRecoveryPlans")
    return found


async def find_plan(vault: Vault, name: str) -> Json | None:
    """One recovery plan with its groups, None when the vault has none of this name."""
    return await vault.find_one(vault.client.replication_recovery_plans.get, name)


async def start_plan_verb(vault: Vault, verb: Verb, name: str, body: Json | None, request_id: str) -> str:
    """Send a verb to a recovery plan; the job that does it.

    Raises:
        Refused: recovery plans have no such verb.
    """
    operation = getattr(vault.client.replication_recovery_plans, SDK_OPERATIONS.get(verb, ""), None)
    if operation is None:
        raise Refused("not-a-plan-verb", f"a recovery plan cannot do {verb}")
    return await vault.send_operation(operation, name, *([] if body is None else [body]), request_id=request_id)


async def create_plan(vault: Vault, part: PlanPart, request_id: str) -> str:
    """Ask for a new recovery plan; the job that makes it."""
    operation = vault.client.replication_recovery_plans.begin_create
    return await vault.send_operation(operation, part.name, part.to_create_body(), request_id=request_id)


async def replace_groups(vault: Vault, part: PlanPart, request_id: str) -> str:
    """Replace all groups of a recovery plan; the job that does it."""
    operation = vault.client.replication_recovery_plans.begin_update
    return await vault.send_operation(operation, part.name, part.to_update_body(), request_id=request_id)


async def delete_plan(vault: Vault, name: str, request_id: str) -> str:
    """Delete a recovery plan, whose machines stay protected; the job that does it."""
    operation = vault.client.replication_recovery_plans.begin_delete
    return await vault.send_operation(operation, name, request_id=request_id)


def running_scenario_of(plan: Json) -> str:
    """What is done with a recovery plan now, empty when nothing is."""
    properties = object_at(plan, "properties")
    if text_of(properties.get("currentScenarioStatus")) not in RUNNING:
        return ""
    return text_of(object_at(properties, "currentScenario").get("scenarioName")) or "a job"
