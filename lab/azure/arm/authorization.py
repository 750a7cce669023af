"""Microsoft.Authorization: role assignments and locks, on any scope that the lab has."""

import re
from typing import Any

from lab.azure.arm import activity_log, custom_roles, resources
from lab.azure.arm.ids import is_same_id, name_of
from lab.azure.arm.odata import parse_clauses
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.role_store import can_be_assigned, find_definition
from lab.azure.arm.routing import Provider
from lab.azure.arm.tokens import PRODUCT
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_found
from lab.azure.simulator.lab import TENANT, Lab, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

ASSIGNMENT = "microsoft.authorization/roleassignments"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
KNOWN_ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "6670b86e-a3f7-4917-ac9b-5d6ab1be4567": "Site Recovery Contributor",
    "494ae006-db33-4328-bf46-533a6560a3ca": "Site Recovery Operator",
    "dbaa88c4-0c30-4179-9fb3-46319faa6149": "Site Recovery Reader",
    "17d1049b-9a84-46fb-8f53-869881c3d3ab": "Storage Account Contributor",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}
"""Built-in roles that the lab knows, by id."""
LEVELS = ("CanNotDelete", "ReadOnly")
SCOPES = (
    "/subscriptions/{subscription}",
    resources.GROUP_PATH,
    resources.GROUP_PATH + "/providers/{namespace}/{kind}/{name}",
    resources.GROUP_PATH + "/providers/{namespace}/{kind}/{name}/{child}/{below}",
)

roles = Provider("Microsoft.Authorization", {"2018-01-01-preview", "2020-04-01-preview", "2022-04-01"})
locks = Provider("Microsoft.Authorization", {"2016-09-01", "2017-04-01", "2020-05-01"})


def scope_of(request: ArmRequest) -> str:
    """What a call below a scope is about."""
    lowered = request.path.lower()
    return request.path[: lowered.rindex("/providers/microsoft.authorization/")]


def require_scope(lab: Lab, scope: str) -> None:
    """Refuse a scope that is not there.

    Raises:
        ArmError: 404.
    """
    if "/providers/" in scope.lower():
        resources.require_resource(lab, scope)
    elif "/resourcegroups/" in scope.lower():
        resources.require_group(lab, scope)
    else:
        resources.require_subscription(lab, name_of(scope))


def list_assignments(lab: Lab, request: ArmRequest) -> Answer:
    """The assignments that hold on a scope: on it, above it, and unless $filter is atScope(), below it."""
    scope, text = scope_of(request).lower(), request.query.get("$filter", "")
    at_scope = text.replace(" ", "").lower() == "atscope()"
    wanted = {} if at_scope else parse_clauses(text, {"principalId": "principalId"})
    found = [each for each in lab.store.all(ASSIGNMENT) if _is_seen(each, scope, wanted, at_scope=at_scope)]
    return paged_answer(request, found)


def _is_seen(assignment: Json, scope: str, wanted: dict[str, str], *, at_scope: bool) -> bool:
    properties = assignment["properties"]
    at = properties["scope"].lower()
    if any(properties[name] != value for name, value in wanted.items()):
        return False
    above = scope == at or scope.startswith(at + "/")
    return above or (not at_scope and at.startswith(scope + "/"))


def get_assignment(lab: Lab, request: ArmRequest) -> Answer:
    """One assignment."""
    assignment = lab.store.get(ASSIGNMENT, request.path)
    if assignment is None:
        raise ArmError(404, "RoleAssignmentNotFound", f"The role assignment '{name_of(request.path)}' is not found.")
    return Answer(200, assignment)


def put_assignment(lab: Lab, request: ArmRequest) -> Answer:
    """Assign a role: 201; 409 where the principal has it on this scope already."""
    scope, body = scope_of(request), request.require_object()
    require_scope(lab, scope)
    role, principal = (
        require_field(body, "properties", "roleDefinitionId"),
        require_field(body, "properties", "principalId"),
    )
    _require_real(lab, request, role, principal)
    _require_assignable(lab, role, scope)
    for each in lab.store.all(ASSIGNMENT):
        existing = each["properties"]
        if (
            is_same_id(existing["scope"], scope)
            and is_same_id(existing["roleDefinitionId"], role)
            and existing["principalId"] == principal
        ):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
    now = to_iso(lab.now())
    assignment = {
        "id": request.path,
        "name": name_of(request.path),
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": body["properties"].get("principalType", "ServicePrincipal"),
            "scope": scope,
            **_require_condition(body["properties"]),
            "createdOn": now,
            "updatedOn": now,
            "createdBy": request.principal,
            "updatedBy": request.principal,
        },
    }
    lab.store.put(ASSIGNMENT, request.path, assignment)
    activity_log.log_ended(
        lab, activity_log.origin_of(request), request.path, "Microsoft.Authorization/roleAssignments/write"
    )
    return Answer(201, assignment)


def _require_condition(properties: Json) -> Json:
    """What an assignment is limited to, as it is kept; the lab holds prepare to its condition in `permissions`.

    Raises:
        ArmError: 400. Inferred: its code and words.
    """
    condition, version = properties.get("condition"), properties.get("conditionVersion")
    if (condition is None) != (version is None) or version not in {None, "2.0"}:
        raise bad_request(
            "InvalidRoleAssignmentCondition", "A condition comes with conditionVersion '2.0', and no other."
        )
    return {"condition": condition, "conditionVersion": version} if condition else {}


def _require_assignable(lab: Lab, role: str, scope: str) -> None:
    """Refuse a custom role on a scope that it does not name.

    Raises:
        ArmError: 400.
    """
    definition = find_definition(lab, name_of(role))
    if definition and not can_be_assigned(definition, scope):
        detail = f"The role definition '{name_of(role)}' cannot be assigned on the scope '{scope}'."
        raise bad_request("RoleAssignmentScopeNotAssignableToRoleDefinition", detail)


def _require_real(lab: Lab, request: ArmRequest, role: str, principal: str) -> None:
    """Refuse a name that is no GUID, one that is in use, a role and a principal that there are not.

    Raises:
        ArmError: 400 or 409, in Azure's words as far as they are documented.
    """
    name, definition = name_of(request.path), str(role).rpartition("/")[2]
    if not GUID.fullmatch(name):
        raise bad_request(
            "InvalidRoleAssignmentId", f"The role assignment ID '{name}' is not valid. It must be a GUID."
        )
    if "/roledefinitions/" not in str(role).lower() or not GUID.fullmatch(definition):
        raise bad_request("InvalidRoleDefinitionId", f"The role definition ID '{role}' is not valid.")
    if definition.lower() not in {*KNOWN_ROLES, *custom_roles.NAMES} and not find_definition(lab, definition):
        raise bad_request(
            "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{definition}' does not exist."
        )
    if principal not in _known_principals(lab):
        raise bad_request("PrincipalNotFound", f"Principal {principal} does not exist in the directory {TENANT}.")
    if existing := lab.store.get(ASSIGNMENT, request.path):
        same = existing["properties"]["principalId"] == principal and existing["properties"]["roleDefinitionId"] == role
        if not same:
            detail = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise ArmError(409, "RoleAssignmentUpdateNotPermitted", detail)


def _known_principals(lab: Lab) -> set[str]:
    """The identities of resources, and those of clients that have a token."""
    kinds = (
        "microsoft.recoveryservices/vaults",
        "microsoft.azurestackhci/clusters",
        "microsoft.hybridcompute/machines",
    )
    found = [(each.get("identity") or {}).get("principalId") for kind in kinds for each in lab.store.all(kind)]
    return {str(one) for one in found if one} | {PRODUCT}


def delete_assignment(lab: Lab, request: ArmRequest) -> Answer:
    """Take a role away: 204 when it was not assigned."""
    assignment = lab.store.get(ASSIGNMENT, request.path)
    if assignment is None:
        return Answer(204)
    lab.store.delete(ASSIGNMENT, request.path)
    activity_log.log_ended(
        lab, activity_log.origin_of(request), request.path, "Microsoft.Authorization/roleAssignments/delete"
    )
    return Answer(200, assignment)


def list_locks(lab: Lab, request: ArmRequest) -> Answer:
    """The locks that hold for a scope."""
    return paged_answer(request, resources.locks_on(lab, scope_of(request)))


def get_lock(lab: Lab, request: ArmRequest) -> Answer:
    """One lock."""
    lock = lab.store.get(resources.LOCK, request.path)
    if lock is None:
        raise not_found(request.path)
    return Answer(200, lock)


def put_lock(lab: Lab, request: ArmRequest) -> Answer:
    """Lock a scope: 201 or 200."""
    require_scope(lab, scope_of(request))
    level: Any = require_field(request.require_object(), "properties", "level")
    if level not in LEVELS:
        raise bad_request("InvalidLockLevel", f"The lock level '{level}' is not one of {', '.join(LEVELS)}.")
    exists = lab.store.get(resources.LOCK, request.path) is not None
    lock = {
        "id": request.path,
        "name": name_of(request.path),
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": level}
        | {
            key: request.require_object()["properties"][key]
            for key in ("notes", "owners")
            if key in request.require_object()["properties"]
        },
    }
    lab.store.put(resources.LOCK, request.path, lock)
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, "Microsoft.Authorization/locks/write")
    return Answer(200 if exists else 201, lock)


def delete_lock(lab: Lab, request: ArmRequest) -> Answer:
    """Take a lock away: 204 when there is none."""
    if not lab.store.delete(resources.LOCK, request.path):
        return Answer(204)
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, "Microsoft.Authorization/locks/delete")
    return Answer(200)


for _at in SCOPES:
    for _provider, _kind, _list, _handlers in (
        (
            roles,
            "roleAssignments",
            list_assignments,
            {"GET": get_assignment, "PUT": put_assignment, "DELETE": delete_assignment},
        ),
        (locks, "locks", list_locks, {"GET": get_lock, "PUT": put_lock, "DELETE": delete_lock}),
    ):
        _path = f"{_at}/providers/Microsoft.Authorization/{_kind}"
        _provider.route("GET", _path)(_list)
        for _method, _handler in _handlers.items():
            _provider.route(_method, f"{_path}/{{assignment}}")(_handler)
