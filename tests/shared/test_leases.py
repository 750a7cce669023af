"""Leases: all or none, taken over from owners that ended or let them expire."""

from datetime import UTC, datetime, timedelta

from shared.operations.leases import Claim, LeaseTable, grant_claim, with_leases_renewed, without_leases_of
from shared.operations.pacing import LEASE_FORGOTTEN_AFTER

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ask(owner: str, *keys: str, ended: tuple[str, ...] = (), now: datetime = NOW) -> Claim:
    return Claim(owner=owner, keys=keys, until=now + HOUR, now=now, ended=ended)


def held(*keys: str, by: str = "drill-1") -> LeaseTable:
    return grant_claim({}, ask(by, *keys))[0]


def test_a_claim_is_granted_as_a_whole_or_not_at_all() -> None:
    table, verdict = grant_claim(held("sql"), ask("failover-1", "app", "sql"))
    assert not verdict.granted
    assert verdict.holders == {"drill-1": ("sql",)}
    assert "app" not in table


def test_a_claim_repeated_by_its_owner_is_granted_again() -> None:
    table, verdict = grant_claim(held("sql"), ask("drill-1", "sql", now=NOW + HOUR / 2))
    assert verdict.granted
    assert table["sql"].until == NOW + HOUR / 2 + HOUR


def test_a_lease_whose_owner_has_ended_is_taken_over() -> None:
    table, verdict = grant_claim(held("sql"), ask("failover-1", "sql", ended=("drill-1",)))
    assert verdict.granted
    assert table["sql"].owner == "failover-1"


def test_an_expired_lease_is_taken_over() -> None:
    assert grant_claim(held("sql"), ask("failover-1", "sql", now=NOW + HOUR))[1].granted


def test_a_renewed_lease_does_not_expire() -> None:
    table = with_leases_renewed(held("sql"), "drill-1", NOW + 3 * HOUR)
    assert not grant_claim(table, ask("failover-1", "sql", now=NOW + HOUR))[1].granted


def test_releasing_gives_back_what_the_owner_holds_and_nothing_else() -> None:
    table = {**held("sql"), **held("app", by="drill-2")}
    assert set(without_leases_of(table, ["drill-1"])) == {"app"}


def test_a_refusal_names_five_keys_for_each_owner_at_the_most() -> None:
    keys = [f"vm{n}" for n in range(9)]
    verdict = grant_claim(held(*keys), ask("failover-1", *keys))[1]
    assert len(verdict.holders["drill-1"]) == 5


def test_a_lease_that_ran_out_long_ago_is_forgotten_with_its_vm() -> None:
    table, later = held("gone"), NOW + HOUR + LEASE_FORGOTTEN_AFTER
    assert "gone" in grant_claim(table, ask("drill-2", "app", now=later - HOUR))[0]
    assert set(grant_claim(table, ask("drill-2", "app", now=later))[0]) == {"app"}
