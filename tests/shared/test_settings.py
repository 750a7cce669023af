"""Settings are read once, with a complaint that names each that is wrong."""

import pytest

from shared.settings import Settings, WrongSettings


def test_with_nothing_set_it_is_azure_and_nobody_has_a_role() -> None:
    read = Settings.from_environment({"PATH": "/usr/bin"})
    assert read.arm_url == "https://management.azure.com"
    assert (read.topic_endpoint, read.topic_key, read.client_id, read.key_roles) == (None, None, None, ())
    assert not read.authenticated


def test_what_is_set_is_read() -> None:
    read = Settings.from_environment(
        {
            "AZURE_RESOURCE_MANAGER_URL": "http://127.0.0.1:7080/",
            "EVENTGRID_TOPIC_ENDPOINT": "https://topic.westeurope-1.eventgrid.azure.net/api/events",
            "EVENTGRID_TOPIC_KEY": "k",
            "AZURE_CLIENT_ID": "id-1",
            "KEY_ROLES": "Dr.Read, Dr.Drill,",
            "WEBSITE_AUTH_ENABLED": "True",
            "TENANT_ID": "99999999-9999-9999-9999-999999999999",
        }
    )
    assert read.arm_url == "http://127.0.0.1:7080"
    assert read.key_roles == ("Dr.Read", "Dr.Drill")
    assert read.authenticated
    assert read.client_id == "id-1"


def test_a_key_is_not_shown() -> None:
    assert "s3cret" not in repr(Settings.from_environment({"EVENTGRID_TOPIC_KEY": "s3cret"}))


def test_an_empty_setting_counts_as_not_set() -> None:
    empty = dict.fromkeys(
        ("AZURE_RESOURCE_MANAGER_URL", "EVENTGRID_TOPIC_ENDPOINT", "AZURE_CLIENT_ID", "KEY_ROLES"), ""
    )
    assert Settings.from_environment(empty) == Settings.from_environment({})


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


@pytest.mark.parametrize("tenant", ["", "contoso.com", "common", "99999999-9999-9999-9999-99999999999"])
def test_where_people_sign_in_the_tenant_is_named_by_its_id(tenant: str) -> None:
    with pytest.raises(WrongSettings, match="TENANT_ID"):
        Settings.from_environment({"WEBSITE_AUTH_ENABLED": "True", "TENANT_ID": tenant})
