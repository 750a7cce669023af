"""ARM resources in general: kept by type, found by id, listed by group; resource groups, and the generic calls on them.

The documents are what a GET answers. A kind of the store is the resource type in lower case, so every module can find
every resource: `find(lab, arm_id)`.
"""

from typing import Any

from lab.azure.arm import activity_log
from lab.azure.arm.ids import group_id, name_of, part_of, type_of
from lab.azure.arm.odata import parse_clauses
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_found, not_simulated
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, TENANT, Lab, to_iso
from lab.azure.simulator.requests import ArmRequest

GROUP = "microsoft.resources/resourcegroups"
LOCK = "microsoft.authorization/locks"
_CREATED = "created"
GROUP_PATH = "/subscriptions/{subscription}/resourceGroups/{group}"

provider = Provider(
    "Microsoft.Resources", {"2021-04-01", "2022-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01"}
)


def put_resource(lab: Lab, arm_id: str, properties: Json, *, location: str | None = LOCATION, **more: Any) -> Json:
    """Keep a resource and give back its document: {id, name, type, location, properties, ...more}."""
    document: Json = {"id": arm_id, "name": name_of(arm_id), "type": type_of(arm_id)}
    if location:
        document["location"] = location
    if lab.store.get(_CREATED, arm_id) is None:
        lab.store.put(_CREATED, arm_id, {"at": to_iso(lab.now())})
    return lab.store.put(type_of(arm_id).lower(), arm_id, document | more | {"properties": properties})


def find_resource(lab: Lab, arm_id: str) -> Json | None:
    """The live document of a resource, or None."""
    return lab.store.get(type_of(arm_id).lower(), arm_id)


def save_resource(lab: Lab, document: Json) -> Json:
    """Keep the changes that were made in place."""
    return lab.store.put(type_of(document["id"]).lower(), document["id"], document)


def delete_resource(lab: Lab, arm_id: str) -> bool:
    """Remove a resource; says whether it was there."""
    lab.store.delete(_CREATED, arm_id)
    return lab.store.delete(type_of(arm_id).lower(), arm_id)


def require_resource(lab: Lab, arm_id: str) -> Json:
    """The live document of a resource.

    Raises:
        ArmError: 404 for the resource, or for its group where that is missing too.
    """
    require_group(lab, arm_id)
    document = find_resource(lab, arm_id)
    if document is None:
        raise not_found(arm_id)
    return document


def require_group(lab: Lab, arm_id: str) -> Json:
    """The resource group of an id.

    Raises:
        ArmError: 404 ResourceGroupNotFound, or SubscriptionNotFound.
    """
    subscription, group = part_of(arm_id, "subscriptions") or "", part_of(arm_id, "resourceGroups") or ""
    require_subscription(lab, subscription)
    document = lab.store.get(GROUP, group_id(subscription, group))
    if document is None:
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    return document


def require_subscription(lab: Lab, subscription: str) -> None:
    """Refuse a subscription that the lab does not have.

    Raises:
        ArmError: 404 SubscriptionNotFound.
    """
    existing = {SUBSCRIPTION} | {document["subscriptionId"] for document in lab.store.all("subscription")}
    if subscription.lower() not in existing:
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def put_group(lab: Lab, group: str, subscription: str = SUBSCRIPTION) -> Json:
    """Keep a resource group."""
    arm_id = group_id(subscription, group)
    return lab.store.put(
        GROUP,
        arm_id,
        {
            "id": arm_id,
            "name": group,
            "type": "Microsoft.Resources/resourceGroups",
            "location": LOCATION,
            "properties": {"provisioningState": "Succeeded"},
        },
    )


def locks_on(lab: Lab, arm_id: str) -> list[Json]:
    """The locks that hold for a resource: its own, and those of its parents and its group."""
    lowered = arm_id.lower() + "/"
    scopes = (
        (lock, lock["id"].lower().partition("/providers/microsoft.authorization/")[0]) for lock in lab.store.all(LOCK)
    )
    return [lock for lock, scope in scopes if lowered.startswith(scope + "/")]


def require_unlocked(lab: Lab, arm_id: str, *, deleting: bool = False) -> None:
    """Refuse what a lock forbids: everything for ReadOnly, deletion for CanNotDelete.

    Raises:
        ArmError: 409 ScopeLocked.
    """
    for lock in locks_on(lab, arm_id):
        if deleting or lock["properties"]["level"] == "ReadOnly":
            deed = "delete" if deleting else "write"
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{arm_id}' cannot perform {deed} operation because following scope(s) are locked: "
                f"'{lock['id']}'. Please remove the lock and try again.",
            )


def all_resources(lab: Lab, under: str) -> list[Json]:
    """Every ARM resource below a group or a subscription, as the generic list shows them: without properties."""
    fields = ("id", "name", "type", "location", "tags", "identity", "kind", "sku", "managedBy")
    return [
        {key: document[key] for key in fields if key in document}
        for kind in lab.store.kinds()
        if kind.startswith("microsoft.") and kind not in (GROUP, LOCK)
        for document in lab.store.all(kind, under)
        if "location" in document
    ]


@provider.route("GET", "/subscriptions")
def list_subscriptions(lab: Lab, request: ArmRequest) -> Answer:
    """Every subscription that the lab has."""
    return paged_answer(request, [_subscription_document(SUBSCRIPTION), *lab.store.all("subscription")])


@provider.route("GET", "/subscriptions/{subscription}")
def get_subscription(lab: Lab, request: ArmRequest) -> Answer:
    """One subscription."""
    require_subscription(lab, request.params["subscription"])
    return Answer(200, _subscription_document(request.params["subscription"]))


def _subscription_document(subscription: str) -> Json:
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "tenantId": TENANT,
        "displayName": "Lab",
        "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "Lab", "spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
    }


@provider.route("GET", "/subscriptions/{subscription}/resourcegroups")
def list_groups(lab: Lab, request: ArmRequest) -> Answer:
    """The resource groups of a subscription."""
    return paged_answer(request, lab.store.all(GROUP, f"/subscriptions/{request.params['subscription']}"))


@provider.route("GET", GROUP_PATH)
def get_group(lab: Lab, request: ArmRequest) -> Answer:
    """One resource group."""
    return Answer(200, require_group(lab, request.path))


@provider.route("HEAD", GROUP_PATH)
def head_group(lab: Lab, request: ArmRequest) -> Answer:
    """204 when the group is there."""
    return Answer(204 if lab.store.get(GROUP, request.path) else 404)


@provider.route("PUT", GROUP_PATH)
def create_group(lab: Lab, request: ArmRequest) -> Answer:
    """Create a resource group, or keep it: 201 or 200."""
    body = request.require_object()
    if not body.get("location"):
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    exists = lab.store.get(GROUP, request.path) is not None
    group = put_group(lab, request.params["group"], request.params["subscription"])
    group |= {"location": body["location"], "tags": body.get("tags", {})}
    activity_log.log_ended(
        lab, activity_log.origin_of(request), request.path, "Microsoft.Resources/subscriptions/resourceGroups/write"
    )
    return Answer(200 if exists else 201, group)


@provider.route("GET", GROUP_PATH + "/resources")
def list_in_group(lab: Lab, request: ArmRequest) -> Answer:
    """The resources of a group; $filter knows resourceType and name, $expand createdTime."""
    require_group(lab, request.path)
    found = _apply_filter(request, all_resources(lab, request.id_up_to("resourceGroups")))
    return paged_answer(request, _expanded(lab, request, found), size=1000)


@provider.route("GET", "/subscriptions/{subscription}/resources")
def list_in_subscription(lab: Lab, request: ArmRequest) -> Answer:
    """The resources of a subscription; $filter knows resourceType, name and location, $expand createdTime."""
    require_subscription(lab, request.params["subscription"])
    found = _apply_filter(request, all_resources(lab, request.id_up_to("subscriptions")))
    return paged_answer(request, _expanded(lab, request, found), size=1000)


def _expanded(lab: Lab, request: ArmRequest, found: list[Json]) -> list[Json]:
    wanted = request.query.get("$expand", "").lower()
    if wanted not in ("", "createdtime"):
        raise not_simulated(f"$expand={wanted}")
    created = {resource["id"]: lab.store.get(_CREATED, resource["id"]) for resource in found if wanted}
    return [each | ({"createdTime": at["at"]} if (at := created.get(each["id"])) else {}) for each in found]


def _apply_filter(request: ArmRequest, resources: list[Json]) -> list[Json]:
    keys = {"resourceType": "type", "name": "name", "location": "location"}
    wanted = parse_clauses(request.query.get("$filter", ""), keys)
    return [
        resource
        for resource in resources
        if all(str(resource.get(name, "")).lower() == value.lower() for name, value in wanted.items())
    ]
