"""What a site may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.problems import field_errors
from tests.shared.samples import PRODUCTION, SITE, SUBSCRIPTION, site


def test_a_site_is_read_as_it_was_written() -> None:
    read = site()
    assert (read.hyper_v_site, read.vault_name, read.extension, read.healing) == (
        "hci-01-site",
        "vault-dr",
        "AzureSiteRecovery",
        True,
    )


def test_ids_are_taken_in_any_casing_and_with_a_slash_at_their_end() -> None:
    assert site(network=PRODUCTION.upper() + "/").network == PRODUCTION.upper()


def test_what_may_be_left_out_may_be_empty() -> None:
    assert site(network="", subnet="", policy="").network == ""


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("cluster", "hci-01", "expected /subscriptions/{id}/resourceGroups/{name}/providers/Microsoft.AzureStackHCI"),
        ("cluster", SITE["vault"], "not the ARM id of an Azure Stack HCI cluster"),
        ("vault", f"{SITE['vault']}/replicationFabrics/x", "not the ARM id of a Recovery Services vault"),
        ("vault", SITE["vault"].replace("rg-dr", ".."), "not the ARM id of a Recovery Services vault"),
        ("vault", SITE["vault"].replace("vault-dr", "v?x=1"), "not the ARM id of a Recovery Services vault"),
        ("targetResourceGroup", f"{SUBSCRIPTION}/resourceGroups/", "not the ARM id of a resource group"),
        ("network", f"{PRODUCTION}/subnets/apps", "not the ARM id of a virtual network"),
        ("hyperVSite", "", "match pattern"),
        ("region", "west europe", "match pattern"),
        ("hyperVsite", "x", "is not known here"),
    ],
)
def test_a_wrong_field_is_named_and_says_what_was_expected(field: str, value: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        site(**{field: value})
    [(named, detail)] = field_errors(caught.value)
    assert named == field
    assert says in detail


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong: dict[str, Any] = {"cluster": "x", "vault": "y", "region": ""}
    with pytest.raises(ValidationError) as caught:
        site(**wrong)
    assert [error.field for error in field_errors(caught.value)] == list(wrong)


def test_another_content_has_another_digest() -> None:
    assert site().digest == site(healing=True).digest
    assert site().digest != site(healing=False).digest
