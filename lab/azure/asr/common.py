"""What every part of Site Recovery's API shares: its provider, its paths, and how it answers."""

from collections.abc import Callable, Iterable

from lab.azure import activity, resources
from lab.azure.answers import Answer, Json
from lab.azure.asr.problems import Asker, missing
from lab.azure.asr.wishes import wishes
from lab.azure.lab import Lab
from lab.azure.lro import accepted, polling_headers
from lab.azure.routing import Ask, Handler, Provider

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


def _describe(lab: Lab, ask: Ask) -> tuple[str, str]:
    """Faults and the ledger call an item by its friendly name, as people do."""
    record = lab.store.get(ITEMS, own_id(ask.scope("replicationProtectedItems"))) if "item" in ask.params else None
    return ask.verb, record["friendlyName"] if record else ask.item


class VaultProvider(Provider):
    """A provider whose every call is about what is in a vault: 404 where there is no such vault."""

    def route(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """As Provider's, with the vault looked up before the handler runs."""
        register = super().route(method, template)

        def guarded(handler: Handler) -> Handler:
            def handle(lab: Lab, ask: Ask) -> Answer:
                resources.require(lab, ask.scope("vaults"))
                return handler(lab, ask)

            register(handle)
            return handler

        return guarded


SITE_RECOVERY = VaultProvider("Microsoft.RecoveryServices", {API_VERSION}, _describe)


def own_id(arm_id: str) -> str:
    """An id as Site Recovery writes its own: it begins with /Subscriptions, whatever was sent."""
    head = "/subscriptions/"
    return "/Subscriptions/" + arm_id[len(head) :] if arm_id.lower().startswith(head) else arm_id


def vault_of(ask: Ask) -> str:
    """The vault of a request, as Site Recovery writes it."""
    return own_id(ask.scope("vaults"))


def asker(ask: Ask) -> Asker:
    """Who asked; a caller that sends no x-ms-client-request-id is given the request's own id."""
    return Asker(ask.client_request_id or ask.request_id, ask.correlation_id)


def require(lab: Lab, ask: Ask, kind: str, segment: str) -> Json:
    """The record that the path names by `segment` ("replicationFabrics").

    Raises:
        ArmError: 404 with ArmResourceDoesNotExist.
    """
    arm_id = own_id(ask.scope(segment))
    record = lab.store.get(kind, arm_id)
    if record is None:
        raise missing(arm_id.rpartition("/")[2], asker(ask))
    return record


def taken(lab: Lab, ask: Ask, job: Json, resource: str | None = None) -> Answer:
    """202 for a request that began a job; its polling links name the job."""
    ask.job = job["name"]
    about = job["id"] if "origin" in job else job["resource"]
    operation = f"{type_of(about)}/{ask.path.rpartition('/')[2]}/action"
    if ask.method != "POST":
        operation = f"{type_of(about)}/{'delete' if ask.method == 'DELETE' else 'write'}"
    activity.began(lab, activity.origin(ask), about, operation)
    if "origin" not in job:  # else it is an action on a job that somebody began before
        job["origin"], job["operationName"] = activity.origin(ask), operation
        _heed_faults(lab, ask, job)
    vault = vault_of(ask)
    status = f"{vault}/replicationOperationStatus/{job['name']}"
    result = f"{resource or job['resource']}/operationresults/{job['name']}"
    return accepted(polling_headers(ask, status, result))


def _heed_faults(lab: Lab, ask: Ask, job: Json) -> None:
    """Have a new job go as a fault rule says; the verbs of items and plans have asked for that before they began it."""
    if job.get("asked"):
        return
    job |= wishes(lab.faults.job_effect(ask.verb, ask.item, ask.path), job["kind"])
    if job.get("never"):
        job["ends"] = [None] * len(job["ends"])


def listed(values: Iterable[Json]) -> Answer:
    """A list in one page."""
    return Answer(200, {"value": list(values), "nextLink": None})


def type_of(arm_id: str) -> str:
    """The resource type of one of our own ids, spelled without names."""
    segments = arm_id.partition("/providers/")[2].split("/")
    return "/".join([segments[0], *segments[1::2]])
