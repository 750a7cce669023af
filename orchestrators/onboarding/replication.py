"""Replication of a site's VMs: enabled in batches and followed until Protected; changed, compared, or ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from durabletask import task

from orchestrators.durable.cloud_events import tell_site
from orchestrators.durable.entity_calls import NotAdmitted, afford, claim_keys, prolong
from orchestrators.durable.steps import Steps, ask_entity, call, call_all, now, show_status, sleep
from shared.activity import Problem
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.operations.durable_names import LEASES
from shared.plans.machines import lease_key
from shared.recovery.outcome import Outcome
from shared.replication import schedule
from shared.replication.contract import (
    READ_COPIES,
    READ_MACHINES,
    START_PROTECTION,
    CopiesRead,
    ProtectOne,
    ReadCopies,
    ReadMachines,
    StartProtection,
)
from shared.replication.schedule import Copy, CopyRun, ReplicationOrder, Tick
from shared.replication.settings import Action
from shared.site_recovery.contract import WATCH_JOBS, JobsSeen, StartAnswer, StartsMade, WatchJobs
from shared.sites import defaults
from shared.sites.nodes import fabric_name

PATIENT, PAUSE = 15, timedelta(minutes=1)
"""How often a run tries to read what there is, each after such a pause."""
GENERATION = 15
"""Ticks before a run continues as new."""


def replication(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Do one action with each VM that is meant, and follow it to its end."""
    order = ReplicationOrder.model_validate(payload)
    run = order.run
    if run is None:
        try:
            run = yield from _admit(ctx, order)
        except NotAdmitted as verdict:
            return _refused(order, verdict.problems)
        yield from tell_site(ctx, order, "started", {"vms": len(run.items), "action": order.request.action})
    for _ in range(GENERATION):
        show_status(ctx, _status(run, ctx))
        if run.over:
            return (yield from _close(ctx, order, run))
        run = yield from _tick(ctx, order, run)
    yield from prolong(ctx, order.id, [_vault(order).key])
    ctx.continue_as_new(order.model_copy(update={"run": run}).model_dump(mode="json"), save_events=True)
    return None


def _status(run: CopyRun, ctx: task.OrchestrationContext) -> dict[str, Any]:
    return schedule.summary(run, now(ctx))


def _vault(order: ReplicationOrder) -> VaultRef:
    return VaultRef.from_id(order.document.vault)


def _refused(order: ReplicationOrder, problems: Sequence[Problem]) -> dict[str, Any]:
    outcome = Outcome(state="refused", kind="replication", site=order.site, problems=tuple(problems))
    return outcome.model_dump(mode="json")


def _admit(ctx: task.OrchestrationContext, order: ReplicationOrder) -> Steps[CopyRun]:
    """Open the run, once Azure has answered; no lease is kept of one that is not admitted.

    Raises:
        NotAdmitted: with what stands in the way.
    """
    for _ in range(PATIENT):
        try:
            return (yield from _open(ctx, order))
        except Transient as silence:
            why = Problem(code="unreadable", detail=str(silence))
            yield from sleep(ctx, PAUSE)
        except Refused as no:
            why = Problem(code=no.code, detail=no.detail)
            break
    yield from ask_entity(ctx, LEASES, _vault(order).key, "release", order.id)
    raise NotAdmitted([why])


def _open(ctx: task.OrchestrationContext, order: ReplicationOrder) -> Steps[CopyRun]:
    """Read what there is, lease the VMs that are meant, and see what replicates already.

    Raises:
        NotAdmitted: another run holds one of them, or there is none at all.
    """
    site, vault = order.document, _vault(order)
    ask = ReadMachines(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    there = yield from call(ctx, READ_MACHINES, ask)
    run = schedule.begin(order, there.machines, there.policy_id, now(ctx))
    if not run.items:
        raise NotAdmitted([Problem(code="no-vms", detail=f"no host of {site.hyper_v_site} has told of any VM yet")])
    fabric = fabric_name(there.container) or site.hyper_v_site
    keys = tuple(lease_key(fabric, item.vm) for item in run.items)
    yield from claim_keys(ctx, vault.key, order.id, keys)
    seen = yield from call(ctx, READ_COPIES, ReadCopies(vault=vault))
    return schedule.adopt(run, seen.copies, now(ctx))


def _tick(ctx: task.OrchestrationContext, order: ReplicationOrder, run: CopyRun) -> Steps[CopyRun]:
    """Do what there is to do once, take in the answers, and wait until the next look."""
    tick = schedule.plan_tick(run, now(ctx))
    yield from afford(ctx, _vault(order).subscription_id, schedule.cost(run, tick))
    run = yield from _start(ctx, order, run, tick)
    run = yield from _watch(ctx, order, run, tick)
    run = yield from _look(ctx, order, run, tick)
    if not run.over:
        show_status(ctx, _status(run, ctx))
        yield from sleep(ctx, schedule.pause(run, now(ctx)))
    return run


def _start(ctx: task.OrchestrationContext, order: ReplicationOrder, run: CopyRun, tick: Tick) -> Steps[CopyRun]:
    asks = [_ask(order, run, action, names) for action, names in tick.starts.items()]
    asks += [_ask(order, run, "restart", tick.restarts)] if tick.restarts else []
    run = schedule.asked(run, [vm for names in tick.starts.values() for vm in names], now(ctx))
    for ask, made in zip(asks, (yield from call_all(ctx, START_PROTECTION, asks)), strict=True):
        if isinstance(made, StartsMade):
            run = schedule.started(run, made.answers, now(ctx), made.retry_after)
        else:
            unanswered = [StartAnswer(vm=one.vm, outcome="unanswered", detail=str(made)) for one in ask.starts]
            run = schedule.started(run, unanswered, now(ctx), schedule.QUICK)
    return run


def _ask(
    order: ReplicationOrder, run: CopyRun, action: Action | Literal["restart"], names: Sequence[str]
) -> StartProtection:
    known = {item.vm: item for item in run.items}
    return StartProtection(
        vault=_vault(order),
        operation=order.id,
        action=action,
        starts=tuple(_one(known[vm]) for vm in names),
        since=run.began,
        policy_id=run.policy_id,
        target_group=order.document.target_resource_group,
        cache_storage=defaults.cache_storage_of(order.document),
    )


def _one(item: Copy) -> ProtectOne:
    return ProtectOne(
        vm=item.vm,
        item_id=item.item_id,
        attempt=item.attempt,
        machine=item.machine,
        settings=item.settings,
        job=item.job,
    )


def _watch(ctx: task.OrchestrationContext, order: ReplicationOrder, run: CopyRun, tick: Tick) -> Steps[CopyRun]:
    if not tick.jobs:
        return run
    ask = WatchJobs(vault=_vault(order), jobs=tick.jobs, since=run.began)
    for seen in (yield from call_all(ctx, WATCH_JOBS, [ask])):
        if isinstance(seen, JobsSeen):
            run = schedule.jobs_ended(run, seen.ended, now(ctx))
    return run


def _look(ctx: task.OrchestrationContext, order: ReplicationOrder, run: CopyRun, tick: Tick) -> Steps[CopyRun]:
    if not tick.look:
        return run
    ask = ReadCopies(vault=_vault(order), vms=tick.look, seek=tick.seek, action=order.request.action, since=run.began)
    for seen in (yield from call_all(ctx, READ_COPIES, [ask])):
        if isinstance(seen, CopiesRead):
            run = schedule.copies_read(run, seen.copies, seen.newest, now(ctx))
    return run


def _close(ctx: task.OrchestrationContext, order: ReplicationOrder, run: CopyRun) -> Steps[dict[str, Any]]:
    failed = [item for item in run.items if item.state == "failed"]
    changed = sum(item.changed for item in run.items)
    outcome = Outcome.model_validate(
        {"state": "failed" if failed else "succeeded", "kind": "replication", "site": order.site}
        | {"failures": [f"{item.vm}: {item.code}: {item.detail}" for item in failed]}
        | {"began": run.began, "ended": now(ctx)}
        | {"facts": {"vms": [schedule.shown(item) for item in run.items], "changed": changed, "verdict": _verdict(run)}}
    )
    yield from ask_entity(ctx, LEASES, _vault(order).key, "release", order.id)
    yield from tell_site(ctx, order, "finished", {"state": outcome.state, "changed": changed, "failed": len(failed)})
    return outcome.model_dump(mode="json")


def _verdict(run: CopyRun) -> str:
    changed = sum(item.changed for item in run.items)
    if not changed:
        return "Nothing was to be done; nothing was changed."
    return f"{changed} of {len(run.items)} VMs changed."
