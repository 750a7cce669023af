"""What the entities of a driver keep of what is owed, for tests to read and to write."""

from typing import Any

from shared.operations.obligations import Obligation

type States = dict[str, Any]
BEGIN = "@obligations@"


def list_owed(states: States) -> list[dict[str, Any]]:
    """Every obligation that is open, of all vaults and nodes, as it is kept."""
    tables = [state or {} for key, state in states.items() if key.startswith(BEGIN)]
    return [one for table in tables for one in table.values() if not one.get("settled")]


def owed_by_kind(states: States) -> dict[str, dict[str, Any]]:
    """The same by kind, of which there is one each."""
    kept = list_owed(states)
    assert len({one["kind"] for one in kept}) == len(kept), kept
    return {one["kind"]: one for one in kept}


def owe(states: States, obligation: Obligation, **changes: Any) -> None:
    """Keep an obligation, as it is or spoilt."""
    table = states.get(f"{BEGIN}{obligation.table}") or {}
    kept = {**obligation.model_dump(mode="json"), **changes}
    states[f"{BEGIN}{obligation.table}"] = {**table, obligation.id: kept}


def settle(states: States, kind: str) -> None:
    """Cross out all of a kind, as a look of the timer would that found it done."""
    for key, state in states.items():
        if key.startswith(BEGIN):
            states[key] = {one: kept for one, kept in (state or {}).items() if kept["kind"] != kind}
