"""What a cancel or a commit deletes is said for the machines as they are."""

from shared.plans.preview import build_preview, confirmation_sentence
from shared.plans.preview_kinds import PREVIEW_KINDS
from tests.shared.samples import plan, view

PENDING = {"active_location": "Recovery", "allowed_operations": ("Commit", "ChangePit")}


def test_a_failover_and_a_failback_are_told_apart() -> None:
    items = {
        "dc-01": view("dc-01", **PENDING),
        "SQL-01": view("SQL-01", active_location="Recovery", allowed_operations=(), scenario="PlannedFailover"),
        "app-01": view("app-01"),
    }
    told = confirmation_sentence(plan(), "cancel", items)
    assert told == (
        "Cancel: the replication of dc-01 ends, and they must be protected anew; "
        "on premises SQL-01 may be corrupt until failed back once more."
    )


def test_where_nothing_can_be_cancelled_there_is_nothing_to_confirm() -> None:
    assert confirmation_sentence(plan(), "cancel", {"dc-01": view("dc-01")}) == ""


def test_a_commit_names_whose_recovery_points_it_deletes() -> None:
    items = {
        "dc-01": view("dc-01", **PENDING),
        "sql-01": view("sql-01", active_location="Recovery", allowed_operations=("Failback",)),
        "web-01": view("web-01", active_location="Primary", allowed_operations=("Commit",)),
    }
    sentence = confirmation_sentence(plan(commit="manual"), "commit", items)
    assert sentence == "Commit: all other recovery points of dc-01 are deleted."
    assert build_preview(plan(commit="manual"), "commit", items).confirm == sentence


def test_a_plan_that_commits_by_itself_asks_nobody() -> None:
    assert confirmation_sentence(plan(commit="automatic"), "commit", {"dc-01": view("dc-01", **PENDING)}) == ""


def test_a_failover_deletes_nothing_that_it_would_ask_for() -> None:
    items = {"dc-01": view("dc-01", **PENDING)}
    for kind in PREVIEW_KINDS:
        asks = confirmation_sentence(plan(commit="manual"), kind, items) != ""
        assert asks == (kind in {"commit", "cancel"}), kind
