"""Whether a plan is ready for a verb: its preview, with all that speaks against it beyond what Site Recovery refuses.

1. `preview_with_readiness` makes the preview, checks the drills of the plan and each of its VMs, and adds the forecast.
2. `with_preview_digest` names what would be done, for those who approve it.
3. `describe_differences` says later how what would be done then differs from what was approved.

Three weights: a blocker is what Site Recovery or Azure would refuse; a concern makes the plan unready, and a person may
override it with a reason; a warning is only shown.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from shared.messages import Document
from shared.obstacle import Obstacle
from shared.plans.addresses import NO_ADDRESSES, AddressFacts, weigh_address, weigh_test_address
from shared.plans.data_loss import LossMoment, SourceLastSeen, group_loss_moments
from shared.plans.failback_advice import CHECKED_AT_BEGIN, advise_machines
from shared.plans.failed_over_vms import JUDGED_BY_AZURE_VM, FailedOverVm, weigh_failed_over_vm
from shared.plans.history import (
    Grounds,
    PastRun,
    PlanHistory,
    describe_changed_grounds,
    forecast_duration,
    grounds_of,
    last_good_drill,
)
from shared.plans.left_out import vm_left_out
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview, PreviewItem, build_preview, plan_without, views_of_plan
from shared.plans.preview_kinds import RULES_OF_KINDS
from shared.plans.quota_checks import PlacedQuota, weigh_quotas
from shared.plans.readiness_checks import CHECKS, CheckedVm, Weight, WeightedObstacle
from shared.plans.versions import Version, describe_changes_since
from shared.replication.disks import unreplicated_obstacles
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.sites.site import SiteDocument
from shared.wording import shortened

CODES_OF_TIME = frozenset({"behind-target", "drill-expired", "evidence-store-unavailable"})
"""Codes of what comes, or goes, by waiting alone: they do not make another preview of one that was approved."""
SHOWN_DIFFERENCES = 5
type VerificationStatus = Literal["verified", "needs-verification", "never-verified"]


class PreviewFacts(NamedTuple):
    """What a preview is made of.

    Attributes:
        at: When Azure answered, by its own clock.
        items: The plan's protected items by VM name.
        missing: Why others of its machines have none, by name in lower case.
        hosts: The vaults' providers by ARM id in lower case.
        network_blockers: What is wrong with the networks of a failover.
        unread_networks: Those networks that could not be read, and so were not judged.
        isolation: What speaks against the network of a drill.
        unproven: The proof of sources that a failback waits for.
        evidence: Why evidence could not be kept; None where it could.
        versions: Of the plan, oldest first.
        unreplicated: Names of disks at home that are not replicated, by ARM id of the protected item in lower case.
        addresses: Who has, and who asks for, the addresses that the machines ask for.
        quotas: What the regions that the machines go to give.
    """

    at: datetime
    items: Mapping[str, ItemDetail]
    hosts: Mapping[str, ProviderView]
    plan_history: PlanHistory = PlanHistory()
    network_blockers: tuple[Obstacle, ...] = ()
    isolation: tuple[Obstacle, ...] = ()
    unproven: tuple[Obstacle, ...] = ()
    unread_networks: tuple[Obstacle, ...] = ()
    missing: Mapping[str, Obstacle] = MappingProxyType({})
    evidence: Obstacle | None = None
    unreplicated: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    failed_over_vms: Mapping[str, FailedOverVm] = MappingProxyType({})
    addresses: AddressFacts = NO_ADDRESSES
    quotas: tuple[PlacedQuota, ...] = ()
    versions: tuple[Version, ...] = ()


class DrillVerification(Document):
    """Whether the plan as it is was rehearsed.

    Attributes:
        status: "verified" holds for the very plan that was rehearsed, as long as the plan lets a drill count.
        operation: The drill that this rests on; of a plan that has changed since, the newest good one.
        ended_at: When that drill ended.
        valid_until: How long it counts; None where the plan does not say.
        changed_since: What is no longer as it was then: of the plan, or of what that drill rested on beside it.
    """

    status: VerificationStatus
    operation: str | None = None
    ended_at: datetime | None = None
    valid_until: datetime | None = None
    changed_since: tuple[str, ...] = ()


def preview_with_readiness(
    plan: PlanDocument,
    kind: str,
    sites: Mapping[str, SiteDocument],
    facts: PreviewFacts,
    name: str = "",
    options: VerbOptions = VerbOptions(),  # noqa: B008 - it is immutable
) -> Preview:
    """Say what a verb on a plan would do, and all that speaks against it; its digest comes last, when all is known.

    Args:
        options: How it is to be done; what they leave out is as the plan says.

    Raises:
        ValueError: no such kind.
    """
    production = [site.network for site in sites.values()]
    preview = build_preview(
        plan, kind, facts.items, name=name, options=options, production=production, missing=facts.missing
    )
    rule = RULES_OF_KINDS[preview.kind]
    more = {"drill": facts.isolation, "failback": facts.unproven}.get(kind, ())
    more = facts.network_blockers if rule.fails_over else more
    weighted = list(_weigh_all(plan, preview, sites, facts))
    plan = plan_without(plan, options, preview.left_out)
    if rule.loses_data:
        preview = preview.model_copy(update={"items": _with_data_loss(plan, preview, sites, facts)})
    warnings = [note for weight, note in weighted if weight == "warning"]
    unkept, is_required = (facts.evidence,) if facts.evidence else (), plan.evidence == "required"
    changes: dict[str, Any] = {
        "blockers": (*preview.blockers, *more, *(unkept if is_required else ())),
        "concerns": tuple(note for weight, note in weighted if weight == "concern"),
        "warnings": (
            *preview.warnings,
            *warnings,
            *(facts.unread_networks if rule.fails_over else ()),
            *(() if is_required else unkept),
        ),
    }
    if kind == "failback":
        advice = advise_machines(plan, sites, facts.items, facts.at)
        changes |= {"advice": advice, "checked_when_run_begins": CHECKED_AT_BEGIN}
    forecast = None if rule.lasts_as_long_as_people_want else forecast_duration(facts.plan_history, kind)
    if forecast:
        changes |= {"forecast": forecast, "expected_duration": timedelta(seconds=forecast.median_seconds)}
        changes |= {"expected_duration_source": "past-runs"}
    return preview.model_copy(update=changes)


def _weigh_all(
    plan: PlanDocument, preview: Preview, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> Iterator[WeightedObstacle]:
    """Everything but blockers; nothing is said of VMs that the verb leaves alone."""
    rule = RULES_OF_KINDS[preview.kind]
    if rule.fails_over:
        yield from _weigh_drills(plan, sites, facts)
        yield from (("concern", vm_left_out(exclusion)) for exclusion in preview.left_out)
    plan = plan_without(plan, preview.options, preview.left_out)
    for vm in _checked_vms(plan, preview, sites, facts):
        for check in CHECKS:
            yield from check(vm)
        if (azure_vm := facts.failed_over_vms.get(vm.item.vm.lower())) and preview.kind in JUDGED_BY_AZURE_VM:
            yield from weigh_failed_over_vm(preview.kind, vm.item.vm, azure_vm)
        if rule.fails_over:
            disks = facts.unreplicated.get(vm.view.id.lower(), ())
            yield from (("concern", obstacle) for obstacle in unreplicated_obstacles(vm.item.vm, disks))
            yield from weigh_address(vm.item, vm.view, vm.site, facts.addresses)
        elif preview.kind == "drill" and plan.drill:
            yield from weigh_test_address(vm.item, vm.view, plan.drill.network, facts.addresses)
    if rule.fails_over or preview.kind == "drill":
        vms = [shown.vm for shown in preview.items if not shown.already_done]
        yield from weigh_quotas(facts.quotas, vms, fails_over=rule.fails_over)


def _checked_vms(
    plan: PlanDocument, preview: Preview, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> Iterator[CheckedVm]:
    """The VMs that the verb would do something with."""
    rule, outage_at = RULES_OF_KINDS[preview.kind], preview.options.outage_at
    for item, shown, view in zip(plan.items, preview.items, views_of_plan(plan, facts.items), strict=True):
        if view is not None and not shown.already_done:
            host, site = facts.hosts.get(view.host_provider.lower()), sites[plan.site_name_of(item)]
            yield CheckedVm(plan, rule, preview.kind == "drill", item, view, site, host, facts.at, outage_at)


def _with_data_loss(
    plan: PlanDocument, preview: Preview, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> tuple[PreviewItem, ...]:
    """The items of a preview with what would be lost of each."""
    checked = {vm.item.vm: vm for vm in _checked_vms(plan, preview, sites, facts)}
    return tuple(_item_with_loss(one, checked[one.vm]) if one.vm in checked else one for one in preview.items)


def _item_with_loss(item: PreviewItem, vm: CheckedVm) -> PreviewItem:
    moment = vm.loss_moment
    counted_to = moment.at or vm.at
    loss = {"loss_counted_from": moment.counted_from, "loss_counted_to": counted_to, "data_loss": vm.data_loss}
    return item.model_copy(update=loss)


def find_sources_last_seen(preview: Preview) -> tuple[SourceLastSeen, ...]:
    """Until when the sources of an unplanned failover are known to have written, as its preview has it."""
    counted = ((one.vm, one.loss_counted_from, one.loss_counted_to) for one in preview.items)
    return group_loss_moments(
        (vm, LossMoment(name, to if name in {"outageAt", "lastHeartbeat"} else None))
        for vm, name, to in counted
        if name
    )


def _weigh_drills(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> Iterator[WeightedObstacle]:
    grounds = grounds_of(plan, sites, facts.items.values())
    verification = verify_last_drill(plan, facts.plan_history, facts.at, grounds, facts.versions)
    weight: Weight = "concern" if plan.drill and plan.drill.valid_for else "warning"
    if verification.status == "never-verified":
        yield weight, Obstacle(code="never-verified", detail="no drill of this plan has succeeded yet")
    elif verification.status == "needs-verification" and verification.valid_until:
        until = f"{verification.valid_until:%Y-%m-%d %H:%M} UTC"
        detail = f"the last good drill of this plan, {verification.operation}, was valid until {until}"
        yield weight, Obstacle(code="drill-expired", detail=detail)
    elif verification.status == "needs-verification":
        changes = "; ".join(verification.changed_since)
        detail = f"since the last good drill, {verification.operation}: {changes}"
        yield weight, Obstacle(code="needs-verification", detail=detail)


def verify_last_drill(
    plan: PlanDocument,
    plan_history: PlanHistory,
    now: datetime,
    grounds: Grounds | None = None,
    versions: Sequence[Version] = (),
) -> DrillVerification:
    """Whether this very plan was rehearsed, and still counts as rehearsed.

    Args:
        grounds: What a drill would rest on now; without it nothing is held against what the last one rested on.
        versions: Of the plan, oldest first: what has changed since a drill of an earlier one.
    """
    drill = last_good_drill(plan_history, plan.digest)
    if drill is None:
        newest = last_good_drill(plan_history)
        if newest is None:
            return DrillVerification(status="never-verified")
        changed = describe_changes_since(versions, newest.digest)
        return _verification_by("needs-verification", newest).model_copy(update={"changed_since": changed})
    if changed := describe_changed_grounds(drill.grounds, grounds or {}):
        return _verification_by("needs-verification", drill).model_copy(update={"changed_since": changed})
    valid_for = plan.drill.valid_for if plan.drill else None
    until = drill.ended + valid_for if valid_for else None
    return _verification_by("needs-verification" if until and until <= now else "verified", drill, until)


def _verification_by(
    status: VerificationStatus, drill: PastRun, valid_until: datetime | None = None
) -> DrillVerification:
    return DrillVerification(status=status, operation=drill.run, ended_at=drill.ended, valid_until=valid_until)


def with_preview_digest(preview: Preview) -> Preview:
    """The preview with its digest: over what would be done and what is in the way, not over figures or passing time."""
    marks = [
        f"{one.vm.lower()}|{one.code}"
        for one in (*preview.blockers, *preview.concerns)
        if one.code not in CODES_OF_TIME
    ]
    names = {
        "kind",
        "options",
        "stages",
        "order",
        "hooks",
        "site_recovery_differences",
        "settings_to_change",
        "confirm",
    }
    content = preview.model_dump(mode="json", include=names)
    content |= {"items": [[item.vm, item.allowed, item.already_done] for item in preview.items]}
    content |= {"inTheWay": sorted(marks)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return preview.model_copy(update={"preview_digest": hashlib.sha256(text.encode()).hexdigest()})


def describe_differences(before: Preview, after: Preview) -> tuple[str, ...]:
    """How what would be done differs from what was approved, in words.

    Figures make no difference, nor what comes of waiting alone, nor what is in the way no longer.
    """
    compared = (
        ("kind", before.kind, after.kind),
        ("stages", before.stages, after.stages),
        ("settingsToChange", before.settings_to_change, after.settings_to_change),
        ("confirm", before.confirm, after.confirm),
    )
    differences = [f"{name} is {new!r} and was {old!r}" for name, old, new in compared if old != new]
    differences += ["the options have changed"] if before.options != after.options else []
    differences += ["the order has changed"] if before.order != after.order else []
    was_left_out = {one.vm for one in before.left_out}
    differences += [f"{one.vm} is left out" for one in after.left_out if one.vm not in was_left_out]
    differences += [*_changed_items(before, after), *_new_obstacles(before, after)]
    return shortened(differences, SHOWN_DIFFERENCES)


def _changed_items(before: Preview, after: Preview) -> list[str]:
    was = {item.vm: (item.allowed, item.already_done) for item in before.items}
    return [
        f"{item.vm} is not as it was then"
        for item in after.items
        if was.get(item.vm) != (item.allowed, item.already_done)
    ]


def _new_obstacles(before: Preview, after: Preview) -> list[str]:
    known = {(one.vm, one.code) for one in (*before.blockers, *before.concerns)}
    lasting = (one for one in (*after.blockers, *after.concerns) if one.code not in CODES_OF_TIME)
    return [one.detail for one in lasting if (one.vm, one.code) not in known]
