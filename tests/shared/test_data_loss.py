"""What a failover loses counts to the moment when the source is last known to have written: one outage, one figure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.report import render_report
from shared.plans.data_loss import STILL_CONNECTED, LossMoment, SourceLastSeen, find_loss_moment, group_loss_moments
from shared.plans.plan import Targets
from shared.plans.preview import Preview
from shared.plans.readiness import PreviewFacts, find_sources_last_seen, preview_with_readiness
from shared.recovery.achieved import Achieved, measure_achieved
from shared.recovery.run_item import ItemStep, RunItem
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemDetail, ProviderView, Verb
from tests.shared.samples import plan, site, view

OUTAGE = datetime(2027, 3, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DECIDED = OUTAGE + 135 * MINUTE
LOST = ProviderView(id="/providers/n1", host="hci-01-n1", connected=False, heartbeat=OUTAGE)
UNPLANNED = VerbOptions(failover_type="unplanned")
LATEST = VerbOptions(failover_type="planned", recovery_point="latest")


def item(**changes: Any) -> ItemDetail:
    """Its data in Azure is three minutes older than the outage."""
    facts = {"rpo": 2 * MINUTE, "rpo_at": OUTAGE - MINUTE, "host_provider": LOST.id, **changes}
    return ItemDetail.model_validate(view().model_dump() | facts)


def preview(host: ProviderView | None = LOST, options: VerbOptions = UNPLANNED, **changes: Any) -> Preview:
    document = plan(items=[{"vm": "sql-01"}], targets={"rpo": "PT15M"})
    facts = PreviewFacts(at=DECIDED, items={"sql-01": item(**changes)}, hosts={host.id.lower(): host} if host else {})
    return preview_with_readiness(document, "unplanned-failover", {"hci-01": site()}, facts, options=options)


def loss_in(shown: Preview) -> tuple[Any, ...]:
    return shown.items[0].data_loss, shown.items[0].loss_counted_from, shown.items[0].loss_counted_to


def behind_in(shown: Preview) -> list[str]:
    return [one.detail for one in shown.concerns if one.code == "behind-target"]


def run_item(verb: Verb, began: datetime, point: datetime | None, **more: Any) -> RunItem:
    step = ItemStep(verb=verb, job="j", outcome="succeeded", began=began, ended=began + 8 * MINUTE, point=point)
    return RunItem(vm="sql-01", id="i", state="done", steps=(step,), **more)


def achieved(items: list[RunItem], began: datetime = DECIDED, **more: Any) -> Achieved:
    measured = measure_achieved(items, began, Targets(rpo=15 * MINUTE), **more)
    assert measured is not None
    return measured


def test_of_a_lost_host_the_loss_counts_to_its_last_heartbeat_however_late_it_is_noticed() -> None:
    assert loss_in(preview()) == (3 * MINUTE, "lastHeartbeat", OUTAGE)
    assert behind_in(preview()) == []
    late = preview(rpo_at=OUTAGE - 30 * MINUTE)
    said = "32 min 00 s of sql-01's newest data would be lost, counted to the last heartbeat of its host at "
    assert behind_in(late) == [f"{said}2027-03-01 09:00 UTC; the plan's target is 15 min 00 s"]


def test_what_a_person_says_of_the_outage_comes_first() -> None:
    stated = UNPLANNED.model_copy(update={"outage_at": OUTAGE + 5 * MINUTE})
    for host in (LOST, LOST.model_copy(update={"connected": True}), None):
        assert loss_in(preview(host, stated)) == (8 * MINUTE, "outageAt", OUTAGE + 5 * MINUTE)
    too_early = preview(options=UNPLANNED.model_copy(update={"outage_at": OUTAGE - 60 * MINUTE}))
    [warning] = [one for one in too_early.warnings if one.code == "outage-before-data"]
    assert "sql-01" in warning.detail


@pytest.mark.parametrize(
    ("host", "counted_from", "words"),
    [
        (None, "decision", "at most "),
        (LOST.model_copy(update={"heartbeat": None}), "decision", "at most "),
        (LOST.model_copy(update={"heartbeat": OUTAGE - 120 * MINUTE}), "decision", "at most "),  # wrote elsewhere since
        (LOST.model_copy(update={"connected": True}), "failoverStart", "its host is connected"),
    ],
    ids=["unknown-host", "no-heartbeat", "newer-data-than-heartbeat", "connected"],
)
def test_of_an_outage_that_nobody_knows_of_all_until_now_counts(
    host: ProviderView | None, counted_from: str, words: str
) -> None:
    shown = preview(host)
    assert loss_in(shown) == (138 * MINUTE, counted_from, DECIDED)
    assert words in behind_in(shown)[0]


def test_the_report_has_the_figure_of_the_preview_and_it_does_not_grow_with_each_vms_own_start() -> None:
    last_seen = find_sources_last_seen(preview())
    assert last_seen == (SourceLastSeen(counted_from="lastHeartbeat", at=OUTAGE),)
    for wait in (0, 30, 90):
        got = achieved(
            [run_item("UnplannedFailover", DECIDED + wait * MINUTE, OUTAGE - 3 * MINUTE)],
            options=UNPLANNED,
            last_seen=last_seen,
        )
        assert (got.rpo, got.rpo_met, got.loss_counted_from) == (preview().items[0].data_loss, True, "lastHeartbeat")
    page = render_report(
        {"id": "f", "kind": "failover", "state": "succeeded", "achieved": got.model_dump(mode="json", by_alias=True)}
    )
    assert "Data loss is counted to the last heartbeat of the VM&#39;s host in the vault, 2027-03-01 09:00 UTC." in page


def test_of_an_unknown_outage_the_runs_begin_counts_and_of_a_living_source_each_vms_own_failover() -> None:
    start, point = DECIDED + 30 * MINUTE, OUTAGE
    unknown = SourceLastSeen(counted_from="decision", vms=("sql-01",))
    moved = [run_item("UnplannedFailover", start, point)]
    decided = achieved(moved, options=UNPLANNED, last_seen=[unknown])
    assert (decided.rpo, decided.loss_counted_from, decided.loss_counted_to) == (135 * MINUTE, "decision", DECIDED)
    living = achieved(moved, options=UNPLANNED)
    assert (living.rpo, living.loss_counted_from, living.loss_counted_to) == (165 * MINUTE, "failoverStart", start)


def test_of_a_point_that_the_failover_itself_had_made_the_vaults_own_measure_counts() -> None:
    """The time of such a point is later than the outage, and its data is not."""
    last_seen = find_sources_last_seen(preview())
    measured = {"replicated_until": OUTAGE - 3 * MINUTE, "replica_age": 2 * MINUTE}
    made_then = [run_item("UnplannedFailover", DECIDED, DECIDED + MINUTE, **measured)]
    assert achieved(made_then, options=UNPLANNED, last_seen=last_seen).rpo == 3 * MINUTE
    assert achieved([run_item("UnplannedFailover", DECIDED, None)], options=UNPLANNED, last_seen=last_seen).rpo is None
    drilled = run_item("TestFailover", DECIDED, DECIDED + timedelta(seconds=3), **measured)
    assert achieved([drilled]).rpo == 2 * MINUTE
    assert achieved([drilled.model_copy(update={"replica_age": None})]).rpo is None


def test_a_drill_shows_the_age_of_its_point_and_a_planned_failover_loses_nothing() -> None:
    drilled = achieved([run_item("TestFailover", DECIDED + 20 * MINUTE, DECIDED + 16 * MINUTE)])
    assert (drilled.rpo, drilled.loss_counted_from) == (4 * MINUTE, "testFailoverStart")
    moved = [run_item("PlannedFailover", DECIDED + 20 * MINUTE, DECIDED + 16 * MINUTE)]
    planned = achieved(moved, options=LATEST)
    assert (planned.rpo, planned.loss_counted_from, planned.rpo_met) == (timedelta(0), "synchronised", True)
    older = achieved(moved, options=LATEST.model_copy(update={"recovery_point": "latestAppConsistent"}))
    assert (older.rpo, older.loss_counted_from) == (4 * MINUTE, "failoverStart")


def test_hosts_that_are_lost_one_after_the_other_have_each_their_own_moment() -> None:
    later = LossMoment("lastHeartbeat", OUTAGE + 10 * MINUTE)
    moments = {"a": LossMoment("lastHeartbeat", OUTAGE), "b": later, "c": STILL_CONNECTED, "d": later}
    kept = group_loss_moments(moments.items())
    assert [(one.at, one.vms) for one in kept] == [(OUTAGE, ("a",)), (OUTAGE + 10 * MINUTE, ("b", "d"))]
    assert group_loss_moments([("a", STILL_CONNECTED)]) == ()


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(-300, 0)), min_size=1, max_size=5),
    st.sampled_from([None, "outage"]),
)
def test_one_outage_is_one_moment_for_all_vms_of_a_host(waits: list[tuple[int, int]], stated: str | None) -> None:
    """The later a VM's own failover begins the older its data is, but no more of it is lost."""
    outage_at = OUTAGE + 5 * MINUTE if stated else None
    moment = find_loss_moment(item(), LOST, outage_at)
    vms = tuple(f"vm-{number}" for number in range(len(waits)))
    last_seen = SourceLastSeen.model_validate({"counted_from": moment.counted_from, "at": moment.at, "vms": vms})
    items = [
        run_item("UnplannedFailover", DECIDED + wait * MINUTE, OUTAGE + age * MINUTE).model_copy(update={"vm": vm})
        for vm, (wait, age) in zip(vms, waits, strict=True)
    ]
    got = achieved(items, options=UNPLANNED, last_seen=[last_seen])
    assert {one.loss_counted_to for one in got.machines} == {moment.at}
    for machine, (_, age) in zip(got.machines, waits, strict=True):
        assert machine.rpo == moment.at - (OUTAGE + age * MINUTE) if moment.at and age else True
