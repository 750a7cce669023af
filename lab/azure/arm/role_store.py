"""Custom roles that a client has made, and what each lets one do."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab

DEFINITION = "microsoft.authorization/roledefinitions"


def find_definition(lab: Lab, role: str) -> Json | None:
    """A custom role by its id, None where nobody has made it."""
    return lab.store.get(DEFINITION, role.lower())


def rights_by_definition(lab: Lab, role: str) -> list[Json]:
    """{actions, notActions, dataActions, notDataActions} of each permission of a role; none where there is no role."""
    definition = find_definition(lab, role)
    return list(definition["properties"]["permissions"]) if definition else []


def can_be_assigned(definition: Json, scope: str) -> bool:
    """Whether a custom role names a scope, or one above it, among those that it can be assigned on."""
    return any(
        f"{scope.lower()}/".startswith(f"{each.lower()}/") for each in definition["properties"]["assignableScopes"]
    )
