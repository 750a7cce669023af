"""How healthy a site is, in a few words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.onboarding.site_health import Coverage, find_unread_nodes, is_newer_than_lists, summarise_site
from shared.replication.coverage import UnprotectedVm
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.cluster_vms import ClusterVms
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import view

NOW = datetime(2026, 3, 2, tzinfo=UTC)


NOTHING_MISSING: dict[str, Any] = {"unprotected": [], "withoutPlan": [], "nodesNotRead": [], "nodesReadAt": None}


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
        "vms": {"total": 2, "protected": 1, "inAzure": 1, "critical": 0, "unprotected": 0, "withoutPlan": 0},
        **NOTHING_MISSING,
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


def test_vms_that_nothing_protects_are_counted_and_named_and_impair_a_site() -> None:
    coverage = Coverage([UnprotectedVm(vm="new-01", node="n2")], ["web-01"], nodes_read_at=NOW)
    seen = summarise_site([node()], [provider()], [view()], NOW, coverage)
    assert (seen["state"], seen["detail"]) == ("impaired", "not protected: new-01")
    assert (seen["vms"]["unprotected"], seen["vms"]["withoutPlan"]) == (1, 1)
    assert seen["unprotected"] == [{"vm": "new-01", "node": "n2"}]
    assert (seen["withoutPlan"], seen["nodesReadAt"]) == (["web-01"], NOW.isoformat())


def test_a_node_that_nobody_heard_of_may_have_vms_that_nothing_protects() -> None:
    seen = summarise_site([node()], [provider()], [view()], NOW, Coverage(unread_nodes=["n3"]))
    assert seen["detail"] == "the VMs of n3 may not be protected: run a preflight"
    read = ClusterVms(at=NOW, unread={"n4": "it is Disconnected"})
    assert find_unread_nodes(["n3"], ClusterVms()) == ("n3",)
    assert find_unread_nodes(["n3", "n4"], read) == ("n4",)


def test_what_nodes_named_counts_beside_what_their_vault_lists_for_as_long_as_that_may_be_late() -> None:
    assert is_newer_than_lists(NOW - timedelta(minutes=14), NOW)
    assert not is_newer_than_lists(NOW - timedelta(minutes=15), NOW)
    assert not is_newer_than_lists(None, NOW)
