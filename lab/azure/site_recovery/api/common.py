"""What every part of Site Recovery's API shares: its provider, its paths, and how it answers."""

from collections.abc import Callable, Iterable

from lab.azure.arm import resources
from lab.azure.arm.routing import Handler, Provider
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.errors import Caller, missing_error

API_VERSION = "2025-08-01"
VAULT_TYPE = "Microsoft.RecoveryServices/vaults"
AZURE = "Microsoft Azure"
"""How the Azure side is called wherever an id of a fabric or a container is expected."""

VAULT = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.RecoveryServices/vaults/{vault}"
FABRIC = VAULT + "/replicationFabrics/{fabric}"
CONTAINER = FABRIC + "/replicationProtectionContainers/{container}"
ITEM = CONTAINER + "/replicationProtectedItems/{item}"

FABRICS = "asr-fabric"
CONTAINERS = "asr-container"
PROVIDERS = "asr-provider"
POLICIES = "asr-policy"
MAPPINGS = "asr-mapping"
MACHINES = "asr-machine"
ITEMS = "asr-item"
PLANS = "asr-plan"


def _describe_call(lab: Lab, request: ArmRequest) -> tuple[str, str]:
    """Faults and the ledger call an item by its friendly name, as people do."""
    record = (
        lab.store.get(ITEMS, own_id(request.id_up_to("replicationProtectedItems")))
        if "item" in request.params
        else None
    )
    return request.verb, record["friendlyName"] if record else request.item


class VaultProvider(Provider):
    """A provider whose every call is about what is in a vault: 404 where there is no such vault."""

    def route(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """As Provider's, with the vault looked up before the handler runs."""
        register = super().route(method, template)

        def guarded(handler: Handler) -> Handler:
            def handle(lab: Lab, request: ArmRequest) -> Answer:
                resources.require_resource(lab, request.id_up_to("vaults"))
                return handler(lab, request)

            register(handle)
            return handler

        return guarded


SITE_RECOVERY = VaultProvider("Microsoft.RecoveryServices", {API_VERSION}, _describe_call)


def own_id(arm_id: str) -> str:
    """An id as Site Recovery writes its own: it begins with /Subscriptions, whatever was sent."""
    head = "/subscriptions/"
    return "/Subscriptions/" + arm_id[len(head) :] if arm_id.lower().startswith(head) else arm_id


def vault_of(request: ArmRequest) -> str:
    """The vault of a request, as Site Recovery writes it."""
    return own_id(request.id_up_to("vaults"))


def caller_of(request: ArmRequest) -> Caller:
    """Who asked; a caller that sends no x-ms-client-request-id is given the request's own id."""
    return Caller(request.client_request_id or request.request_id, request.correlation_id)


def require_record(lab: Lab, request: ArmRequest, kind: str, segment: str) -> Json:
    """The record that the path names by `segment` ("replicationFabrics").

    Raises:
        ArmError: 404 with ArmResourceDoesNotExist.
    """
    arm_id = own_id(request.id_up_to(segment))
    record = lab.store.get(kind, arm_id)
    if record is None:
        raise missing_error(arm_id.rpartition("/")[2], caller_of(request))
    return record


def list_answer(values: Iterable[Json]) -> Answer:
    """A list in one page."""
    return Answer(200, {"value": list(values), "nextLink": None})


def type_of(arm_id: str) -> str:
    """The resource type of one of our own ids, spelled without names."""
    segments = arm_id.partition("/providers/")[2].split("/")
    return "/".join([segments[0], *segments[1::2]])
