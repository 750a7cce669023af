"""Microsoft.Authorization/roleDefinitions: custom roles that a client makes, on the subscription.

Source: Microsoft's pages on custom roles and on troubleshooting role-based access: GUID as name, a display name that no
other custom role has, scopes that it can be assigned on, 400 and 409 by their codes. Inferred: the sentences. Built-in
roles are not listed, and what a provider does not have is no fault here: the lab has no list of all actions.
"""

import re
from typing import Any

from lab.azure.arm import activity_log, resources
from lab.azure.arm.authorization import ASSIGNMENT, GUID, KNOWN_ROLES, roles
from lab.azure.arm.ids import name_of
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.role_store import DEFINITION, find_definition
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

DEFINITIONS = "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions"
_ACTION = re.compile(r"\*|[A-Za-z][\w.]*(?:/[\w*-]+)+(?:/\*)?")
_SCOPE = re.compile(r"/subscriptions/[0-9a-f-]{36}(?:/resourceGroups/[^/]+)?", re.IGNORECASE)
_LISTS = ("actions", "notActions", "dataActions", "notDataActions")


@roles.route("PUT", DEFINITIONS + "/{definition}")
def put_definition(lab: Lab, request: ArmRequest) -> Answer:
    """Make or change a custom role: 201."""
    resources.require_subscription(lab, request.params["subscription"])
    name = request.params["definition"]
    if not GUID.fullmatch(name) or name.lower() in KNOWN_ROLES:
        raise bad_request("InvalidRoleDefinitionId", f"The role definition ID '{name}' is not valid.")
    body = request.require_object()
    title = require_field(body, "properties", "roleName")
    for each in lab.store.all(DEFINITION):
        if each["properties"]["roleName"] == title and each["name"].lower() != name.lower():
            detail = f"A role definition cannot be updated with a name that already exists: '{title}'."
            raise ArmError(409, "RoleDefinitionWithSameNameExists", detail)
    now = to_iso(lab.now())
    properties = {
        "roleName": title,
        "type": "CustomRole",
        "description": body["properties"].get("description", ""),
        "assignableScopes": _require_scopes(body),
        "permissions": [_require_rights(each) for each in require_field(body, "properties", "permissions")],
        "createdOn": now,
        "updatedOn": now,
    }
    kept = {"id": request.path, "name": name, "type": "Microsoft.Authorization/roleDefinitions"}
    definition = lab.store.put(DEFINITION, name.lower(), kept | {"properties": properties})
    activity_log.log_ended(
        lab, activity_log.origin_of(request), request.path, "Microsoft.Authorization/roleDefinitions/write"
    )
    return Answer(201, definition)


def _require_scopes(body: Json) -> list[str]:
    scopes: Any = require_field(body, "properties", "assignableScopes")
    if not isinstance(scopes, list) or not scopes or any(not _SCOPE.fullmatch(str(each)) for each in scopes):
        raise bad_request("InvalidAssignableScopes", "assignableScopes are subscriptions or resource groups.")
    return scopes


def _require_rights(permission: Any) -> Json:
    if not isinstance(permission, dict) or set(permission) - set(_LISTS):
        raise bad_request("InvalidRoleDefinition", f"a permission has {', '.join(_LISTS)}")
    for part in _LISTS:
        for action in permission.get(part, []):
            if not isinstance(action, str) or not _ACTION.fullmatch(action):
                raise bad_request(
                    "InvalidActionOrNotAction", f"'{action}' does not match any of the actions supported."
                )
    return {part: permission.get(part, []) for part in _LISTS}


@roles.route("GET", DEFINITIONS + "/{definition}")
def get_definition(lab: Lab, request: ArmRequest) -> Answer:
    """One custom role."""
    definition = find_definition(lab, name_of(request.path))
    if definition is None:
        detail = f"The specified role definition with ID '{name_of(request.path)}' does not exist."
        raise ArmError(404, "RoleDefinitionDoesNotExist", detail)
    return Answer(200, definition)


@roles.route("GET", DEFINITIONS)
def list_definitions(lab: Lab, request: ArmRequest) -> Answer:
    """The custom roles."""
    return paged_answer(request, list(lab.store.all(DEFINITION)))


@roles.route("DELETE", DEFINITIONS + "/{definition}")
def delete_definition(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a custom role: 204 when there is none, 400 while somebody has it."""
    name = name_of(request.path).lower()
    definition = find_definition(lab, name)
    if definition is None:
        return Answer(204)
    if any(name_of(each["properties"]["roleDefinitionId"]).lower() == name for each in lab.store.all(ASSIGNMENT)):
        raise bad_request("RoleDefinitionHasAssignments", "There are existing role assignments referencing role.")
    lab.store.delete(DEFINITION, name)
    return Answer(200, definition)
