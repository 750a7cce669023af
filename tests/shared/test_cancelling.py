"""What a cancel does is said for the machines as they are."""

from shared.plans.preview import confirmation_sentence
from tests.shared.samples import plan, view

PENDING = {"active_location": "Recovery", "allowed_operations": ("Commit", "ChangePit")}


def test_a_failover_and_a_failback_are_told_apart() -> None:
    items = {
        "dc-01": view("dc-01", **PENDING),
        "SQL-01": view("SQL-01", active_location="Recovery", allowed_operations=(), scenario="PlannedFailover"),
        "app-01": view("app-01"),
    }
    told = confirmation_sentence(plan(), items)
    assert told == (
        "Cancel: the replication of dc-01 ends, and they must be protected anew; "
        "on premises SQL-01 may be corrupt until failed back once more."
    )


def test_where_nothing_can_be_cancelled_there_is_nothing_to_confirm() -> None:
    assert confirmation_sentence(plan(), {"dc-01": view("dc-01")}) == ""
