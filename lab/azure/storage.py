"""Microsoft.Storage: the accounts that cache replication."""

from lab.azure.arm import activity_log, resources
from lab.azure.arm.crud import serve_delete, serve_get, serve_list
from lab.azure.arm.ids import resource_id
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, Json, bad_request
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, Lab, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

ACCOUNT = "Microsoft.Storage/storageAccounts"
ACCOUNTS = resources.GROUP_PATH + "/providers/Microsoft.Storage/storageAccounts"

VERSIONS = {"2022-09-01", "2023-01-01", "2023-05-01", "2024-01-01", "2025-01-01", "2025-06-01"}

provider = Provider("Microsoft.Storage", VERSIONS)


def add_account(lab: Lab, group: str, name: str) -> Json:
    """Make a general-purpose account."""
    arm_id = resource_id(SUBSCRIPTION, group, ACCOUNT, name)
    sku = {"name": "Standard_LRS", "tier": "Standard"}
    return resources.put_resource(lab, arm_id, _account_properties(lab, name, {}), sku=sku, kind="StorageV2", tags={})


def _account_properties(lab: Lab, name: str, given: Json) -> Json:
    return {
        "provisioningState": "Succeeded",
        "creationTime": to_iso(lab.now()),
        "primaryLocation": LOCATION,
        "statusOfPrimary": "available",
        "supportsHttpsTrafficOnly": given.get("supportsHttpsTrafficOnly", True),
        "minimumTlsVersion": given.get("minimumTlsVersion", "TLS1_2"),
        "allowBlobPublicAccess": given.get("allowBlobPublicAccess", False),
        "publicNetworkAccess": given.get("publicNetworkAccess", "Enabled"),
        "primaryEndpoints": {"blob": f"https://{name}.blob.core.windows.net/"},
    }


@provider.route("PUT", ACCOUNTS + "/{account}")
def put_account(lab: Lab, request: ArmRequest) -> Answer:
    """Create or change an account: done when answered."""
    resources.require_group(lab, request.path)
    resources.require_unlocked(lab, request.path)
    body, name = request.require_object(), request.params["account"]
    if not (name.isalnum() and name == name.lower() and 3 <= len(name) <= 24):
        raise bad_request(
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
            "length and use numbers and lower-case letters only.",
        )
    account = resources.put_resource(
        lab,
        request.path,
        _account_properties(lab, name, body.get("properties") or {}),
        location=require_field(body, "location"),
        sku={"name": require_field(body, "sku", "name"), "tier": "Standard"},
        kind=require_field(body, "kind"),
        tags=body.get("tags") or {},
    )
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{ACCOUNT}/write")
    return Answer(200, account)


serve_list(provider, ACCOUNTS, ACCOUNT)
serve_get(provider, ACCOUNTS + "/{account}")
serve_delete(provider, ACCOUNTS + "/{account}", logged_as=ACCOUNT, locked=True)
