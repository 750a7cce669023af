"""The verbs of recovery plans over HTTP; what they set off is in `plan_runs`."""

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import PLANS, SITE_RECOVERY, asker, require
from lab.azure.site_recovery.api.errors import wrong_direction, wrong_input
from lab.azure.site_recovery.api.request_fields import (
    TO_AZURE,
    TO_PRIMARY,
    details,
    direction,
    failback_options,
    network,
    properties,
    source_operations,
)
from lab.azure.site_recovery.jobs.accepted import taken
from lab.azure.site_recovery.jobs.job_faults import wishes
from lab.azure.site_recovery.plans.plan_runs import Verb, begin_run
from lab.azure.site_recovery.plans.plans import PLAN, SEGMENT


def _list_of_details(ask: Ask, body: Json, *types: str) -> Json:
    """The first of providerSpecificDetails, which at the level of a plan is a list.

    Raises:
        ArmError: 400 when it is no list or names another provider.
    """
    given = body.get("providerSpecificDetails")
    if not isinstance(given, list) or not given:
        raise wrong_input("'providerSpecificDetails' must be a list.", asker(ask))
    return details(ask, {"providerSpecificDetails": given[0]}, *types)


def _run(lab: Lab, ask: Ask, verb: Verb) -> Answer:
    """Begin a plan's job."""
    plan = require(lab, ask, PLANS, SEGMENT)
    wish = wishes(lab.faults.job_effect(ask.verb, ask.item, ask.path), verb.kind)
    return taken(lab, ask, begin_run(lab, plan, verb, asker(ask), wish))


@SITE_RECOVERY.route("POST", PLAN + "/testFailover")
def start_test_failover(lab: Lab, ask: Ask) -> Answer:
    """Test all machines of the plan."""
    body = properties(ask)
    _require_to_azure(ask, body)
    chosen = network(ask, body)
    _list_of_details(ask, body)
    return _run(lab, ask, Verb("PlanTestFailover", "TestFailover", {"network": chosen, "point": None}))


@SITE_RECOVERY.route("POST", PLAN + "/testFailoverCleanup")
def clean_up_test_failover(lab: Lab, ask: Ask) -> Answer:
    """Clean up after all machines' tests."""
    given = {"comments": properties(ask).get("comments")}
    return _run(lab, ask, Verb("PlanTestFailoverCleanup", "TestFailoverCleanup", given))


@SITE_RECOVERY.route("POST", PLAN + "/plannedFailover")
def start_planned_failover(lab: Lab, ask: Ask) -> Answer:
    """Fail the plan over, or back."""
    body = properties(ask)
    if direction(ask, body) == TO_PRIMARY:
        given = failback_options(ask, _list_of_details(ask, body, "HyperVReplicaAzureFailback"))
        return _run(lab, ask, Verb("PlanFailback", "Failback", given, TO_PRIMARY))
    _list_of_details(ask, body)
    return _run(lab, ask, Verb("PlanPlannedFailover", "PlannedFailover", {"point": None}))


@SITE_RECOVERY.route("POST", PLAN + "/unplannedFailover")
def start_unplanned_failover(lab: Lab, ask: Ask) -> Answer:
    """Fail the plan over without its site."""
    body = properties(ask)
    _require_to_azure(ask, body)
    source = source_operations(ask, body)
    _list_of_details(ask, body)
    return _run(lab, ask, Verb("PlanUnplannedFailover", "UnplannedFailover", {"point": None, "source": source}))


@SITE_RECOVERY.route("POST", PLAN + "/failoverCommit")
def commit_failover(lab: Lab, ask: Ask) -> Answer:
    """Commit the failover or the failback of all machines."""
    return _run(lab, ask, Verb("PlanCommitFailover", "Commit", {}))


@SITE_RECOVERY.route("POST", PLAN + "/reProtect")
def reprotect(lab: Lab, ask: Ask) -> Answer:
    """Replicate all machines to Azure again."""
    return _run(lab, ask, Verb("PlanReverseReplication", "ReverseReplicate", {}))


@SITE_RECOVERY.route("POST", PLAN + "/failoverCancel")
def cancel_failover(lab: Lab, ask: Ask) -> Answer:
    """Give the failover of all machines up."""
    return _run(lab, ask, Verb("PlanCancelFailover", "CancelFailover", {}))


def _require_to_azure(ask: Ask, body: Json) -> None:
    if direction(ask, body) != TO_AZURE:
        raise wrong_direction(asker(ask))
