"""The records of a pack: files of canonical JSON, each of which names the digest of the one before. Pure.

A pack is a folder named like its run:

    manifest.json                      made last: every file with its SHA-256, and a seal over the manifest itself
    records/000001-request.json        {seq, kind, at, previous, attachments: {name: sha256}, body}
    attachments/job-<name>.json        what Azure answered, redacted; its record names its digest
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from shared.backoff import grow_pause
from shared.evidence.canonical import to_canonical_json
from shared.evidence.verify import LAST_KIND, sha256_of
from shared.messages import Message, VaultRef

FIRST_PREVIOUS = "0" * 64
"""The head of a pack that has no record yet; its first record names `first_previous` of the run."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
"""Between two attempts to write to a store that does not take anything."""
OUTAGES_KEPT = 5
"""Of how many outages of the store a run still knows: each generation carries them."""


class EvidenceEntry(Message):
    """Something to be recorded.

    Attributes:
        kind: request, plan, inventory, recovery-points, verb, job, probe, hook, finding, phase or outcome.
        attach: Names of attachments that belong to it, below `attachments/`; one that is not there is left out.
        vault: Where to read a job once more that is to be attached, and could not be kept when it was seen.
    """

    kind: str
    at: datetime
    body: dict[str, Any]
    attach: tuple[str, ...] = ()
    vault: VaultRef | None = None

    @classmethod
    def of(cls, kind: str, at: datetime, body: dict[str, Any]) -> Self:
        """One without attachments."""
        return cls(kind=kind, at=at, body=body)


class StoreOutage(Message):
    """A time in which the store took nothing of a run; what was to be written then was written at its end."""

    since: datetime
    until: datetime
    detail: str

    def __str__(self) -> str:
        """For people."""
        span = f"from {self.since:%H:%M} to {self.until:%H:%M} UTC"
        return f"the evidence store took nothing {span}, and everything was written afterwards: {self.detail}"


class Chain(Message):
    """How far a pack has come.

    Attributes:
        head: Digest of its newest record.
        kept: Whether there is a store at all; without one nothing is recorded.
        pending: What could not be written yet, in order.
        behind_since: Since when there is such.
        attempts: How often in a row it could not be written; no attempt is made before `not_before`.
        trouble: Why not.
        outages: When it could not be written and then could, the last of them.
        published_since: The `behind_since` that was published.
    """

    count: int = 0
    head: str = FIRST_PREVIOUS
    kept: bool = True
    pending: tuple[EvidenceEntry, ...] = ()
    behind_since: datetime | None = None
    attempts: int = 0
    not_before: datetime | None = None
    trouble: str = ""
    outages: tuple[StoreOutage, ...] = ()
    published_since: datetime | None = None

    @property
    def wait(self) -> str:
        """What is waited for, for people; empty while all is written."""
        if self.behind_since is None:
            return ""
        records = f"{len(self.pending)} records" if len(self.pending) != 1 else "1 record"
        return f"the evidence store to take {records}, since {self.behind_since:%H:%M} UTC: {self.trouble}"

    @property
    def findings(self) -> tuple[str, ...]:
        """What people have to know of it."""
        outages = tuple(str(outage) for outage in self.outages)
        if self.behind_since is None:
            return outages
        return (*outages, f"the evidence store takes nothing since {self.behind_since:%H:%M} UTC: {self.trouble}")

    def catch_up(self, count: int, head: str, at: datetime) -> Self:
        """With all that there was to write."""
        outages = self.outages
        if self.behind_since:
            outages = (*outages, StoreOutage(since=self.behind_since, until=at, detail=self.trouble))[-OUTAGES_KEPT:]
        published = self.published_since
        return type(self)(count=count, head=head, outages=outages, published_since=published)

    def fall_behind(self, waiting: tuple[EvidenceEntry, ...], at: datetime, trouble: str) -> Self:
        """With entries that could not be written now, and when to try again."""
        pause = grow_pause(FIRST_PAUSE, self.attempts, LONGEST_PAUSE)
        return self.model_copy(
            update={
                "pending": waiting,
                "behind_since": self.behind_since or at,
                "attempts": self.attempts + 1,
                "not_before": at + pause,
                "trouble": trouble,
            }
        )


def job_attachments(job: str) -> tuple[str, str]:
    """Where a job is kept: once it has ended, and while it was suspended."""
    return f"job-{job}.json", f"job-{job}-suspended.json"


def record_name(seq: int, kind: str) -> str:
    """Where a record is kept within its pack."""
    return f"records/{seq:06}-{kind}.json"


def number_of_record(name: str) -> int:
    """The number of a record, from 1, by its name within the pack."""
    return int(name.removeprefix("records/").partition("-")[0])


def is_last_record(name: str) -> bool:
    """Whether it says how the run ended: after it comes none."""
    return name.endswith(f"-{LAST_KIND}.json")


def build_record(seq: int, previous: str, entry: EvidenceEntry, attachments: Mapping[str, str]) -> bytes:
    """A record as it is kept.

    Args:
        seq: From 1.
        previous: Digest of the record before.
        entry: What it records.
        attachments: Digest of each, by name.
    """
    facts = {"seq": seq, "kind": entry.kind, "at": entry.at.isoformat(), "previous": previous}
    return to_canonical_json(facts | {"attachments": dict(attachments), "body": entry.body})


def build_manifest(pack: str, records: Sequence[tuple[str, str]], facts: Mapping[str, Any]) -> bytes:
    """The manifest of a pack that is complete.

    Args:
        pack: Id of the run.
        records: Name and digest of each, in order; attachments are vouched for by their records.
        facts: What else it says: when and how the run ended, the plan's digest.
    """
    named = [{"name": name, "sha256": sha} for name, sha in records]
    content = {"pack": pack, "records": named, "head": records[-1][1] if records else FIRST_PREVIOUS, **facts}
    return to_canonical_json({**content, "seal": sha256_of(to_canonical_json(content))})
