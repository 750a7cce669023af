"""When a node, its extension and its provider count as well."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.site_recovery.views import ProviderView
from shared.sites.node_health import (
    HEARTBEAT_FRESH_FOR,
    agent_version_of,
    disconnected_nodes,
    foreign_values,
    has_fresh_heartbeat,
    is_extension_moving,
    is_extension_settled,
    is_extension_well,
    is_provider_of_site,
    providers_on,
)
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import site

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def provider(host: str = "n1.corp.local", sites: tuple[str, ...] = (), **changes: object) -> ProviderView:
    return ProviderView.model_validate(
        {"id": "/p", "host": host, "connected": True, "heartbeat": NOW, "sites": sites} | changes
    )


@pytest.mark.parametrize(
    ("state", "well", "moving", "settled"),
    [
        ("Succeeded", True, False, True),
        ("succeeded", True, False, True),
        ("PartiallySucceeded", False, False, True),
        ("Failed", False, False, True),
        ("Creating", False, True, False),
        ("deleting", False, True, False),
        (None, False, False, False),
    ],
)
def test_an_extension_is_well_moving_or_settled(state: str | None, well: bool, moving: bool, settled: bool) -> None:
    extension = ExtensionView(id="/e", name="asr", provisioning_state=state) if state else None
    shown = (is_extension_well(extension), is_extension_moving(extension), is_extension_settled(extension))
    assert shown == (well, moving, settled)


def test_a_heartbeat_counts_only_of_a_provider_that_is_connected() -> None:
    assert has_fresh_heartbeat(provider(), NOW + HEARTBEAT_FRESH_FOR)
    assert not has_fresh_heartbeat(provider(), NOW + HEARTBEAT_FRESH_FOR + timedelta(seconds=1))
    assert not has_fresh_heartbeat(provider(connected=False), NOW)
    assert not has_fresh_heartbeat(provider(heartbeat=None), NOW)


def test_a_provider_is_of_the_site_that_it_names_and_of_any_where_it_names_none() -> None:
    assert is_provider_of_site(provider(sites=("HCI-01-Site",)), site())
    assert is_provider_of_site(provider(), site())
    assert not is_provider_of_site(provider(sites=("other",)), site())


def test_hosts_are_the_same_by_short_and_by_full_name() -> None:
    found = providers_on("N1", [provider(), provider("n10"), provider("n1")])
    assert [one.host for one in found] == ["n1.corp.local", "n1"]


@pytest.mark.parametrize(
    ("text", "version"), [("1.33.0", (1, 33)), ("1.9", (1, 9)), ("2.0.1 beta", (2, 0)), ("", None), ("1", None)]
)
def test_an_agent_says_its_version_in_its_first_two_numbers(text: str, version: tuple[int, int] | None) -> None:
    assert agent_version_of(text) == version


def test_nodes_that_no_script_can_run_on_say_why() -> None:
    nodes = [NodeView(id=f"/{s}", name=s, cluster_id="/c", status=s) for s in ("connected", "Expired")]
    assert disconnected_nodes(nodes) == {"Expired": "it is Expired"}


def test_only_a_value_that_is_there_and_another_is_foreign() -> None:
    wanted = {"ResourceName": "vault-dr", "SiteName": "hci-01-site", "SiteId": "s1"}
    found = {"resourcename": "VAULT-DR", "SiteName": "old", "Other": "x"}
    assert foreign_values(found, wanted) == ("SiteName is old, not hci-01-site",)
