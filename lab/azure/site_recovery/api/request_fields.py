"""What the bodies of the verbs must hold; anything else is a 400 with the field that is wrong."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import asker
from lab.azure.site_recovery.api.errors import wrong_direction, wrong_input

TO_AZURE = "PrimaryToRecovery"
TO_PRIMARY = "RecoveryToPrimary"
NETWORK_TYPES = ("VmNetworkAsInput", "NoNetworkAttachAsInput")
SYNC_OPTIONS = ("ForSynchronization", "ForSyncronization", "ForDownTime")
_PROVIDER = "HyperVReplicaAzure"
_FAILBACK = "HyperVReplicaAzureFailback"


def properties(ask: Ask) -> Json:
    """The body's properties.

    Raises:
        ArmError: 400 without them.
    """
    found = ask.object().get("properties")
    if not isinstance(found, dict):
        raise wrong_input("'properties' is required.", asker(ask))
    return found


def choice(ask: Ask, body: Json, name: str, values: tuple[str, ...]) -> str:
    """The value of a field that must be one of a few.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if value not in values:
        raise wrong_input(f"'{name}' must be one of {', '.join(values)}, not {value!r}.", asker(ask))
    return str(value)


def text(ask: Ask, body: Json, name: str) -> str:
    """The value of a field that must be a text with something in it.

    Raises:
        ArmError: 400 that names the field.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise wrong_input(f"'{name}' is required.", asker(ask))
    return value


def direction(ask: Ask, body: Json) -> str:
    """failoverDirection.

    Raises:
        ArmError: 400 InvalidFailoverDirection when it is neither.
    """
    value = body.get("failoverDirection")
    if value not in (TO_AZURE, TO_PRIMARY):
        raise wrong_direction(asker(ask))
    return str(value)


def details(ask: Ask, body: Json, *types: str, name: str = "providerSpecificDetails") -> Json:
    """The provider's own part of the input, of one of the types.

    Raises:
        ArmError: 400 when it is missing, or its instanceType is another.
    """
    found = body.get(name)
    if not isinstance(found, dict):
        raise wrong_input(f"'{name}' is required.", asker(ask))
    choice(ask, found, "instanceType", types or (_PROVIDER,))
    return found


def network(ask: Ask, body: Json) -> Json:
    """{type, id} of a test failover's network; `id` is None when none is attached."""
    kind = choice(ask, body, "networkType", NETWORK_TYPES)
    if kind == "NoNetworkAttachAsInput":
        return {"type": kind, "id": None}
    chosen = text(ask, body, "networkId")
    if "/virtualnetworks/" not in chosen.lower():
        raise wrong_input(f"'networkId' is not the id of a virtual network: {chosen}.", asker(ask))
    return {"type": kind, "id": chosen}


def failback(ask: Ask, body: Json) -> Json:
    """{sync, create, provider}: how data is brought back, whether a machine that is gone is made again, and where."""
    found = details(ask, body, _FAILBACK)
    provider = found.get("providerIdForAlternateRecovery")
    if provider is not None and "/replicationrecoveryservicesproviders/" not in str(provider).lower():
        raise wrong_input(f"'providerIdForAlternateRecovery' is not the id of a provider: {provider}.", asker(ask))
    return failback_options(ask, found) | {"provider": provider}


def failback_options(ask: Ask, found: Json) -> Json:
    """As `failback`, from the provider's part itself."""
    sync = choice(ask, found, "dataSyncOption", SYNC_OPTIONS)
    create = choice(ask, found, "recoveryVmCreationOption", ("NoAction", "CreateVmIfNotFound"))
    return {"sync": "ForDownTime" if sync == "ForDownTime" else "ForSynchronization", "create": create}


def source_operations(ask: Ask, body: Json) -> str:
    """sourceSiteOperations of an unplanned failover."""
    return choice(ask, body, "sourceSiteOperations", ("Required", "NotRequired"))
