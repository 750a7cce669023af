"""How healthy a site is, in a few words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.onboarding.site_health import summarise_site
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import view

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def node(**changes: Any) -> NodeView:
    extension = ExtensionView(id="/e", name="ASR", provisioning_state="Succeeded")
    usual = {"id": "/n1", "name": "n1", "cluster_id": "/c", "status": "Connected", "extension": extension}
    return NodeView.model_validate({**usual, **changes})


def provider(**changes: Any) -> ProviderView:
    usual = {"id": "/p", "host": "n1.contoso.local", "connected": True, "heartbeat": NOW}
    return ProviderView.model_validate({**usual, **changes})


def test_a_site_whose_nodes_and_copies_are_well_is_well() -> None:
    moved = view("web-01", active_location="Recovery", protection_state="PlannedFailoverStatesBegin")
    assert summarise_site([node()], [provider()], [view(), moved], NOW) == {
        "state": "well",
        "detail": "",
        "nodes": {"total": 1, "well": 1},
        "vms": {"total": 2, "protected": 1, "inAzure": 1, "critical": 0},
    }


@pytest.mark.parametrize(
    ("nodes", "providers", "items", "detail"),
    [
        ([], [], [], "no node is known"),
        ([node(extension=None)], [provider()], [], "n1 not well"),
        ([node(status="Disconnected")], [provider()], [], "n1 not well"),
        ([node()], [], [], "n1 not well"),
        ([node()], [provider(connected=False)], [], "n1 not well"),
        ([node()], [provider(heartbeat=NOW - timedelta(hours=1))], [], "n1 not well"),
        ([node()], [provider()], [view(replication_health="Critical")], "replication of 1 VMs is critical"),
    ],
)
def test_what_impairs_a_site_is_named(
    nodes: list[NodeView], providers: list[ProviderView], items: list[ItemView], detail: str
) -> None:
    seen = summarise_site(nodes, providers, items, NOW)
    assert (seen["state"], seen["detail"]) == ("impaired", detail)
