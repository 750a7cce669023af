"""Exclusive use of items and nodes: who holds what, until when. Pure; the `leases` entity keeps the table."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import Field

from shared.messages import Message

LEASE_TERM = timedelta(hours=24)
"""The backstop. A run that lives prolongs its leases long before, and they are free as soon as it has ended."""


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


class Verdict(Message):
    """Whether a claim was granted; if not, up to five keys for each owner in the way."""

    granted: bool
    holders: dict[str, tuple[str, ...]] = Field(default_factory=dict)


type Table = dict[str, Lease]


def claim(table: Table, ask: Claim) -> tuple[Table, Verdict]:
    """Grant all or nothing; a claim repeated by its owner prolongs what it holds."""
    holders: dict[str, tuple[str, ...]] = {}
    for key in ask.keys:
        lease = table.get(key)
        if lease and _stands(lease, ask) and len(holders.get(lease.owner, ())) < 5:
            holders[lease.owner] = (*holders.get(lease.owner, ()), key)
    if holders:
        return table, Verdict(granted=False, holders=holders)
    mine = {key: Lease(owner=ask.owner, until=ask.until) for key in ask.keys}
    return {**table, **mine}, Verdict(granted=True)


def _stands(lease: Lease, ask: Claim) -> bool:
    return lease.owner not in {ask.owner, *ask.ended} and lease.until > ask.now


def renew(table: Table, owner: str, until: datetime) -> Table:
    """Prolong all that an owner holds."""
    return {k: v.model_copy(update={"until": until}) if v.owner == owner else v for k, v in table.items()}


def release(table: Table, owners: Iterable[str]) -> Table:
    """Give back all that these owners hold."""
    gone = set(owners)
    return {key: lease for key, lease in table.items() if lease.owner not in gone}
