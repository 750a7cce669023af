"""What speaks against a verb is told with its weight: concerns make a plan unready, warnings are in nobody's way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.obstacle import Obstacle
from shared.operations.kinds import Kind
from shared.plans.history import Forecast, PastRun, PlanHistory, grounds_of
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.plans.preview_kinds import PREVIEW_KINDS
from shared.plans.readiness import (
    PreviewFacts,
    describe_differences,
    preview_with_readiness,
    verify_last_drill,
    with_preview_digest,
)
from shared.recovery.operation import Operation, options_for
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemDetail, ProviderView
from tests.shared.samples import ISOLATED, PRODUCTION, SITE, plan, site, view

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
HOST = ProviderView(id="/providers/N1", host="hci-01-n1", connected=True, heartbeat=NOW)
ONE: dict[str, Any] = {"items": [{"vm": "sql-01"}]}
VERIFIED = PlanHistory(
    past_runs=(PastRun(run="drill-1", kind="drill", state="succeeded", began=NOW - DAY, ended=NOW - DAY),)
)


def item(**changes: Any) -> ItemDetail:
    well = {
        "replication_health": "Normal",
        "rpo": 2 * MINUTE,
        "rpo_at": NOW - MINUTE,
        "target_group": SITE["targetResourceGroup"],
        "policy": "policy-24h",
        "network": PRODUCTION.upper(),
        "host_provider": HOST.id,
    }
    return ItemDetail.model_validate(view().model_dump() | well | changes)


def told(what: str, document: PlanDocument | None = None, host: ProviderView | None = HOST, **changes: Any) -> Preview:
    document = document or plan(**ONE, targets={"rpo": "PT15M"})
    rehearsed = VERIFIED.past_runs[0].model_copy(update={"digest": document.digest})
    hosts = {host.id.lower(): host} if host else {}
    seen = PreviewFacts(
        at=NOW, items={"SQL-01": item(**changes)}, hosts=hosts, plan_history=PlanHistory(past_runs=(rehearsed,))
    )
    return with_preview_digest(preview_with_readiness(document, what, {"hci-01": site()}, seen, "payroll"))


def codes(found: tuple[Obstacle, ...]) -> list[str]:
    return [one.code for one in found]


@pytest.mark.parametrize("what", ["planned-failover", "unplanned-failover", "drill"])
def test_where_all_is_as_declared_nothing_is_said(what: str) -> None:
    seen = told(what)
    assert (seen.blockers, seen.concerns, seen.warnings) == ((), (), ())


def test_critical_replication_is_a_concern_of_a_failover_and_a_warning_of_a_drill() -> None:
    for what in ("planned-failover", "unplanned-failover"):
        assert codes(told(what, replication_health="Critical").concerns) == ["replication-critical"]
    drill = told("drill", replication_health="Critical")
    assert (codes(drill.concerns), codes(drill.warnings)) == ([], ["replication-critical"])
    assert codes(told("planned-failover", replication_health="Warning").warnings) == ["replication-warning"]


def test_where_the_site_is_lost_an_unplanned_failover_is_held_up_by_its_data_at_risk_alone() -> None:
    lost: Any = {"host": None, "replication_health": "Critical"}
    seen = told("unplanned-failover", **lost)
    assert (codes(seen.concerns), codes(seen.warnings)) == ([], ["replication-critical", "host-not-connected"])
    assert codes(told("unplanned-failover", **lost, rpo_at=NOW - DAY).concerns) == ["behind-target"]
    assert codes(told("planned-failover", **lost).concerns) == ["replication-critical", "host-not-connected"]


def test_the_age_of_a_figure_counts_and_only_an_unplanned_failover_loses_data() -> None:
    stale: Any = {"rpo": 2 * MINUTE, "rpo_at": NOW - 14 * MINUTE}
    lossy = told("unplanned-failover", **stale)
    assert codes(lossy.concerns) == ["behind-target"]
    assert lossy.concerns[0].detail.startswith("16 min 00 s of sql-01's newest data would be lost")
    planned = told("planned-failover", **stale)
    assert (codes(planned.concerns), codes(planned.warnings)) == ([], ["behind-target"])
    assert told("unplanned-failover", rpo_at=NOW - 13 * MINUTE).concerns == ()
    assert codes(told("unplanned-failover", rpo_at=None).warnings) == ["rpo-unknown"]
    assert told("unplanned-failover", plan(**ONE), **stale).concerns == ()


@pytest.mark.parametrize("host", [None, HOST.model_copy(update={"connected": False})])
def test_a_host_that_is_not_connected_is_a_concern_of_verbs_that_need_it(host: ProviderView | None) -> None:
    back: Any = {"protection_state": "FailbackCommitted", "allowed_operations": ("ReverseReplicate",)}
    for what, state in (("planned-failover", {}), ("failback", {}), ("reprotect", back)):
        assert codes(told(what, host=host, **state).concerns) == ["host-not-connected"]
    lost = told("unplanned-failover", host=host)
    assert (codes(lost.concerns), codes(lost.warnings)) == ([], ["host-not-connected"])
    for what in ("drill", "commit", "change-point"):
        assert (told(what, host=host).concerns, told(what, host=host).warnings) == ((), ())


@pytest.mark.parametrize(
    ("drifted", "code"),
    [
        ({"target_group": "/subscriptions/1/resourceGroups/other"}, "other-target-group"),
        ({"network": ""}, "no-network"),
        ({"network": ISOLATED}, "other-network"),
    ],
)
def test_an_item_that_is_not_as_its_site_says_is_a_concern(drifted: dict[str, Any], code: str) -> None:
    assert codes(told("planned-failover", **drifted).concerns) == [code]
    assert told("drill", **drifted).concerns == ()


def test_a_machine_that_cannot_be_told_blocks_every_verb_with_its_own_reason() -> None:
    twins = Obstacle(
        vm="sql-01", code="ambiguous-vm", detail="2 protected items of hci-01-site are called sql-01: /a and /b"
    )
    seen = PreviewFacts(at=NOW, items={}, hosts={}, missing={"sql-01": twins})
    for what in ("planned-failover", "commit", "cancel"):
        told = preview_with_readiness(plan(**ONE), what, {"hci-01": site()}, seen)
        assert list(told.blockers) == [twins]
        assert (told.items[0].state, told.items[0].reason, told.confirm) == ("missing", twins.detail, "")


def test_a_network_that_the_plan_sets_is_no_drift_and_another_policy_only_a_warning() -> None:
    own = plan(items=[{"vm": "sql-01", "network": ISOLATED}])
    assert told("planned-failover", own, network=PRODUCTION).concerns == ()
    other = told("planned-failover", policy="policy-72h")
    assert (other.concerns, codes(other.warnings)) == ((), ["other-policy"])


def test_a_machine_without_any_network_is_a_concern_of_a_failover_and_a_warning_of_a_drill() -> None:
    assert codes(told("unplanned-failover", network="").concerns) == ["no-network"]
    assert codes(told("drill", network="").warnings) == ["no-network"]
    assert codes(told("failback", network="", active_location="Recovery").concerns) == []
    named = plan(items=[{"vm": "sql-01", "network": PRODUCTION}], targets={"rpo": "PT15M"})
    assert codes(told("planned-failover", named, network="").concerns) == []


def test_a_machine_that_is_there_already_is_not_judged() -> None:
    over: Any = {"protection_state": "PlannedFailoverStatesBegin", "active_location": "Recovery"}
    done = told("planned-failover", **over, allowed_operations=("Failback",), replication_health="Critical", policy="x")
    assert (done.items[0].already_done, done.concerns, done.warnings) == (True, (), ())


def drilled(document: PlanDocument, ended: datetime, digest: str | None = None, state: str = "succeeded") -> PastRun:
    known = document.digest if digest is None else digest
    return PastRun(run=f"drill-{ended:%H}", kind="drill", state=state, began=ended, ended=ended, digest=known)


@pytest.mark.parametrize(
    ("past", "status"),
    [
        ([], "never-verified"),
        ([("", "failed")], "never-verified"),
        ([("", "succeeded")], "needs-verification"),
        ([("other", "succeeded")], "needs-verification"),
        ([("this", "succeeded")], "verified"),
        ([("this", "succeeded"), ("other", "succeeded")], "verified"),
        ([("this", "succeeded"), ("this", "failed")], "verified"),
    ],
)
def test_a_plan_is_verified_by_a_good_drill_of_this_very_plan(past: list[tuple[str, str]], status: str) -> None:
    document = plan(**ONE)
    digests = {"this": document.digest}
    track = PlanHistory(
        past_runs=tuple(drilled(document, NOW, digests.get(digest, digest), state) for digest, state in past)
    )
    assert verify_last_drill(document, track, NOW).status == status


def test_a_drill_proves_nothing_of_another_network_or_another_disk() -> None:
    document, sites = plan(**ONE), {"hci-01": site()}
    grounds = grounds_of(document, sites, [item(vm="sql-01", disk_mb=2048)])
    track = PlanHistory(past_runs=(drilled(document, NOW).model_copy(update={"grounds": grounds}),))
    assert verify_last_drill(document, track, NOW, grounds).status == "verified"
    moved = {"hci-01": site(network=ISOLATED)}
    stands = verify_last_drill(document, track, NOW, grounds_of(document, moved, [item(vm="sql-01", disk_mb=4096)]))
    assert stands.status == "needs-verification"
    assert stands.changed_since == (
        f"the network of site hci-01 is {ISOLATED.lower()} and was {PRODUCTION.lower()}",
        "the size of disks of VM sql-01 is 4096 and was 2048",
    )
    unknown = grounds_of(document, sites, [item(vm="sql-01")])
    assert verify_last_drill(document, track, NOW, unknown).status == "verified"


def test_what_has_changed_since_the_drill_is_told_with_it() -> None:
    document = plan(**ONE)
    then = grounds_of(document, {"hci-01": site(network=ISOLATED)}, ())
    track = PlanHistory(past_runs=(drilled(document, NOW).model_copy(update={"grounds": then}),))
    seen = PreviewFacts(at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST}, plan_history=track)
    (warning,) = preview_with_readiness(document, "planned-failover", {"hci-01": site()}, seen).warnings
    assert warning.code == "needs-verification"
    assert "the network of site hci-01" in warning.detail


@pytest.mark.parametrize(
    ("days", "concerns"), [(None, ["never-verified"]), (29, []), (30, ["drill-expired"]), (31, ["drill-expired"])]
)
def test_where_the_plan_says_how_long_a_drill_counts_a_failover_rests_on_it(
    days: int | None, concerns: list[str]
) -> None:
    document = plan(**ONE, drill={"network": ISOLATED, "validFor": "P30D"})
    past = () if days is None else (drilled(document, NOW - days * DAY),)
    seen = PreviewFacts(
        at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST}, plan_history=PlanHistory(past_runs=past)
    )
    for what in ("planned-failover", "unplanned-failover"):
        assert codes(preview_with_readiness(document, what, {"hci-01": site()}, seen).concerns) == concerns
    assert preview_with_readiness(document, "drill", {"hci-01": site()}, seen).concerns == ()


def test_without_that_an_unrehearsed_plan_is_only_warned_of() -> None:
    document = plan(**ONE)
    seen = PreviewFacts(at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST})
    told = preview_with_readiness(document, "planned-failover", {"hci-01": site()}, seen)
    assert (told.concerns, codes(told.warnings)) == ((), ["never-verified"])
    changed = seen._replace(plan_history=PlanHistory(past_runs=(drilled(document, NOW, "other"),)))
    told = preview_with_readiness(document, "planned-failover", {"hci-01": site()}, changed)
    assert (told.concerns, codes(told.warnings)) == ((), ["needs-verification"])


@pytest.mark.parametrize("code", ["evidence-store-missing", "evidence-store-unavailable"])
@pytest.mark.parametrize("kind", PREVIEW_KINDS)
def test_where_no_evidence_can_be_kept_each_verb_says_so_and_the_plan_says_what_it_means(kind: str, code: str) -> None:
    seen = PreviewFacts(
        at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST}, evidence=Obstacle(code=code, detail="full")
    )
    drill = {"network": ISOLATED}
    required = preview_with_readiness(plan(**ONE, drill=drill, evidence="required"), kind, {"hci-01": site()}, seen)
    wanted = preview_with_readiness(plan(**ONE, drill=drill), kind, {"hci-01": site()}, seen)
    assert (code in codes(required.blockers), code in codes(required.warnings)) == (True, False)
    assert (code in codes(wanted.blockers), code in codes(wanted.warnings)) == (False, True)
    assert code not in codes(required.concerns) + codes(wanted.concerns)


def test_what_is_wrong_with_networks_stands_in_the_way_of_the_verb_that_goes_there() -> None:
    wrong = Obstacle(code="network-missing", detail="there is none")
    seen = PreviewFacts(at=NOW, items={"sql-01": item()}, hosts={}, network_blockers=(wrong,), isolation=(wrong,) * 2)
    found = {
        what: len(preview_with_readiness(plan(**ONE), what, {"hci-01": site()}, seen).blockers)
        for what in ("unplanned-failover", "drill", "commit")
    }
    assert found["unplanned-failover"] == 1
    assert found["drill"] == 2


def test_past_runs_say_how_long_it_takes_and_before_there_are_any_recorded_medians_do() -> None:
    def ran(run: str, minutes: int, **changes: Any) -> PastRun:
        about = {"run": run, "kind": "failover", "preview_kind": "planned-failover", "state": "succeeded"}
        return PastRun.model_validate({**about, "began": NOW - minutes * MINUTE, "ended": NOW, **changes})

    document = plan(**ONE)
    bare = PreviewFacts(at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST})
    told = preview_with_readiness(document, "planned-failover", {"hci-01": site()}, bare)
    assert (told.expected_duration_source, told.forecast) == ("recorded-medians", None)
    others = (ran("4", 500, preview_kind="unplanned-failover"), ran("5", 500, state="failed"))
    track = PlanHistory(past_runs=(ran("1", 10), ran("2", 20), ran("3", 30), *others))
    told = preview_with_readiness(document, "planned-failover", {"hci-01": site()}, bare._replace(plan_history=track))
    assert (told.expected_duration_source, told.expected_duration) == ("past-runs", 20 * MINUTE)
    assert told.forecast == Forecast(median_seconds=1200.0, p95_seconds=1740.0, based_on_runs=3)


def test_a_preview_is_named_by_what_would_be_done_and_what_is_in_the_way_not_by_figures() -> None:
    first = told("unplanned-failover")
    assert len(first.preview_digest) == 64
    assert told("unplanned-failover", rpo=MINUTE).preview_digest == first.preview_digest
    late = told("unplanned-failover", rpo_at=NOW - DAY)
    assert late.concerns
    assert late.preview_digest == first.preview_digest
    others = [
        told("planned-failover"),
        told("unplanned-failover", replication_health="Critical"),
        told("unplanned-failover", allowed_operations=()),
        told("unplanned-failover", plan(**ONE, commit="manual")),
    ]
    assert len({one.preview_digest for one in (first, *others)}) == 5
    assert with_preview_digest(first) == first


def test_what_was_approved_is_void_when_it_would_do_something_else_or_something_new_is_in_the_way() -> None:
    first = told("unplanned-failover")
    assert describe_differences(first, first) == ()
    assert describe_differences(first, told("unplanned-failover", rpo_at=NOW - DAY)) == ()
    ill = told("unplanned-failover", replication_health="Critical")
    assert describe_differences(first, ill) == ("the replication of sql-01 is Critical",)
    assert describe_differences(ill, first) == ()
    busy = describe_differences(first, told("unplanned-failover", allowed_operations=(), protection_state="Busy"))
    assert busy[0] == "sql-01 is not as it was then"
    stages = describe_differences(first, told("unplanned-failover", plan(**ONE, commit="manual")))
    assert stages == ("stages is ('UnplannedFailover',) and was ('UnplannedFailover', 'Commit')",)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("failover", {"recovery_point": "latestProcessed"}),
        ("failover", {"recovery_point": {"sql-01": "5b2d"}}),
        ("failover", {"max_age": "PT1H"}),
        ("failover", {"failover_type": "unplanned", "shut_down_source": False}),
        ("failback", {"data_sync": "minimise-downtime"}),
        ("failback", {"data_sync": "minimise-downtime", "resume_at": NOW}),
        ("failback", {"create_vm": True}),
        ("failback", {"create_vm": True, "host": "hci-01-n2"}),
        ("failback", {"order": "same"}),
        ("roundtrip", {"return_at": NOW}),
        ("drill", {"recovery_point": "latestAppConsistent"}),
        ("change-point", {"recovery_point": "latestAppConsistent"}),
    ],
)
def test_what_was_asked_for_is_shown_and_approved_with_the_preview(kind: Kind, said: dict[str, Any]) -> None:
    document, seen = plan(), PreviewFacts(at=NOW, items={"sql-01": item()}, hosts={HOST.id.lower(): HOST})

    def preview_of(requested: dict[str, Any]) -> Preview:
        about = {"id": "run-1", "kind": kind, "plan": "payroll", "requested_by": "ann", "digest": document.digest}
        options = options_for(kind, VerbOptions.model_validate(requested), document)
        operation = Operation.model_validate({**about, "document": document, "sites": {}, "options": options})
        preview = preview_with_readiness(document, operation.preview_kind, {"hci-01": site()}, seen, options=options)
        return with_preview_digest(preview)

    asked, bare = preview_of(said), preview_of({key: said[key] for key in said if key == "failover_type"})
    assert asked.preview_digest != bare.preview_digest
    assert asked.model_dump(mode="json")["options"] != bare.model_dump(mode="json")["options"]
    assert "the options have changed" in describe_differences(bare, asked)


def test_a_long_list_of_changes_is_cut() -> None:
    many = tuple(Obstacle(vm=f"vm-{number}", code="gone", detail=f"{number} is gone") for number in range(8))
    first = told("planned-failover")
    found = describe_differences(first, first.model_copy(update={"blockers": many}))
    assert found == ("0 is gone", "1 is gone", "2 is gone", "3 is gone", "4 is gone", "and 3 more")
