"""Microsoft.Authorization: role assignments and locks, on any scope that the lab has."""

from typing import Any

from lab.azure.arm import activity_log, resources
from lab.azure.arm.ids import is_same_id, name_of
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_found
from lab.azure.simulator.lab import Lab, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

ASSIGNMENT = "microsoft.authorization/roleassignments"
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
    scope = scope_of(request).lower()
    found = [each for each in lab.store.all(ASSIGNMENT) if _is_seen(each, scope, request.query.get("$filter", ""))]
    return paged_answer(request, found)


def _is_seen(assignment: Json, scope: str, text: str) -> bool:
    properties = assignment["properties"]
    at = properties["scope"].lower()
    if "principalId eq '" in text and properties["principalId"] not in text:
        return False
    above = scope == at or scope.startswith(at + "/")
    return above or ("atScope()" not in text and at.startswith(scope + "/"))


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
