"""Who helps a broken node, and what is missing before it may be called healed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.healing.proof import (
    RUNGS,
    Rung,
    choose_helper,
    cluster_rung,
    extension_to_install,
    highest_rung,
    items_on_node,
    list_gaps,
    may_run_sync,
    point_rung,
    symptom_of,
    vault_ladder,
)
from shared.healing.registration import read_registration_output
from shared.site_recovery.views import ProviderView
from shared.sites.node_health import HEARTBEAT_FRESH_FOR
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import site, view

CURED = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)
NOW = CURED + timedelta(minutes=20)
REGISTRATION = {"ResourceName": "VAULT-DR", "SiteName": "hci-01-site", "KeyVaultName": "kv-asr-01", "DraID": "x"}
WELL: Mapping[str, Any] = {"registration": REGISTRATION, "dra": "Running", "hyperV": True}


def node(name: str, status: str = "Connected", state: str | None = "Succeeded") -> NodeView:
    extension = ExtensionView(id=f"/{name}", name="AzureSiteRecovery", provisioning_state=state) if state else None
    return NodeView(id=f"/{name}", name=name, cluster_id="/c", status=status, extension=extension)


def provider(
    host: str = "hci-01-n2", after: timedelta | None = timedelta(minutes=15), connected: bool = True
) -> ProviderView:
    heartbeat = CURED + after if after is not None else None
    return ProviderView(id=f"/{host}", host=host, connected=connected, heartbeat=heartbeat)


def gaps(
    facts: Mapping[str, Any] | None = WELL, providers: tuple[ProviderView, ...] = (provider(),), now: datetime = NOW
) -> tuple[str, ...]:
    return list_gaps(vault_ladder(site(), node("hci-01-n2"), read_registration_output(facts), providers, CURED, now))


def test_the_helper_is_the_first_node_by_name_that_is_well() -> None:
    nodes = [
        node("n4"),
        node("N3"),
        node("n1", status="Disconnected"),
        node("n2", state="Failed"),
        node("n0", state=None),
    ]
    helper = choose_helper(nodes, "n2")
    assert helper is not None
    assert helper.name == "N3"


def test_where_no_other_node_is_well_one_that_is_connected_helps_and_last_of_all_the_broken_one() -> None:
    """The vendor's workaround runs Sync on any node of the cluster; a cluster may have a single one."""
    others = [node("n1", state="Creating"), node("n2", state="Failed")]
    assert choose_helper(others, "n2") == others[0]
    assert choose_helper([node("HCI-01-N2.corp.example")], "hci-01-n2") == node("HCI-01-N2.corp.example")
    assert choose_helper([node("n1", status="Disconnected")], "n2") is None


def test_a_node_whose_agent_blocks_run_commands_cannot_help() -> None:
    blocked = node("n1").model_copy(update={"blocked": "run commands are on extensions.blocklist"})
    assert choose_helper([blocked, node("n3")], "n2") == node("n3")


def test_sync_is_left_alone_where_it_would_install_on_two_nodes_at_once() -> None:
    assert may_run_sync([node("n1"), node("n2", state="Failed"), node("n3")], "n2")
    assert may_run_sync([node("n1"), node("n2", state=None)], "n2")
    assert not may_run_sync([node("n1"), node("n2", state="Failed"), node("n3", state=None)], "n2")


def test_settings_come_from_what_was_saved_else_from_another_node() -> None:
    saved = ExtensionView(id="/n2", name="a", provisioning_state="Failed", settings={"SiteId": "1"})
    peer = node("n1")
    assert peer.extension
    rich = peer.model_copy(update={"extension": peer.extension.model_copy(update={"settings": {"SiteId": "2"}})})
    assert extension_to_install([rich], saved) == saved
    assert extension_to_install([peer, rich], None) == rich.extension
    assert extension_to_install([peer], None) is None


def test_healed_is_a_registry_that_names_all_and_a_provider_with_a_new_heartbeat() -> None:
    assert gaps() == ()
    assert gaps(providers=(provider("HCI-01-N2.corp.example"),)) == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dra": "Stopped"}, "the service dra of hci-01-n2 is Stopped"),
        ({"dra": None}, "the service dra of hci-01-n2 is missing"),
        ({"registration": None}, "names no registration"),
        ({"registration": {}}, "names no registration"),
        ({"registration": {**REGISTRATION, "ResourceName": "vault-old"}}, "does not name the vault vault-dr"),
        ({"registration": {**REGISTRATION, "SiteName": "other"}}, "does not name the Hyper-V site hci-01-site"),
        ({"registration": {**REGISTRATION, "KeyVaultName": ""}}, "names no key vault"),
    ],
)
def test_each_rung_of_the_registry_that_is_missing_is_named(changes: dict[str, Any], says: str) -> None:
    [gap] = gaps({**WELL, **changes})
    assert says in gap


def test_values_count_under_whichever_name_the_provider_keeps_them() -> None:
    other = {"Vault": "vault-dr", "Fabric": "hci-01-site", "SecretUri": "https://kv1.vault.azure.net/secrets/x"}
    assert gaps({**WELL, "registration": other}) == ()


@pytest.mark.parametrize(
    ("providers", "says"),
    [
        ((), "no provider of hci-01-n2"),
        ((provider("hci-01-n1"),), "no provider of hci-01-n2"),
        ((provider(connected=False),), "is not connected"),
        ((provider(after=None),), "no heartbeat since the cure"),
        ((provider(after=timedelta(0)),), "no heartbeat since the cure"),
        ((provider(after=-timedelta(days=1)),), "no heartbeat since the cure"),
    ],
)
def test_each_rung_of_the_vault_that_is_missing_is_named(providers: tuple[ProviderView, ...], says: str) -> None:
    [gap] = gaps(providers=providers)
    assert says in gap


def test_a_heartbeat_grows_stale() -> None:
    beat = provider().heartbeat
    assert beat is not None
    assert gaps(now=beat + HEARTBEAT_FRESH_FOR) == ()
    [gap] = gaps(now=beat + HEARTBEAT_FRESH_FOR + timedelta(seconds=1))
    assert "sent its last heartbeat at" in gap


def test_a_leftover_of_the_registration_before_does_no_harm() -> None:
    assert gaps(providers=(provider(connected=False), provider())) == ()


def test_nothing_is_proven_by_a_node_that_could_not_be_read() -> None:
    assert set(gaps(None)) == {"the registration of hci-01-n2 could not be read"}


def test_the_rung_reached_is_the_highest_below_which_nothing_is_missing() -> None:
    assert highest_rung(Rung(name) for name in RUNGS) == RUNGS[-1] == "cluster"
    assert highest_rung((Rung("extension"), Rung("registry", ("no",)), Rung("service"))) == "extension"
    assert highest_rung((Rung("extension", ("no",)), Rung("registry"))) == ""
    ladder = vault_ladder(site(), node("hci-01-n2"), read_registration_output(WELL), (), CURED, NOW)
    assert highest_rung(ladder) == "service"
    failed = vault_ladder(
        site(), node("hci-01-n2", state="Failed"), read_registration_output(WELL), (provider(),), CURED, NOW
    )
    assert highest_rung(failed) == ""


def test_a_recovery_point_counts_only_when_it_is_newer_than_the_cure() -> None:
    old, new = CURED - timedelta(minutes=1), CURED + timedelta(minutes=5)
    assert point_rung((view("a", last_recovery_point=old), view("b", last_recovery_point=new)), CURED).gaps == ()
    assert "of a, b yet" in point_rung((view("a", last_recovery_point=old), view("b")), CURED).gaps[0]
    assert point_rung((), CURED).gaps == ()
    assert point_rung((view("a", protection_state="InitialReplicationInProgress"),), CURED).gaps == ()


def test_a_nodes_machines_are_those_of_its_provider() -> None:
    items = (view("a", host_provider="/HCI-01-N2"), view("b", host_provider="/hci-01-n1"))
    assert [
        vm.vm for vm in items_on_node(items, (provider("hci-01-n2.corp.example"), provider("hci-01-n1")), "hci-01-n2")
    ] == []
    assert [vm.vm for vm in items_on_node(items, (provider(), provider("hci-01-n1")), "hci-01-n2")] == ["a"]


def test_the_top_is_a_cluster_of_which_every_node_is_heard() -> None:
    nodes = [node("hci-01-n1"), node("hci-01-n2")]
    assert cluster_rung(site(), nodes, [provider("hci-01-n1"), provider()], NOW).gaps == ()
    assert cluster_rung(site(), nodes, [provider()], NOW).gaps == ("hci-01-n1: not-registered",)


@pytest.mark.parametrize(
    ("broken", "providers", "symptom"),
    [
        (node("hci-01-n2"), (provider(),), ""),
        (node("hci-01-n2", state="Failed"), (provider(),), "unknown"),
        (node("hci-01-n2", state="Creating"), (provider(),), "in-transition"),
        (node("hci-01-n2", state=None), (provider(),), "extension-missing"),
        (node("hci-01-n2"), (), "not-registered"),
        (node("hci-01-n2"), (provider(connected=False),), "provider-silent"),
        (node("hci-01-n2"), (provider(after=-timedelta(hours=2)),), "provider-silent"),
        (node("hci-01-n2", status="Disconnected"), (provider(),), "agent-disconnected"),
    ],
)
def test_the_timer_sees_what_no_event_told_of(
    broken: NodeView, providers: tuple[ProviderView, ...], symptom: str
) -> None:
    assert symptom_of(site(), broken, [broken, node("hci-01-n1")], providers, NOW) == symptom


def test_a_cluster_that_was_never_prepared_is_not_unwell() -> None:
    bare = [node("hci-01-n1", state=None), node("hci-01-n2", state=None)]
    assert symptom_of(site(), bare[1], bare, (), NOW) == ""


def test_all_that_is_missing_is_told_at_once() -> None:
    assert len(gaps({"dra": "Stopped", "registration": None}, ())) == 3
