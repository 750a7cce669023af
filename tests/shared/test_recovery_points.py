"""Which recovery point is meant, and when it is too old."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import Refused
from shared.site_recovery.recovery_points import PointChoice, RecoveryPoint, choose_point

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
POINTS = [
    RecoveryPoint(id="/items/sql/recoveryPoints/p2", name="p2", at=NOW - timedelta(minutes=50), consistent=True),
    RecoveryPoint(id="/items/sql/recoveryPoints/p3", name="p3", at=NOW - timedelta(minutes=5)),
    RecoveryPoint(id="/items/sql/recoveryPoints/p1", name="p1", at=NOW - timedelta(minutes=110), consistent=True),
]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("latest", "p3"),
        ("latestProcessed", "p3"),
        ("latestAppConsistent", "p2"),
        ("P1", "p1"),
        ("/items/sql/recoveryPoints/p1", "p1"),
    ],
)
def test_a_rule_means_a_point_in_whatever_order_the_vault_lists_them(rule: str, name: str) -> None:
    assert choose_point(POINTS, rule, None, NOW).name == name


@pytest.mark.parametrize(
    ("rule", "max_age", "code"),
    [
        ("p9", None, "no-recovery-point"),
        ("latestAppConsistent", timedelta(minutes=49), "recovery-point-too-old"),
        ("latest", timedelta(minutes=4), "recovery-point-too-old"),
    ],
)
def test_no_point_and_one_that_is_too_old_are_refused(rule: str, max_age: timedelta | None, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        choose_point(POINTS, rule, max_age, NOW)
    assert refusal.value.code == code


def test_a_vm_may_have_a_rule_of_its_own() -> None:
    wish = PointChoice(rule="latestProcessed", by_vm={"sql-01": "p1"})
    assert (wish.rule_for("SQL-01"), wish.rule_for("web-01")) == ("p1", "latestProcessed")
