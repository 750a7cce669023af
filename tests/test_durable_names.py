"""What the engine keeps under a name is called so for ever: histories, states and messages on their way hold it."""

import re
from importlib import import_module
from pathlib import Path

import shared
from orchestrators.durable.entities import ENTITIES
from orchestrators.registry import ORCHESTRATORS
from shared.activity import Activity
from tests.app_functions import registered_functions

ROOT = Path(__file__).parents[1]

PINNED_ORCHESTRATORS = {
    "cancel",
    "change",
    "change-point",
    "change_hold",
    "change_lost_node",
    "check_health",
    "cleanup",
    "commit",
    "declare_document",
    "drill",
    "failback",
    "failover",
    "mirror",
    "notify",
    "preflight",
    "prepare",
    "prove_sources_off",
    "publish_event",
    "reconcile",
    "record_administration",
    "repair",
    "replication",
    "reprotect",
    "roundtrip",
    "settle_obligation",
    "verify",
    "watch_nodes",
}
PINNED_ENTITIES = {
    "cluster_queue",
    "cluster_vms",
    "documents",
    "event_counts",
    "holds",
    "leases",
    "lost_nodes",
    "lost_runs",
    "nodes",
    "notifications",
    "obligations",
    "plan_history",
    "recovery_plan_mirrors",
    "request_budget",
    "timer_looks",
}
PINNED_ACTIVITIES = {
    "check_begin",
    "check_seal",
    "check_recovery_points",
    "compute_preview",
    "create_extension",
    "end_hook_work",
    "ensure_in_vault",
    "ensure_resource",
    "ensure_role",
    "keep_recovery_points",
    "list_drill_resources",
    "log_acts_of_administration",
    "probe_vms",
    "publish_event",
    "purge_ended_runs",
    "read_awaited",
    "read_azure_resources_of_vms",
    "read_documents",
    "read_drill_network",
    "read_end_of_evidence_log",
    "read_failback_leftovers",
    "read_failure_cause",
    "read_hook_work",
    "read_items",
    "read_lease_holders",
    "read_locks",
    "read_lost_runs",
    "read_node_records",
    "read_node_script",
    "read_nodes",
    "read_protectable_items",
    "read_providers",
    "read_recovery_plan_job",
    "read_recovery_plans",
    "read_recovery_points",
    "read_registrations",
    "read_replications",
    "read_run_outcomes",
    "read_runs",
    "read_site_facts",
    "remove_extension",
    "remove_failback_leftovers",
    "remove_locks",
    "remove_node_script",
    "restore_locks",
    "resume_jobs",
    "run_hook",
    "seal_content",
    "seal_evidence_pack",
    "seal_lost_evidence_pack",
    "send_notification",
    "start_cleanup",
    "start_hook_work",
    "start_node_script",
    "start_recovery_plan",
    "change_replication",
    "start_run",
    "start_verbs",
    "watch_jobs",
    "write_evidence_records",
    "write_recovery_plan",
}


PINNED_FUNCTIONS = {
    "abort_all_operations",
    "change_recovery_plan",
    "decide_operation",
    "declare_lost_node",
    "delete_approval_policy",
    "delete_notification_rule",
    "delete_plan",
    "delete_site",
    "get_approval_policy",
    "get_evidence",
    "get_evidence_checkpoint",
    "get_evidence_key",
    "get_health",
    "get_hold",
    "get_hold_of_site",
    "get_me",
    "get_notification_rule",
    "get_openapi",
    "get_operation",
    "get_plan",
    "get_portfolio",
    "get_readiness",
    "get_recovery_plan",
    "get_replication",
    "get_replication_of_vm",
    "get_report",
    "get_site",
    "get_ui",
    "get_ui_file",
    "hold_everything",
    "list_administration",
    "hold_site",
    "lift_hold",
    "lift_hold_of_site",
    "list_approval_policies",
    "list_nodes",
    "list_notification_rules",
    "list_obligations",
    "list_operations",
    "list_plans",
    "list_sites",
    "on_azure_event",
    "put_approval_policy",
    "put_notification_rule",
    "put_plan",
    "put_site",
    "reconcile_timer",
    "repair_node",
    "settle_obligation_by_hand",
    "start_preflight",
    "start_prepare",
    "start_replication",
    "start_verb",
    "start_verify",
    "withdraw_lost_node",
}
"""Functions with a trigger of their own: deployments, alerts and Event Grid subscriptions name them."""


def activities() -> set[str]:
    package = Path(shared.__path__[0])
    modules = (".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py"))
    return {
        value.name
        for module in modules
        if not module.endswith("__init__")
        for value in vars(import_module(module)).values()
        if isinstance(value, Activity)
    }


def test_orchestrators_keep_their_names() -> None:
    assert set(ORCHESTRATORS) == PINNED_ORCHESTRATORS


def test_entities_keep_their_names() -> None:
    assert set(ENTITIES) == PINNED_ENTITIES


def test_activities_keep_their_names() -> None:
    assert activities() == PINNED_ACTIVITIES


def test_functions_keep_their_names() -> None:
    own_triggers = {"httpTrigger", "timerTrigger", "eventGridTrigger"}
    triggers = {one.get_function_name(): one.get_trigger() for one in registered_functions()}
    named = {name for name, trigger in triggers.items() if trigger and str(trigger.type) in own_triggers}
    assert named == PINNED_FUNCTIONS


def test_every_function_of_a_trigger_is_named_by_a_literal() -> None:
    for path in ROOT.glob("triggers/*.py"):
        text = path.read_text()
        triggers = re.findall(r"@bp\.(?:route|timer_trigger|event_grid_trigger)\(", text)
        named = re.findall(r'@bp\.function_name\("(\w+)"\)\n(?:@.*\n)+async def \1\(', text)
        assert len(named) == len(triggers), path.name


def test_no_durable_name_is_taken_from_a_function() -> None:
    product = [
        path for room in ("triggers", "orchestrators", "activities", "shared") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    taken = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in product
        for line in path.read_text().splitlines()
        if re.search(r"(?<!logging\.getLogger\()\b__(qual)?name__\b", line) and "handler.__name__" not in line
    }
    allowed = re.compile(r"if __name__ == |type\(\w+\)\.__name__|cls\.__name__|run_entity\.__name__ = name")
    assert {line for line in taken if not allowed.search(line)} == set()
