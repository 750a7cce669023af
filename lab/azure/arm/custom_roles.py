"""The roles that the product ships for its identity, as they stand in infra/roles, and which of them it holds here.

    PUT /lab/identity {"roles": ["reader", "drill"], "without": ["Microsoft.Network/virtualNetworks/read"]}

The identity has each role where a deployment assigns it (`role_rights.grant_product`); what is taken away here is taken
away everywhere and at once, as nobody waits ten minutes to test that.
"""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.azure.simulator.answers import Json, bad_request
from lab.azure.simulator.lab import Lab

FILES = Path(__file__).parents[3] / "infra" / "roles"
KIND = "identity"
CUSTOM: dict[str, Json] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FILES.glob("*.json"))
}
"""The roles by name."""
IDS = {name: str(uuid.uuid5(uuid.NAMESPACE_URL, f"roles/{name}")) for name in CUSTOM}
GRANTABLE = frozenset(json.loads((FILES.parent / "roles.json").read_text(encoding="utf-8"))["variables"]["grantable"])
"""Built-in roles that prepare may assign, by the condition of its own assignment."""
NAMES = {role: name for name, role in IDS.items()}


def rights_of(lab: Lab, role: str) -> Json | None:
    """{actions, notActions, dataActions} of a role by its id; None where the identity does not hold it now."""
    held, name = held_rights(lab), NAMES[role]
    if name not in held["roles"]:
        return None
    without = {action.lower() for action in held["without"]}
    return {
        "actions": _left_of([*CUSTOM[name]["actions"], *CUSTOM[name]["linkedActions"]], without),
        "notActions": [],
        "dataActions": _left_of(CUSTOM[name]["dataActions"], without),
    }


def _left_of(actions: Iterable[str], without: set[str]) -> list[str]:
    return [action for action in actions if action.lower() not in without]


def held_rights(lab: Lab) -> Json:
    """{roles, without}: the roles that the identity holds, and the actions that it lacks all the same."""
    return lab.store.get(KIND, "product") or {"roles": list(CUSTOM), "without": []}


def choose_rights(lab: Lab, body: Any) -> Json:
    """Hold these roles, without these actions; what is not named is as a deployment has it.

    Raises:
        ArmError: 400 for a role or an action that there is not.
    """
    if not isinstance(body, dict) or set(body) - {"roles", "without"}:
        raise bad_request("InvalidIdentity", "the body may have roles and without")
    held = {"roles": body.get("roles", list(CUSTOM)), "without": body.get("without", [])}
    every = {action.lower() for role in CUSTOM.values() for key in _LISTS for action in role[key]}
    known = {"roles": set(CUSTOM), "without": every}
    for part, names in held.items():
        if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
            raise bad_request("InvalidIdentity", f"{part} is a list of names")
        if unknown := [name for name in names if name.lower() not in known[part]]:
            raise bad_request("InvalidIdentity", f"{part}: no such name in infra/roles: {', '.join(unknown)}")
    lab.store.put(KIND, "product", held)
    lab.store.commit()
    return held


_LISTS = ("actions", "linkedActions", "dataActions")
