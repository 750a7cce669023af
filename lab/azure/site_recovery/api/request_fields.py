"""What the bodies of the verbs must hold; anything else is a 400 with the field that is wrong."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import caller_of
from lab.azure.site_recovery.api.errors import direction_error, input_error

TO_AZURE = "PrimaryToRecovery"
TO_PRIMARY = "RecoveryToPrimary"
NETWORK_TYPES = ("VmNetworkAsInput", "NoNetworkAttachAsInput")
SYNC_OPTIONS = ("ForSynchronization", "ForSyncronization", "ForDownTime")
_PROVIDER = "HyperVReplicaAzure"
_FAILBACK = "HyperVReplicaAzureFailback"


def require_properties(ask: Ask) -> Json:
    """The body's properties.

    Raises:
        ArmError: 400 without them.
    """
    found = ask.require_object().get("properties")
    if not isinstance(found, dict):
        raise input_error("'properties' is required.", caller_of(ask))
    return found


def require_choice(ask: Ask, body: Json, name: str, values: tuple[str, ...]) -> str:
    """The value of a field that must be one of a few.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if value not in values:
        raise input_error(f"'{name}' must be one of {', '.join(values)}, not {value!r}.", caller_of(ask))
    return str(value)


def require_text(ask: Ask, body: Json, name: str) -> str:
    """The value of a field that must be a text with something in it.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise input_error(f"'{name}' is required.", caller_of(ask))
    return value


def require_direction(ask: Ask, body: Json) -> str:
    """failoverDirection.

    Raises:
        ArmError: 400 InvalidFailoverDirection when it is neither.
    """
    value = body.get("failoverDirection")
    if value not in (TO_AZURE, TO_PRIMARY):
        raise direction_error(caller_of(ask))
    return str(value)


def require_details(ask: Ask, body: Json, *types: str, name: str = "providerSpecificDetails") -> Json:
    """The provider's own part of the input, of one of the types.

    Raises:
        ArmError: 400 when it is missing, or its instanceType is another.
    """
    found = body.get(name)
    if not isinstance(found, dict):
        raise input_error(f"'{name}' is required.", caller_of(ask))
    require_choice(ask, found, "instanceType", types or (_PROVIDER,))
    return found


def read_network(ask: Ask, body: Json) -> Json:
    """{type, id} of a test failover's network; `id` is None when none is attached."""
    kind = require_choice(ask, body, "networkType", NETWORK_TYPES)
    if kind == "NoNetworkAttachAsInput":
        return {"type": kind, "id": None}
    chosen = require_text(ask, body, "networkId")
    if "/virtualnetworks/" not in chosen.lower():
        raise input_error(f"'networkId' is not the id of a virtual network: {chosen}.", caller_of(ask))
    return {"type": kind, "id": chosen}


def read_failback(ask: Ask, body: Json) -> Json:
    """{sync, create, provider}: how data is brought back, whether a machine that is gone is made again, and where."""
    found = require_details(ask, body, _FAILBACK)
    provider = found.get("providerIdForAlternateRecovery")
    if provider is not None and "/replicationrecoveryservicesproviders/" not in str(provider).lower():
        raise input_error(f"'providerIdForAlternateRecovery' is not the id of a provider: {provider}.", caller_of(ask))
    return read_failback_options(ask, found) | {"provider": provider}


def read_failback_options(ask: Ask, found: Json) -> Json:
    """As `read_failback`, from the provider's part itself."""
    sync = require_choice(ask, found, "dataSyncOption", SYNC_OPTIONS)
    create = require_choice(ask, found, "recoveryVmCreationOption", ("NoAction", "CreateVmIfNotFound"))
    return {"sync": "ForDownTime" if sync == "ForDownTime" else "ForSynchronization", "create": create}


def read_source_operations(ask: Ask, body: Json) -> str:
    """sourceSiteOperations of an unplanned failover."""
    return require_choice(ask, body, "sourceSiteOperations", ("Required", "NotRequired"))
