"""Who helps a broken node, and what is missing before it may be called healed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.healing import FRESH, choose_helper, proof_gaps
from shared.messages import ExtensionView, NodeView, ProviderView
from tests.shared.samples import site

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
    return proof_gaps(site(), "hci-01-n2", facts, providers, CURED, now)


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


def test_the_broken_node_never_helps_itself_under_whichever_name() -> None:
    assert choose_helper([node("HCI-01-N2.corp.example")], "hci-01-n2") is None


def test_without_a_healthy_node_there_is_no_helper() -> None:
    assert choose_helper([node("n1", state="Creating"), node("n2", state="Failed")], "n2") is None


def test_healed_is_a_registry_that_names_all_and_a_provider_with_a_new_heartbeat() -> None:
    assert gaps() == ()
    assert gaps(providers=(provider("HCI-01-N2.corp.example"),)) == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dra": "Stopped"}, "the service dra of hci-01-n2 is Stopped"),
        ({"dra": None}, "the service dra of hci-01-n2 is not there"),
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
    assert gaps(now=beat + FRESH) == ()
    [gap] = gaps(now=beat + FRESH + timedelta(seconds=1))
    assert "sent its last heartbeat at" in gap


def test_a_leftover_of_the_registration_before_does_no_harm() -> None:
    assert gaps(providers=(provider(connected=False), provider())) == ()


def test_nothing_is_proven_by_a_node_that_could_not_be_read() -> None:
    assert gaps(None) == ("the registration of hci-01-n2 could not be read",)


def test_all_that_is_missing_is_told_at_once() -> None:
    assert len(gaps({"dra": "Stopped", "registration": None}, ())) == 3
