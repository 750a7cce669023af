"""Recovery points decide before the first verb whether a run begins, and are listed before its commit."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.recovery.contract import CheckPoints
from shared.site_recovery.verb_options import VerbOptions
from tests.orchestrators.test_runbooks import ORDER, SUB, Bench, plan, word

HOUR = timedelta(hours=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "wish",
    [
        VerbOptions(max_age=HOUR),
        VerbOptions(recovery_point="latestAppConsistent"),
        VerbOptions(recovery_point={"sql": "5b2d", "app": "latest"}),
    ],
)
def test_one_point_that_is_not_fit_keeps_the_whole_application_where_it_is(bench: Bench, wish: VerbOptions) -> None:
    """Else the domain controller would run in Azure before the database is refused."""
    bench.azure.recovery_points.unfit_vms = {"sql"}
    bench.options = wish
    result = bench.run(failover, "failover")
    assert result.output["state"] == "refused"
    assert [(one["vm"], one["code"]) for one in result.output["problems"]] == [("sql", "recovery-point-too-old")]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_each_machine_without_a_fit_point_is_named_and_a_drill_is_no_exception(bench: Bench) -> None:
    bench.azure.recovery_points.unfit_vms = {"web", "dc"}
    bench.options = VerbOptions(max_age=HOUR)
    result = bench.run(drill, "drill")
    assert [one["vm"] for one in result.output["problems"]] == ["dc", "web"]
    assert bench.azure.jobs.sent == []


def test_nothing_is_listed_where_any_point_will_do_or_the_machine_is_there_already(bench: Bench) -> None:
    bench.azure.recovery_points.unfit_vms = set(ORDER)
    lists = bench.driver.times_of("check_recovery_points")
    assert bench.run(failover, "failover", document=plan(commit="manual")).output["state"] == "succeeded"
    assert lists == []
    bench.azure.items.machines["web"].reach("ReverseReplicate")
    bench.azure.recovery_points.unfit_vms = {"dc", "sql", "app"}
    bench.options = VerbOptions(max_age=HOUR)
    assert bench.run(failover, "failover", "run-2", plan(commit="manual")).output["state"] == "succeeded"
    assert len(lists) == 1


def test_what_grew_too_old_while_others_were_asked_to_approve_begins_nothing(bench: Bench) -> None:
    document = plan(approvals={"count": 1})
    bench.options = VerbOptions(max_age=HOUR)
    bench.driver.say(2 * HOUR, "approve", word("bob", document))
    bench.driver.clock.watchers.append(lambda _now: bench.azure.recovery_points.unfit_vms.add("app"))
    result = bench.run(failover, "failover", document=document)
    assert [one["vm"] for one in result.output["problems"]] == ["app"]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_a_vault_that_does_not_tell_its_points_for_minutes_ends_nothing(bench: Bench) -> None:
    bench.azure.faults.crashes["check_recovery_points"] = 10
    bench.options = VerbOptions(max_age=HOUR)
    assert bench.run(failover, "failover").output["state"] == "succeeded"


def test_points_that_cannot_be_read_for_twenty_minutes_begin_nothing(bench: Bench) -> None:
    bench.azure.faults.crashes["check_recovery_points"] = 100
    bench.options = VerbOptions(max_age=HOUR)
    result = bench.run(failover, "failover")
    assert result.output["problems"][0]["code"] == "points-unreadable"
    assert (bench.azure.jobs.sent, bench.held()) == ([], {})


def test_many_are_asked_in_batches_within_the_budget_of_their_subscription(bench: Bench) -> None:
    """Each costs a request: 300 are more than there are at once, so that the last ones wait for theirs."""
    names = [f"vm-{number}" for number in range(300)]
    bench.azure.items.protect(names)
    bench.azure.recovery_points.unfit_vms = {"vm-299"}
    bench.options = VerbOptions(max_age=HOUR)
    asked: list[int] = []
    times = bench.driver.times_of("check_recovery_points")
    check = bench.driver.activities["check_recovery_points"]

    def counted(payload: dict[str, Any]) -> dict[str, Any]:
        asked.append(len(CheckPoints.model_validate(payload).items))
        return check(payload)

    bench.driver.activities = {**bench.driver.activities, "check_recovery_points": counted}
    result = bench.run(failover, "failover", document=plan(items=[{"vm": vm} for vm in names]))
    assert [one["vm"] for one in result.output["problems"]] == ["vm-299"]
    assert asked == [50] * 6
    assert times[4] - times[3] >= timedelta(seconds=3)
    level = bench.driver.states[f"@request_budget@{SUB.rpartition('/')[2]}"]["reads"]["level"]
    assert level <= 1


def test_a_failover_that_commits_by_itself_first_keeps_the_list_of_what_that_deletes(bench: Bench) -> None:
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    kinds = bench.azure.evidence.list_kinds()
    assert bench.azure.recovery_points.kept == {"run-1/attachments/recovery-points-1.json": tuple(ORDER)}
    listed = next(entry for _, entry in bench.azure.evidence.records if entry.kind == "recovery-points")
    assert listed.body == {"before": "commit", "counts": dict.fromkeys(ORDER, 24), "unread": []}
    assert listed.attach == ("recovery-points-1.json",)
    commits = [at for at, (_, one) in enumerate(bench.azure.evidence.records) if one.body.get("verb") == "Commit"]
    assert kinds.index("recovery-points") < min(commits)


def test_a_commit_keeps_the_list_first_and_that_of_a_failback_has_none(bench: Bench) -> None:
    manual = plan(commit="manual")
    bench.run(failover, "failover", "run-1", manual)
    assert bench.azure.recovery_points.kept == {}
    assert bench.run(commit, "commit", "run-2", manual).output["state"] == "succeeded"
    assert list(bench.azure.recovery_points.kept) == ["run-2/attachments/recovery-points-1.json"]
    bench.run(failback, "failback", "run-3", manual)
    assert bench.run(commit, "commit", "run-4", manual).output["state"] == "succeeded"
    assert list(bench.azure.recovery_points.kept) == ["run-2/attachments/recovery-points-1.json"]


def test_a_list_that_cannot_be_read_is_told_and_holds_nothing_up(bench: Bench) -> None:
    bench.azure.faults.crashes["keep_recovery_points"] = 100
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    listed = next(entry for _, entry in bench.azure.evidence.records if entry.kind == "recovery-points")
    assert [line.partition(":")[0] for line in listed.body["unread"]] == list(ORDER)


def test_a_round_trip_keeps_the_list_of_its_first_commit_alone(bench: Bench) -> None:
    bench.driver.say(3 * HOUR, "decide", {"verdict": "resume", "by": "eve", "vms": [], "comment": ""})
    assert bench.run(roundtrip, "roundtrip").output["state"] == "succeeded"
    assert bench.azure.evidence.list_kinds().count("recovery-points") == 1
