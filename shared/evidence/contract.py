"""What runs ask of the evidence store: to append records to a pack, and to seal it."""

from typing import Any

from shared.activity import Activity, Nothing
from shared.evidence.administration import AdministrationRecord
from shared.evidence.chain import EvidenceEntry
from shared.messages import Message

NO_STORE = "the app has no evidence store (EVIDENCE_STORE), so that nothing of what a run does is kept"


class WriteRecords(Message):
    """Append entries to a run's evidence.

    Attributes:
        pack: Id of the run.
        count: Records that the pack has already.
        head: Digest of the newest of them.
    """

    pack: str
    count: int
    head: str
    entries: tuple[EvidenceEntry, ...]


class RecordsWritten(Message):
    """How far the pack has come; not kept: there is no store."""

    count: int
    head: str
    kept: bool = True


class SealPack(Message):
    """Close a run's evidence with a manifest.

    Attributes:
        records: How many the run has written; None where it does not say.
        facts: What the manifest says besides: when and how the run ended, the plan's digest.
        unsigned: Why it is not to be signed: the key was asked before, and did not answer. Empty: it is asked.
    """

    pack: str
    head: str
    unsigned: str = ""
    records: int | None = None
    facts: dict[str, Any]


class PackSealed(Message):
    """Digests to hold the pack against: of its newest record and of its manifest.

    Attributes:
        entry: Its number in the log of heads; 0 where it is not there.
        code: evidence-unsigned or evidence-log-broken; empty where the entry is there, and signed.
        detail: Why.
    """

    head: str = ""
    records: int = 0
    manifest: str = ""
    kept: bool = True
    entry: int = 0
    code: str = ""
    detail: str = ""


class SealLostPack(Message):
    """Close the evidence of a run that could not do so itself.

    Attributes:
        last_entry: How it ended: the last record, unless the run has written such a one itself.
        facts: What the manifest says besides.
    """

    pack: str
    last_entry: EvidenceEntry
    facts: dict[str, Any]


class LogEndRead(Message):
    """How long the log of heads is; not kept: there is no store."""

    size: int = 0
    kept: bool = True


class LogActs(Message):
    """Write acts of administration into the log of heads.

    Attributes:
        after: How long the log was before the first try; what is there once more is not written again.
        unsigned: Why it is not to be signed; empty: it is.
    """

    record: AdministrationRecord
    after: int
    unsigned: str = ""


class ActsLogged(Message):
    """Under which number they stand in the log; not kept: there is no store any more."""

    entry: int = 0
    kept: bool = True


WRITE_RECORDS = Activity("write_evidence_records", WriteRecords, RecordsWritten)
SEAL_PACK = Activity("seal_evidence_pack", SealPack, PackSealed)
SEAL_LOST_PACK = Activity("seal_lost_evidence_pack", SealLostPack, PackSealed)
READ_LOG_END = Activity("read_end_of_evidence_log", Nothing, LogEndRead)
LOG_ACTS = Activity("log_acts_of_administration", LogActs, ActsLogged)
