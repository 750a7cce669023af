"""What an ARM id says, in whatever casing it comes."""

import pytest

from shared.arm_ids import (
    group_id_of,
    is_within,
    key_of,
    name_of,
    names_by_type,
    same_id,
    split_at,
    subscription_of,
    subscription_path_of,
)

GROUP = "/subscriptions/s1/resourceGroups/rg-dr"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/vault-dr"
ITEM = f"{VAULT}/replicationFabrics/f1/replicationProtectionContainers/c1/replicationProtectedItems/sql-01"


def test_the_names_in_an_id_are_found_by_their_types_in_any_casing() -> None:
    assert names_by_type(ITEM) == {
        "subscriptions": "s1",
        "resourcegroups": "rg-dr",
        "vaults": "vault-dr",
        "replicationfabrics": "f1",
        "replicationprotectioncontainers": "c1",
        "replicationprotecteditems": "sql-01",
    }
    assert names_by_type(ITEM.upper())["replicationprotecteditems"] == "SQL-01"


@pytest.mark.parametrize("none", ["", "/", "sql-01", "Microsoft Azure", "https://example.org/a"])
def test_what_is_no_id_names_nothing(none: str) -> None:
    assert names_by_type(none) == {}
    assert subscription_of(none) == ""


def test_an_id_without_its_first_slash_is_one_too() -> None:
    assert names_by_type(ITEM.strip("/")) == names_by_type(ITEM)


def test_an_extension_of_a_resource_is_below_it() -> None:
    lock = f"{VAULT}/providers/Microsoft.Authorization/locks/keep"
    assert names_by_type(lock) == {**names_by_type(VAULT), "locks": "keep"}
    assert key_of(lock) == "s1|rg-dr|microsoft.recoveryservices|vault-dr|microsoft.authorization|keep"


def test_the_levels_above_a_resource() -> None:
    assert (group_id_of(ITEM), subscription_path_of(ITEM)) == (GROUP, "/subscriptions/s1")
    assert (group_id_of(GROUP), subscription_of(GROUP)) == (GROUP, "s1")


def test_a_resource_has_one_key_however_its_id_is_spelt() -> None:
    assert key_of(VAULT) == "s1|rg-dr|microsoft.recoveryservices|vault-dr"
    assert key_of(VAULT.upper() + "/") == key_of(VAULT)
    assert same_id(VAULT.upper() + "/", VAULT)


@pytest.mark.parametrize(
    ("arm_id", "name"), [(ITEM, "sql-01"), (f"{VAULT}/", "vault-dr"), ("policy-1", "policy-1"), ("", "")]
)
def test_a_resource_is_called_by_the_last_name(arm_id: str, name: str) -> None:
    assert name_of(arm_id) == name


def test_an_id_is_split_at_a_collection_of_children() -> None:
    above, below = split_at(ITEM, "REPLICATIONprotectionCONTAINERS")
    assert (above, below) == (f"{VAULT}/replicationFabrics/f1", "c1/replicationProtectedItems/sql-01")
    assert split_at(VAULT, "replicationFabrics") == (VAULT, "")


@pytest.mark.parametrize("above", [VAULT, GROUP, "/subscriptions/S1", "/", f"{GROUP}/"])
def test_a_scope_is_within_itself_and_all_above_it(above: str) -> None:
    assert is_within(VAULT, above)


@pytest.mark.parametrize("other", [f"{VAULT}2", "/subscriptions/s", ITEM])
def test_a_scope_is_not_within_what_only_begins_alike_or_is_below_it(other: str) -> None:
    assert not is_within(VAULT, other)
