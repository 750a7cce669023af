"""What the story takes for a proof, and what is missing of it. Pure: a proof that holds has no findings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

type View = Mapping[str, Any]
"""An operation as the product answers it."""

type Entry = Mapping[str, Any]
"""A line of the ledger: a mutating call that Azure accepted."""

type After = Mapping[str, Sequence[str]]
"""Each VM with those that it depends on."""

SENT: Mapping[str, tuple[str, ...]] = {
    "drill": ("testFailover", "testFailoverCleanup"),
    "failover": ("plannedFailover", "failoverCommit"),
    "failback": ("plannedFailover", "failoverCommit"),
    "reprotect": ("reProtect",),
}
"""By kind of operation: the calls that each VM is sent, in order. A failback is a planned failover the other way."""

ORDERED: Mapping[str, str] = {"drill": "TestFailover", "failover": "PlannedFailover", "failback": "Failback"}
"""By kind of operation: the verb that follows the plan's dependencies."""

VERBS = frozenset(verb.lower() for verbs in SENT.values() for verb in verbs)


def ended_well(view: View) -> list[str]:
    """The operation says of itself that it succeeded."""
    if view["state"] == "succeeded":
        return []
    reasons = [
        f"{one['vm'] or one.get('subject', '')}: {one['code']}: {one['detail']}".removeprefix(": ")
        for name in ("failures", "obstacles")
        for one in view.get(name, ())
    ]
    return [f"{view['id']} ended {view['state']}: {reasons[0] if reasons else 'it does not say why'}"]


def sent_once(ledger: Iterable[Entry], vms: Iterable[str], kinds: Sequence[str]) -> list[str]:
    """Each VM was sent exactly the verbs of these operations, each once, in this order."""
    expected = [verb for kind in kinds for verb in SENT[kind]]
    sent: dict[str, list[str]] = {vm: [] for vm in vms}
    for entry in _verb_entries(ledger):
        sent.setdefault(str(entry["item"]), []).append(str(entry["verb"]))
    return [
        f"{vm} was sent {', '.join(verbs) or 'nothing'} instead of {', '.join(expected) or 'nothing'}"
        for vm, verbs in sent.items()
        if [verb.lower() for verb in verbs] != [verb.lower() for verb in expected]
    ]


def _verb_entries(ledger: Iterable[Entry]) -> Iterable[Entry]:
    return (entry for entry in ledger if str(entry["verb"]).lower() in VERBS)


def one_id_a_verb(ledger: Iterable[Entry]) -> list[str]:
    """No two verbs share a client request id: with one, the second would have been taken for the first."""
    uses = Counter(str(entry["clientRequestId"]) for entry in _verb_entries(ledger))
    return [f"the client request id {used} was used {count} times" for used, count in uses.items() if count > 1]


def in_order(view: View, after: After) -> list[str]:
    """A VM's verb began only once those that it depends on had ended, and had passed their probes."""
    verb = ORDERED[view["kind"]]
    steps = {item["vm"]: _find_step(item, verb) for item in view["items"]}
    missing = [f"{vm} has no {verb} in {view['id']}" for vm in after if steps.get(vm) is None]
    early = [
        f"{verb} of {vm} began before {first} was up"
        for vm, firsts in after.items()
        for first in firsts
        if _began_before(steps.get(vm), steps.get(first))
    ]
    return missing + early


def _find_step(item: View, verb: str) -> View | None:
    found = [step for step in item["steps"] if step["verb"] == verb and step["outcome"] == "succeeded"]
    return found[-1] if found else None


def _began_before(step: View | None, first: View | None) -> bool:
    if step is None or first is None:
        return False  # reported as missing
    began, up = step["startedAt"], first["probedAt"] or first["endedAt"]
    return not began or not up or datetime.fromisoformat(began) < datetime.fromisoformat(up)


def prove_probed(view: View, vms: Iterable[str]) -> list[str]:
    """Each of these VMs passed its probes in Azure."""
    verb = ORDERED[view["kind"]]
    steps = {item["vm"]: _find_step(item, verb) for item in view["items"]}
    return [f"{vm} was not probed in {view['id']}" for vm in vms if not (steps.get(vm) or {}).get("probedAt")]


def reverse_dependencies(after: After) -> dict[str, list[str]]:
    """The dependencies of a failback: a VM follows all VMs that depend on it."""
    turned: dict[str, list[str]] = {vm: [] for vm in after}
    for vm, firsts in after.items():
        for first in firsts:
            turned[first].append(vm)
    return turned


def nothing_left(machines: Iterable[str]) -> list[str]:
    """No machine of a drill is left in Azure."""
    return [f"{name} was not cleaned up" for name in machines if name.lower().endswith("-test")]


def all_protected(states: Mapping[str, str], vms: Iterable[str]) -> list[str]:
    """Each VM replicates again, by the vault's own word; `states` is the protection state of each."""
    return [f"{vm} is {states.get(vm, 'missing')}" for vm in vms if states.get(vm) != "Protected"]


def prove_healed(view: View, node: str) -> list[str]:
    """The repair was of this node, and its registration was proven."""
    if view.get("node") != node:
        return [f"{view['id']} is not a repair of {node}"]
    facts = view.get("facts", {})
    return ended_well(view) or ([] if facts.get("healed") else [f"{node} is not proven to be healed"])
