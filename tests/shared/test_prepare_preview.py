"""What a preparation would create, keep, and leave although it differs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.onboarding.preflight.azure_rights import CONTRIBUTOR
from shared.onboarding.preflight.facts import AccountFacts, AzureFacts, NetworkFacts, NodeFacts, VaultFacts
from shared.onboarding.preparation import TITLES
from shared.onboarding.prepare_preview import PrepareStepPreview, preview_preparation
from tests.shared.samples import ISOLATED, site

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
NODE = NodeFacts(id="/nodes/hci-01-n1", name="hci-01-n1", status="Connected")
READY = VaultFacts(location="westeurope", cluster_roles=(CONTRIBUTOR,), site_exists=True, policy={}, associated=True)
ACCOUNT = AccountFacts(location="westeurope", kind="StorageV2")


def steps_of(missing: tuple[str, ...] = (), document: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    found = AzureFacts(at=NOW, **facts)
    made: tuple[PrepareStepPreview, ...] = preview_preparation(site(**(document or {})), found, missing)
    return {one.id: one for one in made}


def test_of_a_site_of_which_nothing_exists_all_is_created() -> None:
    steps = steps_of(("/subscriptions/s/resourceGroups/rg-dr",), nodes=(NODE,))
    assert list(steps) == list(TITLES)
    assert {one.outcome for step, one in steps.items() if step != "drill-network"} == {"create"}
    assert steps["groups"].names == ("rg-dr",)
    assert steps["extension"].names == steps["registration"].names == ("hci-01-n1",)
    assert steps["drill-network"].outcome == "skip"


def test_what_exists_is_kept() -> None:
    steps = steps_of(vault=READY, account=ACCOUNT)
    assert {one.outcome for step, one in steps.items() if step != "drill-network"} == {"keep"}
    assert [name for one in steps.values() for name in one.names] == []


@pytest.mark.parametrize(
    ("step", "facts"),
    [
        ("vault", {"vault": READY.model_copy(update={"location": "northeurope"}), "account": ACCOUNT}),
        ("storage", {"vault": READY, "account": ACCOUNT.model_copy(update={"location": "northeurope"})}),
        (
            "drill-network",
            {"vault": READY, "account": ACCOUNT, "drill_network": NetworkFacts(location="westeurope", peerings=1)},
        ),
    ],
    ids=["vault", "storage", "drill-network"],
)
def test_what_differs_is_left_and_said(step: str, facts: dict[str, Any]) -> None:
    steps = steps_of(document={"drillNetwork": {"network": ISOLATED}}, **facts)
    assert [one.id for one in steps.values() if one.outcome == "differs"] == [step]
    assert steps[step].detail


def test_what_cannot_be_read_is_unknown_and_never_promised() -> None:
    steps = steps_of(unread={"vault": "Refused: no right to read the vault"}, account=ACCOUNT)
    assert (steps["vault"].outcome, steps["vault"].names) == ("unknown", ())
    assert "no right" in steps["policy"].detail
    assert steps["storage"].outcome == "keep"
