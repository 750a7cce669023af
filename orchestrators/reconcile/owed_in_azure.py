"""What the timer sees in the vaults themselves: what is owed there and nobody knows of, and what was done elsewhere.

A person may have failed a machine over in the portal, or committed it there; the app may have lost its own state in the
middle of anything. Machines that a run of this app holds are left to that run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.entity_calls import note_on_obligation, settle_obligations
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part, read_vault_items, readable_obligations
from shared.errors import Refused
from shared.grouping import group_pairs
from shared.messages import VaultRef
from shared.operations.contract import READ_HOLDERS, START_RUN, PublishEvent, ReadHolders
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligation_table import SeenDone
from shared.operations.obligations import Home, Machines, Obligation
from shared.plans.contract import DeclaredDocument, DocumentsRead
from shared.plans.machines import home_of, leased_vm_of, site_lease_keys
from shared.recovery.owed_in_azure import find_owed, is_done, is_settled_since
from shared.site_recovery.views import ItemView
from shared.sites.nodes import fabric_name_of, is_item_of_site
from shared.sites.site import SiteDocument


class Known(NamedTuple):
    """What is kept of what is owed, read once for all sites.

    Attributes:
        settled: What persons have settled.
        compared: Ids of the items that were compared so far, in lower case.
    """

    owed: Sequence[Obligation]
    settled: Sequence[Obligation]
    compared: set[str]


def compare_with_vaults(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Open what the vaults show to be owed and nobody owes yet; settle what they show to be done. It starts no run."""
    documents = look.documents
    owed, settled = map(readable_obligations, (documents.obligations, documents.settled_obligations))
    known = Known(owed, settled, set())
    for entry in documents.sites:
        yield from attempt_part(ctx, look, f"site {entry.name}", _compare_site(ctx, look, entry, known))
    return []


def _compare_site(ctx: Context, look: TimerLook, entry: DeclaredDocument, known: Known) -> Steps[list[str]]:
    """One site; of two that share a Hyper-V site each machine is compared once."""
    site = SiteDocument.model_validate(entry.document)
    vault = VaultRef.from_id(site.vault)
    items = yield from read_vault_items(ctx, look, vault)
    views = [view for view in items if is_item_of_site(site, view) and view.id.lower() not in known.compared]
    known.compared.update(view.id.lower() for view in views)
    home = home_of(entry.name, site, {fabric_name_of(view.id) for view in views} - {""})
    if unread := [key for key in look.documents.unreadable if key.partition(" ")[0] == home.vault_key]:
        raise Refused("state-unreadable", f"not compared while this cannot be read: {', '.join(unread)}")
    views_by_name = group_pairs((view.vm.casefold(), view) for view in views)
    owed = _at_home(home, known.owed)
    settled = _still_settled(_at_home(home, known.settled), views_by_name)
    found = find_owed(home, views, [*owed, *settled], _plans_at(home, look.documents), now(ctx))
    done = {one.id: _done_vms(one, views_by_name) for one in owed}
    if found or any(done.values()) or any(one.seen_done for one in owed):
        keys = {vault.key: site_lease_keys(site, views)}
        held = (yield from call(ctx, READ_HOLDERS, ReadHolders(keys=keys))).keys
        held_vms = {leased_vm_of(key) for key in held}
        yield from _open_found(ctx, home, [_without_held(one, held_vms) for one in found])
        yield from _settle_done(ctx, home, owed, done, held_vms)
    return []


def _at_home(home: Home, obligations: Iterable[Obligation]) -> list[Obligation]:
    return [one for one in obligations if one.home and one.home.is_same_as(home)]


def _still_settled(settled: Iterable[Obligation], views_by_name: Mapping[str, Sequence[ItemView]]) -> list[Obligation]:
    """What persons settled, for those of its machines that were not moved or tested since."""

    def is_still(one: Obligation, vm: str) -> bool:
        return all(is_settled_since(one, view) for view in views_by_name.get(vm.casefold(), ())[-1:])

    return [one.model_copy(update={"vms": tuple(vm for vm in one.vms if is_still(one, vm))}) for one in settled]


def _plans_at(home: Home, documents: DocumentsRead) -> dict[str, str]:
    """By VM name in lower case the first plan that has it."""
    return {
        str(item.get("vm")).lower(): entry.name
        for entry in reversed(documents.plans)
        for item in entry.document.get("items", ())
        if (item.get("site") or entry.document.get("site")) == home.site
    }


def _done_vms(owed: Obligation, views_by_name: Mapping[str, Sequence[ItemView]]) -> tuple[str, ...]:
    """Those of its machines that the vault shows as owing it no longer; of two of one name neither."""
    same_name = [(vm, views_by_name.get(vm.casefold(), ())) for vm in owed.vms]
    return tuple(vm for vm, some in same_name if len(some) < 2 and is_done(owed, some[0] if some else None))


def _without_held(found: Obligation, held_vms: set[str]) -> Obligation:
    return found.model_copy(update={"vms": tuple(vm for vm in found.vms if vm.lower() not in held_vms)})


def _open_found(ctx: Context, home: Home, found: Sequence[Obligation]) -> Steps[None]:
    """Write down what was found, and publish it."""
    new = {one.id: one for one in found if one.vms}
    if not new:
        return
    request = [one.model_dump(mode="json") for one in new.values()]
    added = yield from call_entity(ctx, OBLIGATIONS, home.vault_key, "open_found", request)
    for key in added:
        yield from call(ctx, START_RUN, delivery_run_of(_found_event(new[key])))


def _found_event(found: Obligation) -> PublishEvent:
    shown = {"kind", "plan", "due", "vms", "detail"}
    return PublishEvent(
        id=f"{found.id}:{found.opened.isoformat()}:found",
        type="HciSiteRecovery.Obligation.Found",
        subject=f"plans/{found.plan}" if found.plan else f"sites/{found.home.site if found.home else ''}",
        at=found.opened,
        data={"id": found.id, **found.model_dump(mode="json", by_alias=True, include=shown)},
    )


def _settle_done(
    ctx: Context, home: Home, owed: Sequence[Obligation], done: Mapping[str, Sequence[str]], held_vms: set[str]
) -> Steps[None]:
    """Settle what two looks in a row saw to be done: a list of the vault may be older than what the app knows."""
    for one in owed:
        seen = tuple(vm for vm in done[one.id] if vm.lower() not in held_vms)
        if settled := tuple(vm for vm in seen if vm in one.seen_done):
            yield from settle_obligations(ctx, [Machines(home=home, vms=settled)], (one.kind,), [one.id])
        first_seen = tuple(vm for vm in seen if vm not in settled)
        if first_seen != one.seen_done:
            yield from note_on_obligation(ctx, one.table, "note_seen_done", SeenDone(id=one.id, vms=first_seen))
