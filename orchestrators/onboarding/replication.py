"""Replication of a site's VMs: enabled in batches and followed until Protected; changed, compared, or ended.

1. Admit: read the site's VMs, lease those that are meant, and see what replicates already.
2. Before VMs are enabled ask the nodes what a preflight would fail them for.
3. Each tick: start what is due as far as the subscription's budget goes, watch the jobs, read how copying goes, wait.
4. After some ticks continue as new, with the leases prolonged.
5. Give the leases back, and say what changed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from orchestrators.durable.cloud_events import publish_site_event
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys, prolong_leases, wait_for_budget
from orchestrators.durable.steps import Context, Steps, call, call_all, call_entity, now, show_status, sleep
from orchestrators.onboarding.cluster_reading import read_cluster_vms
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.onboarding.pacing import MOST_READS, READ_PAUSE, TICKS_PER_GENERATION
from shared.operations.durable_names import LEASES
from shared.plans.machines import lease_key
from shared.recovery.outcome import Outcome
from shared.replication import schedule
from shared.replication.contract import (
    READ_PROTECTABLE_ITEMS,
    READ_REPLICATED_ITEMS,
    START_PROTECTION,
    ProtectableItemsRead,
    ProtectionStart,
    ReadProtectableItems,
    ReadReplicatedItems,
    ReplicatedItemsRead,
    StartProtection,
)
from shared.replication.pacing import DISCOVERY_TAKES, QUICK_POLL
from shared.replication.run import (
    ReplicationOrder,
    ReplicationRun,
    ReplicationRunItem,
    begin_run,
    coverage_findings,
    failure_of,
    missing_vms,
    open_run,
    still_unprotected,
    vm_view,
)
from shared.replication.schedule import ReplicationTick
from shared.replication.settings import ReplicatedItem, ReplicationAction
from shared.replication.status import replication_status, waiting_status
from shared.site_recovery.contract import WATCH_JOBS, JobsWatched, StartAnswer, StartsMade, WatchJobs
from shared.sites import defaults
from shared.sites.nodes import fabric_name_of

NOTHING_DONE = "Nothing had to be done. Nothing was changed."


def replication(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Do one action with each VM that is meant, and follow it to its end."""
    order = ReplicationOrder.model_validate(payload)
    run = order.run
    if run is None:
        try:
            admitted = yield from _admit_run(ctx, order)
        except NotAdmitted as verdict:
            refusal = Outcome(state="refused", kind="replication", site=order.site, problems=verdict.obstacles)
            return refusal.model_dump(mode="json")
        run = yield from _begin_run(ctx, order, admitted)
        yield from publish_site_event(ctx, order, "started", {"vms": len(run.items), "action": order.request.action})
    for _ in range(TICKS_PER_GENERATION):
        show_status(ctx, replication_status(run, now(ctx)).model_dump(mode="json", by_alias=True))
        if run.is_over:
            return (yield from _close_run(ctx, order, run))
        run = yield from _run_tick(ctx, order, run)
    yield from prolong_leases(ctx, order.id, [_vault_of(order).key])
    ctx.continue_as_new(order.model_copy(update={"run": run}).model_dump(mode="json"), save_events=True)
    return None


def _vault_of(order: ReplicationOrder) -> VaultRef:
    return VaultRef.from_id(order.document.vault)


class Admitted(NamedTuple):
    """What the vault showed when the run was admitted.

    Attributes:
        listed: The machines of the site.
        copies: All that replicates.
    """

    listed: ProtectableItemsRead
    copies: tuple[ReplicatedItem, ...]


def _begin_run(ctx: Context, order: ReplicationOrder, admitted: Admitted) -> Steps[ReplicationRun]:
    """The run as it begins; before VMs are enabled the nodes are asked what a preflight would fail them for."""
    run = begin_run(order, *admitted, now(ctx))
    is_enabling = any(item.state == "waiting" and "enable" in item.actions for item in run.items)
    if order.request.action != "enable" or (order.request.vms and not is_enabling):
        return run
    cluster_vms = yield from read_cluster_vms(ctx, order)
    return begin_run(order, *admitted, now(ctx), cluster_vms)


def _admit_run(ctx: Context, order: ReplicationOrder) -> Steps[Admitted]:
    """Read the vault and lease the VMs, once Azure has answered; no lease is kept of a run that is not admitted.

    Raises:
        NotAdmitted: with what stands in the way.
    """
    began, unread = now(ctx), 0
    while unread < MOST_READS:
        try:
            return (yield from _lease_vms(ctx, order, is_patient=_may_wait(order, now(ctx) - began)))
        except (Transient, NotReported) as silence:
            unread += isinstance(silence, Transient)
            obstacle = Obstacle(code="unreadable", detail=str(silence))
            show_status(ctx, waiting_status(str(silence), now(ctx)).model_dump(mode="json", by_alias=True))
            yield from sleep(ctx, READ_PAUSE)
        except Refused as refusal:
            obstacle = Obstacle(code=refusal.code, detail=refusal.detail)
            break
    yield from call_entity(ctx, LEASES, _vault_of(order).key, "release", order.id)
    raise NotAdmitted([obstacle])


def _may_wait(order: ReplicationOrder, waited: timedelta) -> bool:
    return order.request.action == "enable" and waited < DISCOVERY_TAKES


class NotReported(Exception):
    """A host has registered a short while ago, and a VM that is meant is not listed yet."""


def _lease_vms(ctx: Context, order: ReplicationOrder, *, is_patient: bool) -> Steps[Admitted]:
    """Read what there is, lease the VMs that are meant, and see what replicates already.

    Raises:
        NotReported: one of them may be listed a little later.
        NotAdmitted: another run holds one of them, or there is none at all.
    """
    site, vault = order.document, _vault_of(order)
    request = ReadProtectableItems(
        vault=vault,
        site=site.hyper_v_site,
        policy=site.policy_name,
        registered_since=now(ctx) - DISCOVERY_TAKES if is_patient else None,
    )
    machines_read = yield from call(ctx, READ_PROTECTABLE_ITEMS, request)
    run = open_run(order, machines_read.machines, machines_read.policy_id, now(ctx))
    if machines_read.registered and (missing := missing_vms(order, run)):
        waits_until = machines_read.registered + DISCOVERY_TAKES
        raise NotReported(f"{missing}, which a host that has just registered may report until {waits_until:%H:%M} UTC")
    if not run.items:
        detail = f"No host of {site.hyper_v_site} has reported a VM yet. Try again in 15 minutes."
        raise NotAdmitted([Obstacle(code="no-vms", detail=detail)])
    fabric = fabric_name_of(machines_read.container) or site.hyper_v_site
    keys = tuple(lease_key(fabric, item.vm) for item in run.items)
    yield from claim_keys(ctx, vault.key, order.id, keys)
    copies_read = yield from call(ctx, READ_REPLICATED_ITEMS, ReadReplicatedItems(vault=vault))
    return Admitted(machines_read, copies_read.items)


def _run_tick(ctx: Context, order: ReplicationOrder, run: ReplicationRun) -> Steps[ReplicationRun]:
    """Do what there is to do once, take in the answers, and wait until the next look."""
    tick = schedule.plan_tick(run, now(ctx))
    yield from wait_for_budget(ctx, _vault_of(order).subscription_id, schedule.tick_cost(run, tick))
    run = yield from _start_actions(ctx, order, run, tick)
    if tick.jobs:
        watch = WatchJobs(vault=_vault_of(order), jobs=tick.jobs, since=run.began)
        for jobs in (yield from call_all(ctx, WATCH_JOBS, [watch])):
            if isinstance(jobs, JobsWatched):
                run = schedule.with_jobs_ended(run, jobs.ended, now(ctx))
            unread = {one.job: one.detail for one in jobs.unreadable} if isinstance(jobs, JobsWatched) else str(jobs)
            run = schedule.with_jobs_unread(run, unread, now(ctx))
    run = yield from _read_copies(ctx, order, run, tick)
    if not run.is_over:
        show_status(ctx, replication_status(run, now(ctx)).model_dump(mode="json", by_alias=True))
        yield from sleep(ctx, schedule.time_to_next_tick(run, now(ctx)))
    return run


def _start_actions(
    ctx: Context, order: ReplicationOrder, run: ReplicationRun, tick: ReplicationTick
) -> Steps[ReplicationRun]:
    requests = [_start_request(order, run, action, names) for action, names in tick.starts.items()]
    requests += [_start_request(order, run, "restart", tick.restarts)] if tick.restarts else []
    run = schedule.mark_starting(run, [vm for names in tick.starts.values() for vm in names], now(ctx))
    for request, answer in zip(requests, (yield from call_all(ctx, START_PROTECTION, requests)), strict=True):
        if isinstance(answer, StartsMade):
            run = schedule.with_start_answers(run, answer.answers, now(ctx), answer.retry_after)
        else:
            unanswered = [StartAnswer(vm=one.vm, outcome="unanswered", detail=str(answer)) for one in request.starts]
            run = schedule.with_start_answers(run, unanswered, now(ctx), QUICK_POLL)
    return run


def _protection_start_of(item: ReplicationRunItem) -> ProtectionStart:
    return ProtectionStart(
        vm=item.vm,
        item_id=item.item_id,
        attempt=item.attempt,
        machine=item.machine,
        settings=item.settings,
        job=item.job,
    )


def _start_request(
    order: ReplicationOrder, run: ReplicationRun, action: ReplicationAction | Literal["restart"], names: Sequence[str]
) -> StartProtection:
    items_by_vm = {item.vm: item for item in run.items}
    return StartProtection(
        vault=_vault_of(order),
        operation=order.id,
        action=action,
        starts=tuple(_protection_start_of(items_by_vm[vm]) for vm in names),
        since=run.began,
        policy_id=run.policy_id,
        target_group=order.document.target_resource_group,
        cache_storage=defaults.cache_storage_of(order.document),
    )


def _read_copies(
    ctx: Context, order: ReplicationOrder, run: ReplicationRun, tick: ReplicationTick
) -> Steps[ReplicationRun]:
    if not tick.copying:
        return run
    request = ReadReplicatedItems(
        vault=_vault_of(order),
        vms=tick.copying,
        newest_jobs_of=tick.restarted,
        action=order.request.action,
        since=run.began,
    )
    for answer in (yield from call_all(ctx, READ_REPLICATED_ITEMS, [request])):
        if isinstance(answer, ReplicatedItemsRead):
            run = schedule.with_replicated_items(run, answer.items, answer.newest_jobs, now(ctx))
    return run


def _close_run(ctx: Context, order: ReplicationOrder, run: ReplicationRun) -> Steps[dict[str, Any]]:
    outcome = outcome_of(order, run, now(ctx))
    yield from call_entity(ctx, LEASES, _vault_of(order).key, "release", order.id)
    failed = sum(item.state == "failed" for item in run.items)
    data = {"state": outcome.state, "changed": outcome.facts["changed"], "failed": failed}
    yield from publish_site_event(ctx, order, "finished", data, outcome)
    return outcome.model_dump(mode="json")


def outcome_of(order: ReplicationOrder, run: ReplicationRun, ended: datetime) -> Outcome:
    """How it ended."""
    failed = [item for item in run.items if item.state == "failed"]
    changed = sum(item.changed for item in run.items)
    verdict = f"{changed} of {len(run.items)} VMs changed." if changed else NOTHING_DONE
    unprotected = still_unprotected(run)
    return Outcome(
        state="failed" if failed else "succeeded",
        kind="replication",
        site=order.site,
        failures=tuple(failure_of(item) for item in failed),
        began=run.began,
        ended=ended,
        findings=coverage_findings(unprotected, run.unread_nodes),
        facts={
            "vms": [vm_view(item) for item in run.items],
            "changed": changed,
            "verdict": verdict,
            "unprotected": [one.model_dump(mode="json") for one in unprotected],
        },
    )
