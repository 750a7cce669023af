"""Ids of runs and requests: equal for the same, different for anything else."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.request_ids import client_request_id, run_id

ITEM = "/Subscriptions/s/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/v/replicationFabrics/f/x/1"


def test_the_same_attempt_has_the_same_id_however_the_vault_spells_the_item() -> None:
    first = client_request_id("failover-payroll-1", ITEM, "Commit", 1)
    assert client_request_id("failover-payroll-1", ITEM.lower(), "Commit", 1) == first
    assert uuid.UUID(first).version == 5


def test_an_id_outlives_the_version_that_made_it() -> None:
    """A verb that was sent before an upgrade is looked for after it."""
    assert client_request_id("failover-payroll-1", ITEM, "Commit", 1) == "c1895b42-2584-5a74-826e-355fea96ec67"


ASKS = st.tuples(
    st.text(st.characters(exclude_categories=["C"]), max_size=8),
    st.sampled_from(["Commit", "Failback"]),
    st.integers(1, 99),
)


@given(ASKS, ASKS)
def test_another_run_verb_or_attempt_has_another_id(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    ids = [client_request_id(operation, ITEM, verb, attempt) for operation, verb, attempt in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)


def test_a_run_id_reads_well() -> None:
    assert re.fullmatch(r"failover-payroll-[0-9a-f]{12}", run_id("failover", "payroll", "key-1"))


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=50))
def test_a_run_id_is_safe_anywhere_and_says_where_its_digest_begins(kind: str, subject: str, key: str) -> None:
    made = run_id(kind, subject, key)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{12}", made)
    assert len(made) <= 100
    assert run_id(kind, subject, key) == made


def test_another_key_is_another_run() -> None:
    assert len({run_id(k, s, key) for k in ("drill", "commit") for s in ("a", "a-b") for key in ("1", "2", "")}) == 12


def test_names_that_look_alike_in_an_id_still_make_different_runs() -> None:
    assert run_id("repair", "node_1", "c") != run_id("repair", "node-1", "c")
