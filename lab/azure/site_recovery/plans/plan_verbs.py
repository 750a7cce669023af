"""The verbs of recovery plans over HTTP; what they set off is in `plan_runs`."""

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import PLANS, SITE_RECOVERY, caller_of, require_record
from lab.azure.site_recovery.api.errors import direction_error, input_error
from lab.azure.site_recovery.api.request_fields import (
    TO_AZURE,
    TO_PRIMARY,
    read_comments,
    read_failback_options,
    read_network,
    read_source_operations,
    require_details,
    require_direction,
    require_properties,
)
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.job_faults import facts_of_fault
from lab.azure.site_recovery.plans.plan_runs import Verb, begin_run
from lab.azure.site_recovery.plans.plans import PLAN, SEGMENT


def _list_of_details(request: ArmRequest, body: Json, *types: str) -> Json:
    """The first of providerSpecificDetails, which at the level of a plan is a list.

    Raises:
        ArmError: 400 when it is no list or names another provider.
    """
    given = body.get("providerSpecificDetails")
    if not isinstance(given, list) or not given:
        raise input_error("'providerSpecificDetails' must be a list.", caller_of(request))
    return require_details(request, {"providerSpecificDetails": given[0]}, *types)


def _begin_verb(lab: Lab, request: ArmRequest, verb: Verb) -> Answer:
    """Begin a plan's job."""
    plan = require_record(lab, request, PLANS, SEGMENT)
    effect = lab.faults.job_effect(request.verb, request.item, request.path, request.method)
    fault_facts = facts_of_fault(effect, verb.kind)
    return answer_with_job(lab, request, begin_run(lab, plan, verb, caller_of(request), fault_facts))


@SITE_RECOVERY.route("POST", PLAN + "/testFailover")
def start_test_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Test all machines of the plan."""
    body = require_properties(request)
    _require_to_azure(request, body)
    chosen = read_network(request, body)
    _list_of_details(request, body)
    return _begin_verb(lab, request, Verb("PlanTestFailover", "TestFailover", {"network": chosen, "point": None}))


@SITE_RECOVERY.route("POST", PLAN + "/testFailoverCleanup")
def clean_up_test_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Clean up after all machines' tests."""
    given = {"comments": read_comments(request)}
    return _begin_verb(lab, request, Verb("PlanTestFailoverCleanup", "TestFailoverCleanup", given))


@SITE_RECOVERY.route("POST", PLAN + "/plannedFailover")
def start_planned_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Fail the plan over, or back."""
    body = require_properties(request)
    if require_direction(request, body) == TO_PRIMARY:
        given = read_failback_options(request, _list_of_details(request, body, "HyperVReplicaAzureFailback"))
        return _begin_verb(lab, request, Verb("PlanFailback", "Failback", given, TO_PRIMARY))
    _list_of_details(request, body)
    return _begin_verb(lab, request, Verb("PlanPlannedFailover", "PlannedFailover", {"point": None}))


@SITE_RECOVERY.route("POST", PLAN + "/unplannedFailover")
def start_unplanned_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Fail the plan over without its site."""
    body = require_properties(request)
    _require_to_azure(request, body)
    source = read_source_operations(request, body)
    _list_of_details(request, body)
    return _begin_verb(
        lab, request, Verb("PlanUnplannedFailover", "UnplannedFailover", {"point": None, "source": source})
    )


@SITE_RECOVERY.route("POST", PLAN + "/failoverCommit")
def commit_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Commit the failover or the failback of all machines."""
    return _begin_verb(lab, request, Verb("PlanCommitFailover", "Commit", {}))


@SITE_RECOVERY.route("POST", PLAN + "/reProtect")
def reprotect_plan(lab: Lab, request: ArmRequest) -> Answer:
    """Replicate all machines to Azure again."""
    return _begin_verb(lab, request, Verb("PlanReverseReplication", "ReverseReplicate", {}))


@SITE_RECOVERY.route("POST", PLAN + "/failoverCancel")
def cancel_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Give the failover of all machines up."""
    return _begin_verb(lab, request, Verb("PlanCancelFailover", "CancelFailover", {}))


def _require_to_azure(request: ArmRequest, body: Json) -> None:
    if require_direction(request, body) != TO_AZURE:
        raise direction_error(caller_of(request))
