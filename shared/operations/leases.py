"""Exclusive use of items and nodes: who holds what, until when. Pure; the `leases` entity keeps the table."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from shared.messages import Message
from shared.operations.pacing import LEASE_FORGOTTEN_AFTER

MOST_KEYS_SHOWN = 5
"""Of each owner in the way: the message that people read names no more."""


class Lease(Message):
    """One thing held by one operation."""

    owner: str
    until: datetime


class Claim(Message):
    """Ask for all of these things, or for none.

    Attributes:
        ended: Owners that are known to have ended: what they still hold is free.
    """

    owner: str
    keys: tuple[str, ...]
    until: datetime
    now: datetime
    ended: tuple[str, ...] = ()


class ClaimVerdict(Message):
    """Whether a claim was granted; if not, up to five keys for each owner in the way."""

    granted: bool
    holders: dict[str, tuple[str, ...]] = Field(default_factory=dict)


type LeaseTable = dict[str, Lease]


def grant_claim(table: LeaseTable, request: Claim) -> tuple[LeaseTable, ClaimVerdict]:
    """Grant all or nothing; a claim repeated by its owner prolongs what it holds."""
    holders: dict[str, tuple[str, ...]] = {}
    for key in request.keys:
        lease = table.get(key)
        if lease is None or lease.owner in {request.owner, *request.ended} or lease.until <= request.now:
            continue
        theirs = holders.get(lease.owner, ())
        holders[lease.owner] = (*theirs, key)[:MOST_KEYS_SHOWN]
    if holders:
        return table, ClaimVerdict(granted=False, holders=holders)
    granted = {key: Lease(owner=request.owner, until=request.until) for key in request.keys}
    return {**_without_forgotten(table, request), **granted}, ClaimVerdict(granted=True)


def _without_forgotten(table: LeaseTable, request: Claim) -> LeaseTable:
    """Without what dead runs left: VMs that are gone are never claimed again, and so never taken over."""
    forgotten_until = request.now - LEASE_FORGOTTEN_AFTER
    return {key: lease for key, lease in table.items() if lease.until > forgotten_until or key in request.keys}


def with_leases_renewed(table: LeaseTable, owner: str, until: datetime) -> LeaseTable:
    """Prolong all that an owner holds."""
    return {k: v.model_copy(update={"until": until}) if v.owner == owner else v for k, v in table.items()}


def without_leases_of(table: LeaseTable, owners: Iterable[str]) -> LeaseTable:
    """Give back all that these owners hold."""
    released = set(owners)
    return {key: lease for key, lease in table.items() if lease.owner not in released}
