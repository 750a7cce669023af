"""Microsoft.Authorization/permissions: what the caller may do on a scope, by its roles and a wish of the world.

Source: permissions/listForResource, api-version 2022-04-01: a list of roles' {actions, notActions, dataActions,
notDataActions}. That the list of a group or a resource that is not there is a 404 is assumed.
"""

from fnmatch import fnmatchcase

from lab.azure.arm import custom_roles
from lab.azure.arm.authorization import SCOPES, require_scope, roles, scope_of
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.role_rights import EVERYTHING, ROLES, rights_on
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

KIND = "permissions"
_ASKED_BY_ALL = "microsoft.authorization/permissions/"
"""What one may do everybody may ask."""


def list_permissions(lab: Lab, request: ArmRequest) -> Answer:
    """The permissions of the caller."""
    scope = scope_of(request)
    require_scope(lab, scope)
    limits = lab.store.get(KIND, "product")
    granted = [EVERYTHING | limits] if limits else rights_on(lab, request.principal, scope)
    return paged_answer(request, [{"dataActions": [], "notDataActions": []} | each for each in granted])


def require_permission(lab: Lab, request: ArmRequest) -> None:
    """Refuse what no role of the caller lets it do here, and what nobody may do since a wish of the world.

    Raises:
        ArmError: 403 AuthorizationFailed.
    """
    action = action_of(request)
    if action.lower().startswith(_ASKED_BY_ALL) or not request.path.lower().startswith("/subscriptions/"):
        return
    limits = lab.store.get(KIND, "product")
    of_roles = rights_on(lab, request.principal, request.path)
    is_allowed = any(allows_action(rights, action) for rights in of_roles)
    if not is_allowed or (limits and not allows_action(EVERYTHING | limits, action)):
        raise _forbidden_error(request, action)


def require_condition(lab: Lab, request: ArmRequest) -> None:
    """Refuse a role assignment that only a custom role allows, and its condition does not.

    Raises:
        ArmError: 403 AuthorizationFailed. Inferred: that its words are those for a right that is missing.
    """
    action = action_of(request)
    if request.method != "PUT" or action.lower() != "microsoft.authorization/roleassignments/write":
        return
    granting = [rights for rights in rights_on(lab, request.principal, request.path) if allows_action(rights, action)]
    properties = request.require_object().get("properties") or {}
    role = str(properties.get("roleDefinitionId")).rpartition("/")[2].lower()
    meets_condition = role in custom_roles.GRANTABLE and properties.get("principalType") == "ServicePrincipal"
    if not meets_condition and not any(rights in ROLES.values() for rights in granting):
        raise _forbidden_error(request, action)


def _forbidden_error(request: ArmRequest, action: str) -> ArmError:
    return ArmError(
        403,
        "AuthorizationFailed",
        f"The client '{request.principal}' with object id '{request.principal}' does not have authorization to "
        f"perform action '{action}' over scope '{request.path}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials.",
    )


def allows_action(rights: Json, action: str) -> bool:
    """Whether a role's {actions, notActions} let one do it."""
    return _is_named(action, rights["actions"]) and not _is_named(action, rights["notActions"])


def _is_named(action: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def action_of(request: ArmRequest) -> str:
    """What a role has to name for a request: Microsoft.X/type/child/read, write, delete or a verb with /action."""
    segments = request.path.strip("/").split("/")
    lowered = [segment.lower() for segment in segments]
    if "providers" in lowered:
        last = len(lowered) - 1 - lowered[::-1].index("providers")
        namespace, below = segments[last + 1], segments[last + 2 :]
    else:
        namespace, below = "Microsoft.Resources", segments
    kinds = "/".join([namespace, *below[::2]])
    if request.method == "POST" and len(below) % 2:
        return f"{kinds}/action"
    return f"{kinds}/{ {'GET': 'read', 'HEAD': 'read', 'DELETE': 'delete'}.get(request.method, 'write') }"


for _at in SCOPES:
    roles.route("GET", f"{_at}/providers/Microsoft.Authorization/permissions")(list_permissions)
