"""What the bodies of the verbs must hold; anything else is a 400 with the field that is wrong."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import caller_of
from lab.azure.site_recovery.api.errors import direction_error, input_error

TO_AZURE = "PrimaryToRecovery"
TO_PRIMARY = "RecoveryToPrimary"
NETWORK_TYPES = ("VmNetworkAsInput", "NoNetworkAttachAsInput")
SYNC_OPTIONS = ("ForSynchronization", "ForSyncronization", "ForDownTime")
_PROVIDER = "HyperVReplicaAzure"
_FAILBACK = "HyperVReplicaAzureFailback"


def require_properties(request: ArmRequest) -> Json:
    """The body's properties.

    Raises:
        ArmError: 400 without them.
    """
    found = request.require_object().get("properties")
    if not isinstance(found, dict):
        raise input_error("'properties' is required.", caller_of(request))
    return found


def require_choice(request: ArmRequest, body: Json, name: str, values: tuple[str, ...]) -> str:
    """The value of a field that must be one of a few.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if value not in values:
        raise input_error(f"'{name}' must be one of {', '.join(values)}, not {value!r}.", caller_of(request))
    return str(value)


def require_text(request: ArmRequest, body: Json, name: str) -> str:
    """The value of a field that must be a text with something in it.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise input_error(f"'{name}' is required.", caller_of(request))
    return value


def require_direction(request: ArmRequest, body: Json) -> str:
    """failoverDirection.

    Raises:
        ArmError: 400 InvalidFailoverDirection when it is neither.
    """
    value = body.get("failoverDirection")
    if value not in (TO_AZURE, TO_PRIMARY):
        raise direction_error(caller_of(request))
    return str(value)


def require_details(request: ArmRequest, body: Json, *types: str, name: str = "providerSpecificDetails") -> Json:
    """The provider's own part of the input, of one of the types.

    Raises:
        ArmError: 400 when it is missing, or its instanceType is another.
    """
    found = body.get(name)
    if not isinstance(found, dict):
        raise input_error(f"'{name}' is required.", caller_of(request))
    require_choice(request, found, "instanceType", types or (_PROVIDER,))
    return found


def read_network(request: ArmRequest, body: Json) -> Json:
    """{type, id} of a test failover's network; `id` is None when none is attached."""
    kind = require_choice(request, body, "networkType", NETWORK_TYPES)
    if kind == "NoNetworkAttachAsInput":
        return {"type": kind, "id": None}
    chosen = require_text(request, body, "networkId")
    if "/virtualnetworks/" not in chosen.lower():
        raise input_error(f"'networkId' is not the id of a virtual network: {chosen}.", caller_of(request))
    return {"type": kind, "id": chosen}


def read_failback(request: ArmRequest, body: Json) -> Json:
    """{sync, create, provider}: how data is brought back, whether a deleted machine is made again, and where."""
    found = require_details(request, body, _FAILBACK)
    provider = found.get("providerIdForAlternateRecovery")
    if provider is not None and "/replicationrecoveryservicesproviders/" not in str(provider).lower():
        raise input_error(
            f"'providerIdForAlternateRecovery' is not the id of a provider: {provider}.", caller_of(request)
        )
    return read_failback_options(request, found) | {"provider": provider}


def read_failback_options(request: ArmRequest, found: Json) -> Json:
    """As `read_failback`, from the provider's part itself."""
    sync = require_choice(request, found, "dataSyncOption", SYNC_OPTIONS)
    create = require_choice(request, found, "recoveryVmCreationOption", ("NoAction", "CreateVmIfNotFound"))
    return {"sync": "ForDownTime" if sync == "ForDownTime" else "ForSynchronization", "create": create}


def read_comments(request: ArmRequest) -> str:
    """The comments of a cleanup: its input has nothing else; they may be empty (specified), but not missing (inferred).

    Raises:
        ArmError: 400 when they are missing, or no text.
    """
    comments = require_properties(request).get("comments")
    if not isinstance(comments, str):
        raise input_error("'comments' is required.", caller_of(request))
    return comments


def read_source_operations(request: ArmRequest, body: Json) -> str:
    """sourceSiteOperations of an unplanned failover."""
    return require_choice(request, body, "sourceSiteOperations", ("Required", "NotRequired"))
