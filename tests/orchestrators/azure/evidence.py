"""The store of evidence: records of a run in order, and the pack's seal."""

from dataclasses import dataclass, field

from shared.activity import Nothing
from shared.errors import Transient
from shared.evidence.chain import EvidenceEntry
from shared.evidence.contract import (
    ActsLogged,
    LogActs,
    LogEndRead,
    PackSealed,
    RecordsWritten,
    SealLostPack,
    SealPack,
    WriteRecords,
)


@dataclass
class EvidenceStore:
    """Stands for the container of the evidence; `records` are those of all packs, in order, with their pack.

    Attributes:
        sealed: What was asked for in place of runs that could not seal their own evidence.
        key_failure: What the key of EVIDENCE_KEY answers; None: it signs.
        asked: Each request to seal, as it came.
        logged: Acts of administration that are in the log, as they were asked for, each record once.
        log_size: Of the log of heads.
        is_away: Whether the log can be neither read nor written; `is_kept`: whether there is a store at all.
    """

    records: list[tuple[str, EvidenceEntry]] = field(default_factory=list)
    sealed: list[SealLostPack] = field(default_factory=list)
    key_failure: Exception | None = None
    asked: list[SealPack] = field(default_factory=list)
    logged: list[LogActs] = field(default_factory=list)
    log_size: int = 0
    is_away: bool = False
    is_kept: bool = True

    def write_records(self, ask: WriteRecords) -> RecordsWritten:
        self.records += [(ask.pack, entry) for entry in ask.entries]
        count = ask.count + len(ask.entries)
        return RecordsWritten(count=count, head=f"{count}")

    def seal_pack(self, ask: SealPack) -> PackSealed:
        self.asked.append(ask)
        if self.key_failure and not ask.unsigned:
            raise self.key_failure
        code = "evidence-unsigned" if ask.unsigned else ""
        return PackSealed(
            head=ask.head, records=len(self.records), manifest="m", entry=1, code=code, detail=ask.unsigned
        )

    def seal_lost_pack(self, ask: SealLostPack) -> PackSealed:
        self.sealed.append(ask)
        return PackSealed(head="h", records=1, manifest="m")

    def read_log_end(self, _ask: Nothing) -> LogEndRead:
        if self.is_away:
            raise Transient("the store is away")
        return LogEndRead(size=self.log_size, kept=self.is_kept)

    def log_acts(self, ask: LogActs) -> ActsLogged:
        if self.is_away:
            raise Transient("the store is away")
        if self.key_failure and not ask.unsigned:
            raise self.key_failure
        known = [number for number, one in enumerate(self.logged, 1) if one.record.id == ask.record.id]
        if not known:
            self.logged.append(ask)
            self.log_size += 1
        return ActsLogged(entry=known[0] if known else self.log_size)

    def list_kinds(self) -> list[str]:
        """The kinds of all records, in order."""
        return [entry.kind for _, entry in self.records]
