"""Microsoft.Authorization/permissions: what the caller may do on a scope.

The product's identity is Owner of all there is unless a test says otherwise. Source: permissions/listForResource,
api-version 2022-04-01: a list of roles' {actions, notActions, dataActions, notDataActions}. That the list of a group or
a resource that is not there is a 404 is assumed.
"""

from lab.azure.arm.authorization import SCOPES, require_scope, roles, scope_of
from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

KIND = "permissions"
OWNER = {"actions": ["*"], "notActions": []}


def list_permissions(lab: Lab, request: ArmRequest) -> Answer:
    """The permissions of the caller."""
    require_scope(lab, scope_of(request))
    granted: Json = OWNER | (lab.store.get(KIND, "product") or {})
    return paged_answer(request, [granted | {"dataActions": [], "notDataActions": []}])


for _at in SCOPES:
    roles.route("GET", f"{_at}/providers/Microsoft.Authorization/permissions")(list_permissions)
