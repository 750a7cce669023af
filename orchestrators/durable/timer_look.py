"""One look of the timer: what it has read, and what it could not do; no part of it keeps another from being done."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from orchestrators.durable.steps import Context, Steps, call
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.messages import VaultRef
from shared.operations.holds import HOLDS_KEY, find_holds
from shared.operations.obligations import Obligation
from shared.operations.timer_looks import MAX_DETAIL_LENGTH, DutyFailure
from shared.plans.contract import DocumentsRead
from shared.plans.plan import PlanDocument
from shared.redaction import redact_text
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

_LOG = logging.getLogger(__name__)


@dataclass
class TimerLook:
    """What the duties of one look share.

    Attributes:
        duty: The one that is being done.
        items_by_vault: What was read of each vault, by its key: one list serves all duties of a look.
    """

    documents: DocumentsRead = field(default_factory=lambda: DocumentsRead(sites=(), plans=(), obligations=()))
    duty: str = ""
    has_documents: bool = False
    items_by_vault: dict[str, tuple[ItemView, ...]] = field(default_factory=dict)
    failures: list[DutyFailure] = field(default_factory=list)

    def owed_of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The obligations of one kind as they are kept: one that cannot be read must not hide the others."""
        return [obligation for obligation in self.documents.obligations if obligation.get("kind") == kind]

    def is_held(self, sites: Iterable[str], at: datetime) -> bool:
        """Whether nothing may begin at one of these sites; while holds cannot be read, at no site."""
        in_effect = [hold for hold in self.documents.holds if not hold.is_over(at)]
        return HOLDS_KEY in self.documents.unreadable or bool(find_holds(in_effect, sites))

    def is_owed_work_held(self, owed: Obligation, at: datetime) -> bool:
        """Whether nothing may begin for what is owed: at the site of its machines, or another one of its plan."""
        plans = [PlanDocument.model_validate(one.document) for one in self.documents.plans if one.name == owed.plan]
        sites = {name for plan in plans for name in plan.site_names}
        return self.is_held(sites | ({owed.home.site} if owed.home else set()), at)


def read_vault_items(ctx: Context, look: TimerLook, vault: VaultRef) -> Steps[tuple[ItemView, ...]]:
    """All that a vault protects, read once a look."""
    if vault.key not in look.items_by_vault:
        look.items_by_vault[vault.key] = (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items
    return look.items_by_vault[vault.key]


def attempt_part(ctx: Context, look: TimerLook, about: str, part: Steps[list[str]]) -> Steps[list[str]]:
    """Do a part of a duty, and have what it started; what it raises, whatever that is, is kept in the look."""
    try:
        return (yield from part)
    except Exception as failure:  # noqa: BLE001 - the safety of all else hangs on this look
        detail, is_passing = _describe_failure(failure), isinstance(failure, Transient)
        look.failures.append(DutyFailure(duty=look.duty, about=about, detail=detail, passing=is_passing))
        ctx.create_replay_safe_logger(_LOG).warning("timer-duty-failed: %s, %s: %s", look.duty, about, detail)
        return []


def _describe_failure(failure: Exception) -> str:
    """What went wrong, without what a document may hold."""
    if isinstance(failure, ValidationError):
        errors = failure.errors(include_input=False, include_url=False, include_context=False)
        detail = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)
    else:
        detail = f"{failure}"
    named = detail if isinstance(failure, SiteRecoveryError) else f"{type(failure).__name__}: {detail}"
    return redact_text(named)[:MAX_DETAIL_LENGTH]


def sites_of_plan(documents: DocumentsRead, plan: PlanDocument) -> dict[str, SiteDocument]:
    """The plan's sites, each read alone: what is wrong with another one is no matter of this plan.

    Raises:
        Refused: one of them is not declared any more.
    """
    entries = {entry.name: entry for entry in documents.sites if entry.name in plan.site_names}
    if missing := [name for name in plan.site_names if name not in entries]:
        raise Refused("site-not-declared", f"the plan's site {', '.join(missing)} is not declared")
    return {name: SiteDocument.model_validate(entries[name].document) for name in plan.site_names}


def require_readable(documents: DocumentsRead) -> None:
    """See that all is known of what is owed, before something that it might need is removed.

    Raises:
        Refused: something cannot be read.
    """
    if documents.unreadable:
        raise Refused("state-unreadable", f"not done while this cannot be read: {', '.join(documents.unreadable)}")


def readable_obligations(states: Iterable[Mapping[str, Any]]) -> list[Obligation]:
    """What is kept, but for what cannot be read: that is named by the duty that would do it."""
    readable = []
    for state in states:
        try:
            readable.append(Obligation.model_validate(state))
        except ValidationError:
            continue
    return readable


def describe_obligation(obligation: Mapping[str, Any]) -> str:
    """How a person knows it."""
    return f"{obligation.get('kind')} of {obligation.get('plan')}"
