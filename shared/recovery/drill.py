"""What is special about a drill's run: it ends at its time to live, and may let its machines soak. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.plans.plan import DrillSettings
from shared.recovery.recovery_plan_runs import abort_plan_runs
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.site_recovery.views import Verb

MADE_BY_FAILOVERS = ("microsoft.compute/", "microsoft.network/")
"""Types by how they begin: machines, disks, cards, addresses, security groups and their rules."""


class AzureResource(Message):
    """An Azure resource.

    Attributes:
        type: Such as "Microsoft.Network/networkInterfaces".
        machine: Name of the virtual machine that it is, or hangs on; empty when it hangs on none.
    """

    id: str
    type: str
    machine: str = ""


class Inventory(Message):
    """What there was in some groups and networks.

    Attributes:
        at: When Azure answered, by its own clock.
        marks: One short mark for each resource that failovers may make.
        added: Those that were not known already, only when it was asked what was.
        unkept: Why it could not be kept as evidence.
    """

    at: datetime
    marks: tuple[str, ...]
    added: tuple[AzureResource, ...] = ()
    unkept: str = ""


def mark_of(arm_id: str) -> str:
    """Twelve hex digits for an id in any casing: thousands of ids have to fit into what a run carries along."""
    return hashlib.sha256(arm_id.strip("/").lower().encode()).hexdigest()[:12]


def is_made_by_failovers(resource_type: str) -> bool:
    """Whether a resource of this type may be a drill's."""
    return resource_type.lower().startswith(MADE_BY_FAILOVERS)


def find_leftovers(
    added: Iterable[AzureResource], machines: Collection[str], *, count_unattached: bool = True
) -> tuple[AzureResource, ...]:
    """What of the things that came since the drill began is the drill's.

    A thing on somebody else's machine is not. One that hangs on no machine is taken for the drill's: a card whose
    machine was removed says nothing of its origin.

    Args:
        added: What was not there before the drill.
        machines: Names of the machines that were rehearsed, on premises and in Azure.
        count_unattached: Whether to count what hangs on no machine: not, when nobody saw what there was before.

    Source: testVmName is "<vm>-test" in recorded jobs, with a suffix where that name was taken (28175).
    """
    test_names = tuple(f"{name.lower()}-test" for name in machines if name)
    return tuple(
        resource
        for resource in added
        if (resource.machine.lower().startswith(test_names) if resource.machine else count_unattached)
    )


def find_network_flaws(
    settings: DrillSettings,
    production: Collection[str],
    *,
    found: bool,
    peered: Collection[str],
    cards: Collection[str],
) -> Iterator[Obstacle]:
    """What speaks against rehearsing there, besides that it is a production network (`drill_blockers`).

    Args:
        settings: The plan's.
        production: ARM ids of the sites' own networks.
        found: Whether the drill's network is there at all.
        peered: Networks that it is peered to, in whatever state: a peering that is not up today may be tomorrow.
        cards: Network cards in it.
    """
    network, production_networks = settings.network, {one.lower() for one in production if one}
    if not found:
        yield Obstacle(code="drill-network-missing", detail=f"there is no network {network}")
    for other in peered:
        if other.lower() in production_networks:
            yield Obstacle(code="drill-network-peered", detail=f"{network} is peered to the production network {other}")
    if cards and not settings.shared_network:
        detail = (
            f"{network} holds {len(cards)} network cards already, {min(cards)} among them; sharedNetwork lets that be"
        )
        yield Obstacle(code="drill-network-in-use", detail=detail)


SOAKING_VERBS: frozenset[Verb] = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover"})
TIME_IS_OVER = "the drill's time to live is over"
RUN_ABORTED = "the run was aborted"


def _end_of_rehearsal(run: Run) -> datetime | None:
    """When the run has to be at its cleanup, as long as it is at its test failovers."""
    is_rehearsing = run.current is not None and run.current.verb == "TestFailover"
    return run.rehearsal.until if run.rehearsal and is_rehearsing else None


def end_at_time_to_live(run: Run, now: datetime) -> Run:
    """At the end of its time to live nothing more is begun or waited for, but jobs that run already.

    A job that runs keeps its item busy, and that of a recovery plan all of its machines: there is no cleaning up before
    its end.
    """
    until = _end_of_rehearsal(run)
    if until is None or now < until:
        return run
    in_hand, stage, changed = run.vms_in_hand, run.progress.number, dict[str, RunItem]()
    for item in run.items:
        if item.state == "waiting" and item.vm not in in_hand:
            changed[item.vm] = item.as_blocked(code="time-to-live-over", detail=f"not rehearsed: {TIME_IS_OVER}")
        elif item.state == "probing":
            detail = f"test failover: {TIME_IS_OVER}, and its probes fail{item.detail and f': {item.detail}'}"
            changed[item.vm] = item.as_failed(stage, code="time-to-live-over", detail=detail)
    limits = run.limits.model_copy(update={"on_failure": "stop"})
    return abort_plan_runs(run.with_items_changed(changed).model_copy(update={"limits": limits}))


def within_time_to_live(run: Run, pause: timedelta, now: datetime) -> timedelta:
    """A pause that does not last beyond the time to live."""
    until = _end_of_rehearsal(run)
    return min(pause, until - now) if until and until > now else pause


def soak_machines(run: Run, now: datetime) -> tuple[Run, timedelta] | None:
    """Once all machines are up: how long they stay so, and then have them probed again; None when that is over.

    In a drill before its cleanup, in a failover before its commit.

    A rehearsal that has failed does not soak: there is nothing to see, and everything to clean up.
    """
    rehearsal, stage = run.rehearsal, run.current
    if rehearsal is None or not rehearsal.soak or stage is None or stage.verb not in SOAKING_VERBS:
        return None
    if run.has_failed or run.people.aborted:
        return None
    if rehearsal.soaks_until is None:
        ends = now + rehearsal.soak if rehearsal.until is None else min(now + rehearsal.soak, max(rehearsal.until, now))
        return run.with_rehearsal(rehearsal.model_copy(update={"soaks_until": ends})), ends - now
    if now < rehearsal.soaks_until:
        return run, rehearsal.soaks_until - now
    probed_again = {
        item.vm: item.model_copy(update={"state": "probing", "since": now})
        for item in run.items
        if item.state == "done" and item.probes and item.steps
    }
    soaked = rehearsal.model_copy(update={"soak": None})
    return run.with_items_changed(probed_again).with_rehearsal(soaked), timedelta(0)


def stop_run(run: Run, code: str, why: str) -> Run:
    """The run without anything more begun: a hook that it depends on did not succeed."""
    blocked = {item.vm: item.as_blocked(code, why) for item in run.items if item.state == "waiting"}
    stopped = run.results.model_copy(update={"stopped_by_hook": True})
    return run.with_items_changed(blocked).with_results(stopped)
