"""Gives the activities their bindings: the only place where they meet the Functions host."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import azure.durable_functions as df

from activities import (
    administration_log,
    drill_inventory,
    durable_runs,
    evidence,
    failback_leftovers,
    hooks,
    locks,
    lost_runs,
    node_diagnosis,
    nodes,
    notification_channels,
    notifications,
    preflight,
    prepare,
    previews,
    probes,
    recovery_plans,
    recovery_points,
    replication,
    run_retention,
    seals,
    start_recovery_plans,
    start_verbs,
    vault,
)
from shared.activity import Activity, RefusedCode, ThrottledWait
from shared.azure.errors import NOTED_REFUSALS
from shared.errors import Refused, SiteRecoveryError, Throttled, Transient, UnexpectedFailure
from shared.evidence import contract as evidence_contract
from shared.failback import leftovers as failback_contract
from shared.healing import contract as healing_contract
from shared.messages import Message
from shared.notifications import contract as notifications_contract
from shared.onboarding import contract as onboarding_contract
from shared.operations import contract as operations_contract
from shared.plans import contract as plans_contract
from shared.recovery import contract as recovery_contract
from shared.recovery_plans import contract as recovery_plans_contract
from shared.redaction import redact_text
from shared.replication import contract as replication_contract
from shared.site_recovery import contract as site_recovery_contract
from shared.telemetry.spans import CODE, RUN, mark_failed, start_activity_span

_LOG = logging.getLogger(__name__)
LONGEST_FAILURE = 1000
RUN_FIELDS = ("operation", "pack", "run")
"""Under which requests name the run that they belong to."""
ACTIVITIES: tuple[tuple[Activity[Any, Any], Callable[[Any], Awaitable[Any]]], ...] = (
    (site_recovery_contract.READ_ITEMS, vault.read_items),
    (site_recovery_contract.START_VERBS, start_verbs.start_verbs),
    (site_recovery_contract.WATCH_JOBS, vault.watch_jobs),
    (site_recovery_contract.RESUME_JOBS, vault.resume_jobs),
    (site_recovery_contract.READ_PROVIDERS, vault.read_providers),
    (recovery_contract.PROBE_VMS, probes.probe_vms),
    (healing_contract.READ_NODES, nodes.read_nodes),
    (healing_contract.REMOVE_EXTENSION, nodes.remove_extension),
    (healing_contract.CREATE_EXTENSION, nodes.create_extension),
    (healing_contract.RUN_SCRIPT, nodes.run_script),
    (healing_contract.READ_SCRIPT, nodes.read_script),
    (healing_contract.REMOVE_SCRIPT, nodes.remove_script),
    (healing_contract.READ_LOCKS, locks.read_locks),
    (healing_contract.REMOVE_LOCKS, locks.remove_locks),
    (healing_contract.RESTORE_LOCKS, locks.restore_locks),
    (healing_contract.READ_CAUSE, node_diagnosis.read_cause),
    (onboarding_contract.READ_SITE, preflight.read_site),
    (recovery_plans_contract.READ_MIRROR, recovery_plans.read_mirror),
    (recovery_plans_contract.WRITE_PART, recovery_plans.write_part),
    (recovery_contract.START_RECOVERY_PLAN, start_recovery_plans.start_recovery_plan),
    (recovery_contract.READ_RECOVERY_PLAN_JOB, start_recovery_plans.read_recovery_plan_job),
    (operations_contract.CHECK_SEAL, seals.check_seal),
    (operations_contract.SEAL_CONTENT, seals.seal_content),
    (recovery_contract.TAKE_INVENTORY, drill_inventory.take_inventory),
    (recovery_contract.READ_NETWORK, drill_inventory.read_network),
    (failback_contract.READ_VM_RESOURCES, failback_leftovers.read_vm_resources),
    (failback_contract.READ_LEFTOVERS, failback_leftovers.read_leftovers),
    (failback_contract.REMOVE_LEFTOVERS, failback_leftovers.remove_leftovers),
    (evidence_contract.WRITE_RECORDS, evidence.write_records),
    (evidence_contract.SEAL_PACK, evidence.seal_pack),
    (evidence_contract.SEAL_LOST_PACK, evidence.seal_lost_pack),
    (evidence_contract.READ_LOG_END, administration_log.read_end),
    (evidence_contract.LOG_ACTS, administration_log.log_acts),
    (notifications_contract.SEND_NOTIFICATION, notification_channels.send_notification),
    (recovery_contract.RUN_HOOK, hooks.run_hook),
    (recovery_contract.BEGIN_HOOK_WORK, hooks.begin_hook_work),
    (recovery_contract.READ_HOOK_WORK, hooks.read_hook_work),
    (recovery_contract.END_HOOK_WORK, hooks.end_hook_work),
    (recovery_contract.CHECK_POINTS, recovery_points.check_points),
    (recovery_contract.KEEP_POINTS, recovery_points.keep_points),
    (onboarding_contract.ENSURE_RESOURCE, prepare.ensure_resource),
    (onboarding_contract.ENSURE_ROLE, prepare.ensure_role),
    (onboarding_contract.ENSURE_IN_VAULT, prepare.ensure_in_vault),
    (onboarding_contract.READ_REGISTRATIONS, prepare.read_registrations),
    (replication_contract.READ_PROTECTABLE_ITEMS, replication.read_protectable_items),
    (replication_contract.READ_REPLICATED_ITEMS, replication.read_replicated_items),
    (replication_contract.READ_RECOVERY_POINTS, replication.read_recovery_points),
    (replication_contract.START_PROTECTION, replication.start_protection),
)
CLIENT_ACTIVITIES: tuple[tuple[Activity[Any, Any], Callable[[df.DurableFunctionsClient, Any], Awaitable[Any]]], ...] = (
    (healing_contract.READ_NODE_RECORDS, node_diagnosis.read_node_records),
    (operations_contract.PUBLISH_EVENT, notifications.publish_and_notify),
    (notifications_contract.READ_AWAITED, notifications.read_awaited),
    (operations_contract.START_CLEANUP, durable_runs.start_cleanup),
    (operations_contract.READ_OUTCOMES, durable_runs.read_outcomes),
    (operations_contract.READ_HOLDERS, durable_runs.read_holders),
    (recovery_contract.TAKE_PREVIEW, previews.take_preview),
    (operations_contract.READ_ENDED_RUNS, durable_runs.read_ended_runs),
    (plans_contract.READ_DOCUMENTS, durable_runs.read_documents),
    (operations_contract.START_RUN, durable_runs.start_run),
    (operations_contract.CHECK_BEGIN, seals.check_begin),
    (operations_contract.PURGE_ENDED_RUNS, run_retention.purge_ended_runs),
    (operations_contract.READ_LOST_RUNS, lost_runs.read_lost_runs),
)
"""Those that need the client of the durable engine."""


def activity_blueprint() -> df.Blueprint:
    """A new blueprint with all activities, each under its name in the contract."""
    bp = df.Blueprint()
    for activity, function in ACTIVITIES:
        bind_activity(bp, activity, function)
    for activity, with_client in CLIENT_ACTIVITIES:
        bind_client_activity(bp, activity, with_client)
    return bp


def bind_activity[Ask: Message, Answer: Message](
    bp: df.Blueprint, activity: Activity[Ask, Answer], function: Callable[[Ask], Awaitable[Answer]]
) -> None:
    """Bind a function under its activity's name."""

    async def handle_payload(payload: dict) -> dict:  # type: ignore[type-arg] # the worker loads no other annotation
        request = activity.request.model_validate(payload)
        return await _serve(activity, request, function(request))

    bp.activity_trigger(input_name="payload", activity=activity.name)(_with_name(handle_payload, activity.name))


def bind_client_activity[Ask: Message, Answer: Message](
    bp: df.Blueprint,
    activity: Activity[Ask, Answer],
    function: Callable[[df.DurableFunctionsClient, Ask], Awaitable[Answer]],
) -> None:
    """Bind a function that needs the client of the durable engine."""

    async def handle_payload(payload: dict, client: df.DurableFunctionsClient) -> dict:  # type: ignore[type-arg]
        request = activity.request.model_validate(payload)
        return await _serve(activity, request, function(client, request))

    bound = bp.durable_client_input(client_name="client")(_with_name(handle_payload, activity.name))
    bp.activity_trigger(input_name="payload", activity=activity.name)(bound)


def _with_name[**P](handler: Callable[P, Coroutine[Any, Any, Any]], name: str) -> Callable[P, Coroutine[Any, Any, Any]]:
    """The same function under a name of its own: Azure knows functions by their names."""
    handler.__name__ = handler.__qualname__ = name
    return handler


async def _serve(activity: Activity[Any, Any], request: Message, pending_answer: Awaitable[Message]) -> dict[str, Any]:
    """Answer a request, within a span of its own."""
    run = next((run for name in RUN_FIELDS if isinstance(run := getattr(request, name, None), str)), "")
    with start_activity_span(activity.name, {RUN: run}) as span:
        answer = await _answer_json(pending_answer)
        if refused := answer.get("refused"):
            mark_failed(span, "refused")
            span.set_attribute(CODE, refused["code"])
        elif "throttled" in answer:
            mark_failed(span, "throttled")
        return answer


async def _answer_json(pending_answer: Awaitable[Message]) -> dict[str, Any]:
    """An answer as plain JSON; a refusal travels as one, and how long Azure wants to be left alone.

    A retry policy would retry whatever is raised, and that by its own clock. What Azure refused, and the activity got
    over, is told beside its answer.
    """
    noted: list[Throttled] = []
    NOTED_REFUSALS.set(noted)
    try:
        answer = (await pending_answer).model_dump(mode="json")
    except Throttled as no_room:
        return {"throttled": _wait_json(no_room)}
    except Transient as silence:
        if silence.retry_after is None:
            raise
        return {"throttled": _wait_json(Throttled(str(silence), silence.retry_after, "", "reads"))}
    except Refused as refusal:
        answer = {"refused": RefusedCode(code=refusal.code, detail=refusal.detail).model_dump(mode="json")}
    except SiteRecoveryError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again, in words without secrets
        raise _unexpected_failure(error) from None
    return answer | {"gotOver": [_wait_json(one) for one in noted]} if noted else answer


def _unexpected_failure(error: Exception) -> UnexpectedFailure:
    """The failure as the history keeps it: its words may name what was read, so secrets are taken out of them."""
    _LOG.error("unexpected error: %s", redact_text("".join(traceback.format_exception(error))))
    return UnexpectedFailure(f"{type(error).__name__}: {redact_text(str(error))}"[:LONGEST_FAILURE])


def _wait_json(no_room: Throttled) -> dict[str, Any]:
    wait = ThrottledWait(detail=str(no_room), wait=no_room.wait, subscription=no_room.subscription, kind=no_room.kind)
    return wait.model_dump(mode="json")
