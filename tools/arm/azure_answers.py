"""What Azure alone knows of our resources, once they are there: made up, in the shape that Azure gives."""

from collections.abc import Mapping
from typing import Any

from tools.arm.functions import make_guid


def known_to_azure(kind: str, arm_id: str) -> Mapping[str, Any]:
    """Properties by type; none of a type whose properties no template of ours asks for."""
    name = arm_id.rpartition("/")[2]
    match kind:
        case "Microsoft.Storage/storageAccounts":
            endpoints = {part: f"https://{name}.{part}.core.windows.net/" for part in ("blob", "queue", "table")}
            return {"primaryEndpoints": endpoints}
        case "Microsoft.ManagedIdentity/userAssignedIdentities":
            return {"principalId": make_guid(arm_id, "principal"), "clientId": make_guid(arm_id, "client")}
        case "Microsoft.Web/sites":
            return {"defaultHostName": f"{name}.azurewebsites.net"}
        case "Microsoft.Insights/components":
            return {"ConnectionString": f"InstrumentationKey={make_guid(arm_id)}"}
        case "Microsoft.EventGrid/topics":
            return {"endpoint": f"https://{name}.westeurope-1.eventgrid.azure.net/api/events"}
        case "Microsoft.KeyVault/vaults/keys":
            return {"keyUri": f"https://{arm_id.split('/')[-3]}.vault.azure.net/keys/{name}"}
        case "Microsoft.OperationalInsights/workspaces":
            return {"location": "northeurope"}
    return {}
