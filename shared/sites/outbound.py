"""What a node must reach for Site Recovery, as far as it has fixed names; the service's own URL is in its registry.

Source: hyper-v-azure-architecture, outbound connectivity: *.hypervrecoverymanager.windowsazure.com,
*.backup.windowsazure.com, *.store.core.windows.net, *.blob.core.windows.net, login.microsoftonline.com.
"""

from urllib.parse import urlsplit

SERVICE_DOMAIN = ".hypervrecoverymanager.windowsazure."  # of whichever cloud
REGISTRATION_ENDPOINTS = (
    "https://login.microsoftonline.com",
    "https://management.azure.com",
    "https://backup.windowsazure.com",  # registration needs it, and a firewall that lets the others through may not
)


def required_endpoints(account: str) -> tuple[str, ...]:
    """URLs that each node must reach.

    Args:
        account: Name of the cache storage account, empty when there is none yet.
    """
    cache = (f"https://{account}.blob.core.windows.net",) if account else ()
    return (*REGISTRATION_ENDPOINTS, *cache)


def is_service_url(url: str) -> bool:
    """Whether it is Site Recovery's own."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # a registry may say anything
        return False
    return SERVICE_DOMAIN in host
