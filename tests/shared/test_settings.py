"""Settings are read once, with a complaint that names each that is wrong."""

import itertools
import re
from pathlib import Path

import pytest

from shared.settings import AzureSettings, Settings, WrongSettings
from tests.seals import APP_SETTINGS, MAC_KEY

ROOT = Path(__file__).parents[2]
KEYS = APP_SETTINGS
ID = "99999999-9999-9999-9999-999999999999"
ENTRA = {"MAC_KEY": MAC_KEY, "DOOR": "entra", "WEBSITE_AUTH_ENABLED": "True", "TENANT_ID": ID, "AUDIENCE": ID}


def test_with_nothing_else_set_it_is_azure() -> None:
    read = Settings.from_environment({"PATH": "/usr/bin", **KEYS})
    assert read.arm_url == "https://management.azure.com"
    assert (read.topic_endpoint, read.topic_key, read.client_id) == (None, None, None)
    assert not read.authenticated


def test_what_is_set_is_read() -> None:
    read = Settings.from_environment(
        {
            "AZURE_RESOURCE_MANAGER_URL": "http://127.0.0.1:7080/",
            "EVENTGRID_TOPIC_ENDPOINT": "https://topic.westeurope-1.eventgrid.azure.net/api/events",
            "EVENTGRID_TOPIC_KEY": "k",
            "AZURE_CLIENT_ID": "id-1",
            "KEY_ROLES": "Dr.Read, Dr.Drill,",
            "DOOR": "keys",
            "MAC_KEY": MAC_KEY,
        }
    )
    assert read.arm_url == "http://127.0.0.1:7080"
    assert read.key_roles == ("Dr.Read", "Dr.Drill")
    assert read.door == "keys"
    assert read.client_id == "id-1"


def test_a_key_is_not_shown() -> None:
    assert "s3cret" not in repr(Settings.from_environment(KEYS | {"EVENTGRID_TOPIC_KEY": "s3cret"}))


def test_an_empty_setting_counts_as_not_set() -> None:
    empty = dict.fromkeys(
        ("AZURE_RESOURCE_MANAGER_URL", "EVENTGRID_TOPIC_ENDPOINT", "AZURE_CLIENT_ID", "TENANT_ID"), ""
    )
    assert Settings.from_environment(empty | KEYS) == Settings.from_environment(KEYS)


def test_every_wrong_setting_is_named() -> None:
    with pytest.raises(WrongSettings) as caught:
        Settings.from_environment(
            {
                "AZURE_RESOURCE_MANAGER_URL": "management.azure.com",
                "EVENTGRID_TOPIC_ENDPOINT": "http://topic.example.com",
                "KEY_ROLES": "Dr.Read,Dr.Everything",
            }
        )
    assert "AZURE_RESOURCE_MANAGER_URL: not an absolute https URL" in str(caught.value)
    assert "EVENTGRID_TOPIC_ENDPOINT: http is for this very machine only" in str(caught.value)
    assert "KEY_ROLES: no such role: Dr.Everything" in str(caught.value)


@pytest.mark.parametrize("name", ["TENANT_ID", "AUDIENCE"])
@pytest.mark.parametrize("value", ["", "contoso.com", "common", "99999999-9999-9999-9999-99999999999"])
def test_where_people_sign_in_tenant_and_app_are_named_by_their_ids(name: str, value: str) -> None:
    with pytest.raises(WrongSettings, match=name):
        Settings.from_environment(ENTRA | {name: value})


DOORS = list(
    itertools.product(
        ("entra", "keys", "", "both", "Entra"), ("True", "False", ""), (ID, ""), (ID, ""), ("Dr.Read", "", ",")
    )
)
NAMES = ("DOOR", "WEBSITE_AUTH_ENABLED", "TENANT_ID", "AUDIENCE", "KEY_ROLES")


def wrong_names(door: str, authenticated: str, tenant: str, audience: str, key_roles: str) -> set[str]:
    """Which settings a combination has to be refused for."""
    is_on, has_roles = authenticated == "True", key_roles == "Dr.Read"
    match door:
        case "entra":
            wrong = {"WEBSITE_AUTH_ENABLED": not is_on, "TENANT_ID": not tenant, "AUDIENCE": not audience}
            wrong["KEY_ROLES"] = has_roles
        case "keys":
            wrong = {"WEBSITE_AUTH_ENABLED": is_on, "KEY_ROLES": not has_roles}
        case _:
            wrong = {"DOOR": True}
    return {name for name, is_wrong in wrong.items() if is_wrong}


@pytest.mark.parametrize("values", DOORS, ids="-".join)
def test_half_a_door_is_none_and_each_setting_in_the_way_is_named(values: tuple[str, str, str, str, str]) -> None:
    wrong, settings = wrong_names(*values), dict(zip(NAMES, values, strict=True)) | {"MAC_KEY": MAC_KEY}
    if not wrong:
        assert Settings.from_environment(settings).door == values[0]
        return
    with pytest.raises(WrongSettings) as caught:
        Settings.from_environment(settings)
    assert wrong == {name for name in NAMES if f"{name}:" in str(caught.value)}


@pytest.mark.parametrize(
    "key",
    ["", "short", "c2hvcnQ=", MAC_KEY[:-4], "@Microsoft.KeyVault(SecretUri=https://kv/secrets/mac-key)", "ä" * 44],
)
def test_without_a_key_of_32_bytes_for_its_seals_the_app_lets_nobody_in(key: str) -> None:
    """A reference to Key Vault that the platform cannot follow is handed to the app as it is."""
    with pytest.raises(WrongSettings, match="MAC_KEY") as caught:
        Settings.from_environment(KEYS | {"MAC_KEY": key})
    assert not key or key not in str(caught.value)


def test_what_runs_need_is_read_whatever_is_wrong_with_the_door() -> None:
    """A person who turns authentication off, or a key vault that is away, ends no failover."""
    wrong = {"DOOR": "none", "WEBSITE_AUTH_ENABLED": "True", "MAC_KEY": "@Microsoft.KeyVault(SecretUri=https://kv/s)"}
    with pytest.raises(WrongSettings):
        Settings.from_environment(wrong)
    assert AzureSettings.from_environment(wrong) == AzureSettings.from_environment({})


def test_nothing_that_a_run_does_reads_the_settings_of_the_door() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for room in ("activities", "orchestrators", "shared")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"\bSettings\.from_environment", path.read_text())
    }
    assert readers == set()
