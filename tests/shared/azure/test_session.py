"""One client per subscription and event loop, and tokens only where they are safe."""

import asyncio
import subprocess
import sys

import pytest
from azure.mgmt.hybridcompute.aio import HybridComputeManagementClient
from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from shared.azure.api_versions import HYBRID_COMPUTE_API, RESOURCES_API, SITE_RECOVERY_API
from shared.azure.clients import Azure, azure, close_azure
from shared.azure.http_pipeline import is_plain_http
from shared.errors import Refused
from tests.shared.azure.fake import FakeArm


async def test_a_client_is_made_once_for_each_subscription(arm: FakeArm) -> None:
    assert azure() is azure()
    assert azure().site_recovery_client("S1") is azure().site_recovery_client("s1")
    assert azure().site_recovery_client("s1") is not azure().site_recovery_client("s2")


async def test_another_event_loop_has_its_own_connections(arm: FakeArm) -> None:
    async def there() -> Azure:
        mine = azure()
        await close_azure()
        return mine

    assert await asyncio.to_thread(asyncio.run, there()) is not azure()


async def test_after_closing_it_opens_anew(arm: FakeArm) -> None:
    before = azure()
    await close_azure()
    assert azure() is not before


async def test_the_api_versions_are_those_that_the_pinned_sdks_speak(arm: FakeArm) -> None:
    for client, version in (
        (SiteRecoveryManagementClient, SITE_RECOVERY_API),
        (HybridComputeManagementClient, HYBRID_COMPUTE_API),
        (ResourceManagementClient, RESOURCES_API),
    ):
        made = client(azure()._get_credential(), "s1")
        assert made._config.api_version == version
        await made.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:7080", "http://localhost:7080", "http://[::1]:7080"])
def test_this_machine_may_be_asked_over_plain_http(url: str) -> None:
    assert is_plain_http(url)


def test_azure_is_asked_over_https() -> None:
    assert not is_plain_http("https://management.azure.com")


@pytest.mark.parametrize("url", ["http://management.azure.com", "http://127.0.0.1.example.org", "ftp://127.0.0.1", ""])
def test_no_token_goes_anywhere_else_in_clear(url: str) -> None:
    with pytest.raises(Refused, match="insecure-endpoint"):
        is_plain_http(url)


def test_loading_the_activities_loads_no_management_sdk() -> None:
    """A cold start pays for what it uses: the SDKs cost 0.3 s and 37 MB."""
    loaded = "import sys, activities.bindings; print([m for m in sys.modules if m.startswith('azure.mgmt.')])"
    assert subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True).stdout.strip() == b"[]"
