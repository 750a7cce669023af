"""Gives the activities their bindings: the only place where they meet the Functions host."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import azure.durable_functions as df

from activities import (
    app_contract,
    causes,
    contract,
    duties,
    engine_contract,
    home_contract,
    hook_contract,
    hook_work,
    hooks,
    inventory,
    leftovers,
    locks,
    mirror_contract,
    mirroring,
    node_contract,
    nodes,
    plan_starts,
    point_contract,
    points,
    preflight,
    preflight_contract,
    preview_contract,
    previewing,
    probes,
    publishing,
    recording,
    records,
    resuming,
    runs,
    site_activities,
    starts,
    vault,
)
from activities.contract import Activity, RefusedCode
from shared.errors import Refused
from shared.messages import Message


def blueprint() -> df.Blueprint:
    """A new blueprint with all activities, each under its name in the contract."""
    bp = df.Blueprint()
    bind(bp)
    return bp


def bind(bp: df.Blueprint) -> None:
    """Give each activity its binding."""
    serve(bp, contract.READ_ITEMS, vault.read_items)
    serve(bp, contract.START_VERBS, starts.start_verbs)
    serve(bp, contract.WATCH_JOBS, vault.watch_jobs)
    serve(bp, contract.RESUME_JOBS, resuming.resume_jobs)
    serve(bp, contract.READ_PROVIDERS, vault.read_providers)
    serve(bp, contract.PROBE_VMS, probes.probe_vms)
    serve(bp, node_contract.READ_NODES, nodes.read_nodes)
    serve(bp, node_contract.REMOVE_EXTENSION, nodes.remove_extension)
    serve(bp, node_contract.CREATE_EXTENSION, nodes.create_extension)
    serve(bp, node_contract.RUN_SCRIPT, nodes.run_script)
    serve(bp, node_contract.READ_SCRIPT, nodes.read_script)
    serve(bp, node_contract.REMOVE_SCRIPT, nodes.remove_script)
    serve(bp, node_contract.READ_LOCKS, locks.read_locks)
    serve(bp, node_contract.REMOVE_LOCKS, locks.remove_locks)
    serve(bp, node_contract.RESTORE_LOCKS, locks.restore_locks)
    serve(bp, node_contract.READ_CAUSE, causes.read_cause)
    serve_with_client(bp, node_contract.READ_RECORDS, records.read_records)
    serve(bp, preflight_contract.READ_SITE, preflight.read_site)
    serve(bp, mirror_contract.READ_MIRROR, mirroring.read_mirror)
    serve(bp, mirror_contract.WRITE_PART, mirroring.write_part)
    serve(bp, engine_contract.START_PLAN, plan_starts.start_plan)
    serve(bp, engine_contract.READ_PLAN_JOB, plan_starts.read_plan_job)
    serve(bp, app_contract.PUBLISH, publishing.publish)
    serve(bp, contract.TAKE_INVENTORY, inventory.take_inventory)
    serve(bp, contract.READ_NETWORK, inventory.read_network)
    serve(bp, home_contract.READ_BELONGINGS, leftovers.read_belongings)
    serve(bp, home_contract.READ_LEFTOVERS, leftovers.read_leftovers)
    serve(bp, home_contract.REMOVE_LEFTOVERS, leftovers.remove_leftovers)
    serve(bp, app_contract.WRITE_RECORDS, recording.write_records)
    serve(bp, app_contract.SEAL_PACK, recording.seal_pack)
    for activity, function in site_activities.SERVED:
        serve(bp, activity, function)
    serve(bp, app_contract.RUN_HOOK, hooks.run_hook)
    serve(bp, hook_contract.BEGIN_WORK, hook_work.begin_work)
    serve(bp, hook_contract.LOOK_AT_WORK, hook_work.look_at_work)
    serve(bp, hook_contract.END_WORK, hook_work.end_work)
    serve_with_client(bp, app_contract.START_CLEANUP, duties.start_cleanup)
    serve_with_client(bp, app_contract.READ_OUTCOMES, duties.read_outcomes)
    serve_with_client(bp, app_contract.READ_HOLDERS, duties.read_holders)
    serve(bp, point_contract.CHECK_POINTS, points.check_points)
    serve(bp, point_contract.KEEP_POINTS, points.keep_points)
    serve_with_client(bp, preview_contract.TAKE_PREVIEW, previewing.take_preview)
    serve_with_client(bp, app_contract.READ_RUNS, runs.read_runs)
    serve_with_client(bp, app_contract.READ_BOOK, runs.read_book)
    serve_with_client(bp, app_contract.START_RUN, runs.start_run)


def serve[Ask: Message, Answer: Message](
    bp: df.Blueprint, activity: Activity[Ask, Answer], function: Callable[[Ask], Awaitable[Answer]]
) -> None:
    """Bind a function under its activity's name."""

    async def handle(payload: dict) -> dict:  # type: ignore[type-arg] # the worker loads no other annotation
        return await _travelling(function(activity.ask.model_validate(payload)))

    bp.activity_trigger(input_name="payload", activity=activity.name)(_named(handle, activity.name))


def serve_with_client[Ask: Message, Answer: Message](
    bp: df.Blueprint,
    activity: Activity[Ask, Answer],
    function: Callable[[df.DurableFunctionsClient, Ask], Awaitable[Answer]],
) -> None:
    """Bind a function that asks the engine itself."""

    async def handle(payload: dict, client: df.DurableFunctionsClient) -> dict:  # type: ignore[type-arg]
        return await _travelling(function(client, activity.ask.model_validate(payload)))

    bound = bp.durable_client_input(client_name="client")(_named(handle, activity.name))
    bp.activity_trigger(input_name="payload", activity=activity.name)(bound)


def _named[**P](handle: Callable[P, Coroutine[Any, Any, Any]], name: str) -> Callable[P, Coroutine[Any, Any, Any]]:
    """The same function under a name of its own: Azure knows functions by their names."""
    handle.__name__ = handle.__qualname__ = name
    return handle


async def _travelling(answer: Awaitable[Message]) -> dict[str, Any]:
    """An answer as plain JSON; a refusal travels as one, because a retry policy retries whatever is raised."""
    try:
        return (await answer).model_dump(mode="json")
    except Refused as no:
        return {"refused": RefusedCode(code=no.code, detail=no.detail).model_dump(mode="json")}
