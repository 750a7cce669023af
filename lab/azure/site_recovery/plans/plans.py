"""Recovery plans: how one is saved, changed and shown. What its verbs do is in `plan_runs`."""

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    AZURE,
    FABRICS,
    ITEMS,
    PLANS,
    SITE_RECOVERY,
    VAULT,
    caller_of,
    own_id,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_get, serve_vault_list
from lab.azure.site_recovery.api.errors import input_error, missing_error
from lab.azure.site_recovery.api.request_fields import (
    TO_AZURE,
    TO_PRIMARY,
    require_choice,
    require_properties,
    require_text,
)
from lab.azure.site_recovery.items.items import state_of
from lab.azure.site_recovery.items.lifecycle import TEST_PENDING, find_step
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.jobs import Target, begin_job, when
from lab.azure.site_recovery.jobs.operation_results import serve_results

SEGMENT = "replicationRecoveryPlans"
PLAN = VAULT + f"/{SEGMENT}/{{plan}}"
GROUP_TYPES = ("Shutdown", "Failover", "Boot")
ACTION_TYPES = ("AutomationRunbookActionDetails", "ManualActionDetails", "ScriptActionDetails")
OPERATIONS = (
    "ReverseReplicate",
    "Commit",
    "PlannedFailover",
    "UnplannedFailover",
    "DisableProtection",
    "TestFailover",
    "TestFailoverCleanup",
    "Failback",
    "FinalizeFailback",
    "CancelFailover",
    "ChangePit",
    "RepairReplication",
    "SwitchProtection",
    "CompleteMigration",
)
"""The API's own words for failoverTypes (specified)."""
_MOST_BOOT_GROUPS = 7
"""Assumed."""
_MOST_ITEMS = 100
"""Documented: Azure Site Recovery, "About recovery plans"."""
_TIMES = ("lastPlannedFailoverTime", "lastUnplannedFailoverTime", "lastTestFailoverTime")


def members_of(lab: Lab, plan: Json) -> list[Json]:
    """The items of a plan that are still protected, in the order of its groups."""
    found = (lab.store.get(ITEMS, member) for member in plan["members"])
    return [item for item in found if item is not None]


def target_of(plan: Json) -> Target:
    """What the jobs of a plan are about."""
    return Target(plan["guid"], plan["name"], plan["id"])


def allowed_operations(lab: Lab, plan: Json) -> list[str]:
    """What the plan as a whole allows; as specified, it does not distinguish directions."""
    states = [state_of(item) for item in members_of(lab, plan)]
    if TEST_PENDING in states:
        return ["TestFailoverCleanup"]
    allowed = ["PlannedFailover", "UnplannedFailover", "TestFailover"]
    if any(find_step("Commit", state) or find_step("FinalizeFailback", state) for state in states):
        allowed.append("Commit")
    if any(find_step("ReverseReplicate", state) for state in states):
        allowed.append("ReverseReplicate")
    return allowed


def plan_document(lab: Lab, plan: Json, *, groups: bool = True) -> Json:
    """A plan as GET shows it; a list shows no groups."""
    fabric = lab.store.get(FABRICS, plan["fabric"]) or {}
    properties_of = {
        "friendlyName": plan["name"],
        "primaryFabricId": plan["fabric"],
        "primaryFabricFriendlyName": fabric.get("friendlyName"),
        "recoveryFabricId": AZURE,
        "recoveryFabricFriendlyName": AZURE,
        "failoverDeploymentModel": "ResourceManager",
        "replicationProviders": ["HyperVReplicaAzure"],
        "allowedOperations": allowed_operations(lab, plan),
        "currentScenario": plan["scenario"],
        "currentScenarioStatus": plan["status"],
        "currentScenarioStatusDescription": plan["statusDescription"],
        "groups": plan["groups"] if groups else [],
        "providerSpecificDetails": [],
    }
    properties_of |= {key: plan[key] for key in _TIMES if plan.get(key)}
    return {"id": plan["id"], "name": plan["name"], "type": type_of(plan["id"]), "properties": properties_of}


@SITE_RECOVERY.route("PUT", PLAN)
def save_plan(lab: Lab, request: ArmRequest) -> Answer:
    """Save a plan of items of one site."""
    body = require_properties(request)
    require_choice(request, body, "recoveryFabricId", (AZURE,))
    fabric = lab.store.get(FABRICS, own_id(require_text(request, body, "primaryFabricId")))
    if fabric is None:
        raise missing_error(str(body["primaryFabricId"]).rpartition("/")[2], caller_of(request))
    groups = _require_groups(lab, request, body, fabric["id"])
    arm_id = own_id(request.path)
    target = Target(lab.fixed_id("plan", arm_id), request.params["plan"], arm_id)
    facts: Json = {"input": {"groups": groups, "fabric": fabric["id"]}}
    return answer_with_job(
        lab, request, begin_job(lab, vault_of(request), "SaveRecoveryPlan", target, caller_of(request), **facts)
    )


@SITE_RECOVERY.route("PATCH", PLAN)
def update_plan(lab: Lab, request: ArmRequest) -> Answer:
    """Replace the groups of a plan."""
    plan = require_record(lab, request, PLANS, SEGMENT)
    facts: Json = {
        "input": {
            "groups": _require_groups(lab, request, require_properties(request), plan["fabric"]),
            "fabric": plan["fabric"],
        }
    }
    return answer_with_job(
        lab,
        request,
        begin_job(lab, vault_of(request), "UpdateRecoveryPlan", target_of(plan), caller_of(request), **facts),
    )


@SITE_RECOVERY.route("DELETE", PLAN)
def delete_plan(lab: Lab, request: ArmRequest) -> Answer:
    """Delete a plan; its items stay."""
    plan = require_record(lab, request, PLANS, SEGMENT)
    return answer_with_job(
        lab, request, begin_job(lab, vault_of(request), "DeleteRecoveryPlan", target_of(plan), caller_of(request))
    )


@when("SaveRecoveryPlan", "Succeeded")
@when("UpdateRecoveryPlan", "Succeeded")
def keep_plan(lab: Lab, job: Json) -> None:
    """The plan is saved."""
    groups = job["input"]["groups"]
    old = lab.store.get(PLANS, job["resource"])
    plan = old or {"scenario": None, "status": None, "statusDescription": None}
    plan |= {"id": job["resource"], "name": job["targetName"], "guid": job["target"], "vault": job["vault"]}
    members = [entry["id"].lower() for group in groups for entry in group["replicationProtectedItems"]]
    lab.store.put(
        PLANS, job["resource"], plan | {"fabric": job["input"]["fabric"], "groups": groups, "members": members}
    )


@when("DeleteRecoveryPlan", "Succeeded")
def forget_plan(lab: Lab, job: Json) -> None:
    """The plan is deleted."""
    lab.store.delete(PLANS, job["resource"])


def _require_groups(lab: Lab, request: ArmRequest, body: Json, fabric: str) -> list[Json]:
    """The groups as the service keeps them: Shutdown and Failover in front, machines by their GUID.

    Raises:
        ArmError: 400 or 404 for groups that cannot be.
    """
    given = body.get("groups")
    if not isinstance(given, list) or not given:
        raise input_error("'groups' is required.", caller_of(request))
    groups = [_read_group(lab, request, group, fabric) for group in given]
    boots = [group for group in groups if group["groupType"] == "Boot"]
    if len(boots) > _MOST_BOOT_GROUPS or sum(len(each["replicationProtectedItems"]) for each in groups) > _MOST_ITEMS:
        raise input_error("A recovery plan has at most 7 groups and 100 machines.", caller_of(request))
    named = [entry["id"] for group in groups for entry in group["replicationProtectedItems"]]
    if len(set(named)) < len(named):
        raise input_error("A machine is in a recovery plan once only.", caller_of(request))
    fronts = [_first_of_type(groups, kind) for kind in ("Shutdown", "Failover")]
    return [*fronts, *boots]


def _first_of_type(groups: list[Json], kind: str) -> Json:
    empty = {"groupType": kind, "replicationProtectedItems": [], "startGroupActions": [], "endGroupActions": []}
    return next((group for group in groups if group["groupType"] == kind), empty)


def _read_group(lab: Lab, request: ArmRequest, group: Json, fabric: str) -> Json:
    return {
        "groupType": require_choice(request, group, "groupType", GROUP_TYPES),
        "replicationProtectedItems": [
            _read_member(lab, request, entry, fabric) for entry in group.get("replicationProtectedItems") or []
        ],
        "startGroupActions": [_read_action(request, action) for action in group.get("startGroupActions") or []],
        "endGroupActions": [_read_action(request, action) for action in group.get("endGroupActions") or []],
    }


def _read_member(lab: Lab, request: ArmRequest, entry: Json, fabric: str) -> Json:
    item = lab.store.get(ITEMS, own_id(require_text(request, entry, "id")))
    if item is None:
        raise missing_error(str(entry["id"]).rpartition("/")[2], caller_of(request))
    if item["fabric"].lower() != fabric.lower():
        raise input_error(f"'{item['friendlyName']}' is not of the plan's primary fabric.", caller_of(request))
    return {"id": item["id"], "virtualMachineId": item["vmId"]}


def _read_action(request: ArmRequest, action: Json) -> Json:
    details = action.get("customDetails")
    if not isinstance(details, dict):
        raise input_error("'customDetails' is required.", caller_of(request))
    kind = require_choice(request, details, "instanceType", ACTION_TYPES)
    if kind != "ManualActionDetails":
        require_choice(request, details, "fabricLocation", ("Primary", "Recovery"))
    if kind == "ScriptActionDetails":
        require_text(request, details, "path")
    return {
        "actionName": require_text(request, action, "actionName"),
        "failoverTypes": _require_words(request, action, "failoverTypes", OPERATIONS),
        "failoverDirections": _require_words(request, action, "failoverDirections", (TO_AZURE, TO_PRIMARY)),
        "customDetails": details,
    }


def _require_words(request: ArmRequest, body: Json, name: str, choices: tuple[str, ...]) -> list[str]:
    """A list that has to be there, of these words.

    Raises:
        ArmError: 400.
    """
    given = body.get(name)
    if not isinstance(given, list) or not all(one in choices for one in given):
        raise input_error(f"'{name}' is a list of {', '.join(choices)}.", caller_of(request))
    return given


serve_vault_list(SEGMENT, PLANS, lambda lab, plan: plan_document(lab, plan, groups=False))
serve_get(PLAN, PLANS, plan_document)
serve_results(PLAN, PLANS, plan_document)
