"""Writing a run's evidence: records in a chain, once each, and the manifest that closes the pack."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from activities.evidence_log import BROKEN as LOG_BROKEN
from activities.evidence_log import is_in_log, log_pack, read_log_end
from shared.azure.evidence_store import EvidenceStore, keep_beside, open_evidence_store
from shared.azure.jobs import job_end
from shared.azure.json_fields import Json
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.canonical import to_canonical_json
from shared.evidence.chain import (
    FIRST_PREVIOUS,
    EvidenceEntry,
    build_manifest,
    build_record,
    is_last_record,
    job_attachments,
    number_of_record,
    record_name,
)
from shared.evidence.contract import NO_STORE, PackSealed, RecordsWritten, SealLostPack, SealPack, WriteRecords
from shared.evidence.log_of_heads import NO_KEY, LogEnd, SealedPack, log_before
from shared.evidence.verify import (
    MANIFEST,
    check_pack,
    find_unlisted_attachments,
    first_previous,
    read_json,
    sha256_of,
)
from shared.obstacle import Obstacle
from shared.redaction import redact_json
from shared.site_recovery.contract import JobEnd

_LOG = logging.getLogger(__name__)
RECORD_WITHIN = 30.0
"""Seconds for one record with what belongs to it."""
LOOKED_AT_WITHIN = 5.0
"""Seconds for a look whether the store takes anything, for which somebody waits."""
LASTING_FACTS = ("scenarioName", "state", "startTime", "endTime", "targetObjectId", "errors")
UNSIGNED = "evidence-unsigned"
STORE_TRIAL_FILE = "store-trial.json"
"""What such a look writes, beside the packs: no run can have this id."""


async def write_records(request: WriteRecords) -> RecordsWritten:
    """Append entries to a pack; what an earlier try of this same call has written stays as it is.

    Raises:
        Refused: something else stands where a record belongs: somebody has written into the pack (`evidence-broken`).
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return RecordsWritten(count=request.count, head=request.head, kept=False)
    head, seq = request.head if request.count else first_previous(request.pack), request.count
    for seq, entry in enumerate(request.entries, request.count + 1):
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                head = await _write_record(store, request.pack, seq, head, entry)
        except TimeoutError:
            raise Transient(f"the evidence store said nothing for {RECORD_WITHIN:.0f} s") from None
    return RecordsWritten(count=seq, head=head if seq else request.head)


async def _write_record(store: EvidenceStore, pack: str, seq: int, previous: str, entry: EvidenceEntry) -> str:
    """Keep one record: its digest."""
    contents = await _read_attachments(store, pack, entry)
    if entry.vault and not any(contents.values()):
        await _keep_job_late(pack, entry)
        contents = await _read_attachments(store, pack, entry)
    attachments = {name: sha256_of(content) for name, content in contents.items() if content is not None}
    redacted_entry = entry.model_copy(update={"body": redact_json(entry.body)})
    content = build_record(seq, previous, redacted_entry, attachments)
    kept = await store.put_new(f"{pack}/{record_name(seq, entry.kind)}", content)
    if kept != content and kept != build_record(seq, previous, redacted_entry, _attached_before(kept, attachments)):
        raise _broken(f"{pack}: this run has not written what stands as {record_name(seq, entry.kind)}")
    return sha256_of(kept)


def _attached_before(kept: bytes, attachments: Mapping[str, str]) -> dict[str, str]:
    """What an earlier try of the same record found to attach: some of what there is now."""
    named = read_json(kept).get("attachments")
    return {name: digest for name, digest in attachments.items() if isinstance(named, dict) and name in named}


def _broken(detail: str) -> Refused:
    _LOG.error("evidence-broken: %s", detail)
    return Refused("evidence-broken", detail)


async def _read_attachments(store: EvidenceStore, pack: str, entry: EvidenceEntry) -> dict[str, bytes | None]:
    return {name: await store.read_file(f"{pack}/attachments/{name}") for name in entry.attach}


async def _keep_job_late(pack: str, entry: EvidenceEntry) -> None:
    """Read a job once more that could not be kept when it was seen to end; its record is kept with it or without."""
    if entry.vault is None:
        return
    try:
        job = await Vault(entry.vault).read_job(str(entry.body["job"]))
    except SiteRecoveryError as failure:
        _LOG.warning("evidence-without-its-job: %s, %s: %s", pack, entry.body["job"], failure)
        return
    if end := job_end(job):
        await keep_job(pack, job, end)


async def keep_job(pack: str, job: Json, end: JobEnd) -> None:
    """Keep a job that has ended as Azure shows it, without secrets, until a record names it.

    What it shows counts whether it can be kept or not: if it cannot, its record keeps it later.
    """
    suspended, name = end.outcome == "suspended", job["name"]
    place, content = f"{pack}/attachments/{job_attachments(name)[suspended]}", to_canonical_json(redact_json(job))
    kept = (await keep_beside(place, content)).content
    if kept is not None and _facts_of_job(kept) != _facts_of_job(content):
        _LOG.error("evidence-broken: %s is not what Azure showed", place)  # no record names the other, which shows
        await keep_beside(f"{place.removesuffix('.json')}.{sha256_of(content)[:12]}.json", content)


def _facts_of_job(content: bytes) -> list[object]:
    """What does not change any more of a job that has ended, however often it is read."""
    job = read_json(content)
    properties = job.get("properties")
    known = properties if isinstance(properties, dict) else {}
    return [job.get("name"), *(known.get(name) for name in LASTING_FACTS)]


async def find_store_obstacle(within: float = LOOKED_AT_WITHIN) -> Obstacle | None:
    """Why evidence could not be kept now; None when the store takes a file within so many seconds.

    The file is always the same: a store that may only be added to answers that it is there, but not before it has seen
    that the app may write.
    """
    if open_evidence_store() is None:
        return Obstacle(code="evidence-store-missing", detail=NO_STORE)
    if reason := (await keep_beside(STORE_TRIAL_FILE, to_canonical_json({}), within)).unkept:
        detail = f"the evidence store takes nothing now: {reason}"
        return Obstacle(code="evidence-store-unavailable", detail=detail, passing=True)
    return None


async def seal_pack(request: SealPack) -> PackSealed:
    """Write the manifest of a pack that is complete; one that is sealed stays as it is.

    Raises:
        Refused: its records do not end where the run says.
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return PackSealed(kept=False)
    files = await read_pack(request.pack) or {}
    records = _records_in(files)
    head = records[-1][1] if records else FIRST_PREVIOUS
    if head != request.head:
        raise _broken(f"the records of {request.pack} end with {head}, not with {request.head}")
    if request.records not in {None, len(records)}:
        raise _broken(f"{request.pack} has {len(records)} records, and the run has written {request.records}")
    after, manifest = await _choose_manifest(store, request.pack, records, request.facts, files.get(MANIFEST))
    if flaws := check_pack(files | {MANIFEST: manifest}):
        raise _broken(f"{request.pack}: {flaws[0].file} {flaws[0].detail}")
    if await store.put_new(f"{request.pack}/{MANIFEST}", manifest) != manifest:
        raise _broken(f"{request.pack}: another manifest stands there, which this run has not written")
    return await _log_pack(
        store, SealedPack(request.pack, head, len(records), sha256_of(manifest)), after, request.unsigned
    )


async def _choose_manifest(
    store: EvidenceStore, pack: str, records: Sequence[tuple[str, str]], facts: Mapping[str, Any], kept: bytes | None
) -> tuple[LogEnd, bytes]:
    """The manifest, and how the log was when it was made: as an earlier try found it, where that can be."""
    before = log_before(kept) if kept is not None else None
    after = before if before and await is_in_log(store, before) else await read_log_end(store)
    return after, build_manifest(pack, records, redact_json({**facts, "log": after.as_json()}))


async def _log_pack(store: EvidenceStore, sealed: SealedPack, after: LogEnd, unsigned: str = "") -> PackSealed:
    """Give a sealed pack its entry in the log of heads; a log that is broken does not undo the seal.

    Raises:
        Refused: evidence-key-unusable.
        Transient: the store or the key did not answer.
    """
    answer = PackSealed(head=sealed.head, records=sealed.records, manifest=sealed.manifest)
    try:
        seq, content = await log_pack(store, sealed, after, unsigned)
    except Refused as refusal:
        if refusal.code != LOG_BROKEN:
            raise
        return answer.model_copy(update={"code": refusal.code, "detail": refusal.detail})
    detail = str(read_json(content).get("unsigned", ""))
    if detail and detail != NO_KEY:
        _LOG.error("%s: %s: %s", UNSIGNED, sealed.pack, detail)
    return answer.model_copy(update={"entry": seq, "code": UNSIGNED if detail else "", "detail": detail})


async def is_pack_sealed(pack: str) -> bool:
    """Whether a run has closed its evidence, or somebody else for it; False where nothing is kept.

    Raises:
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    return store is not None and await store.read_file(f"{pack}/{MANIFEST}") is not None


async def seal_lost_pack(request: SealLostPack) -> PackSealed:
    """Close the pack of a run that the engine ended; one that is sealed, or that was never begun, stays as it is.

    Raises:
        Transient: the store did not answer.
    """
    store, files = open_evidence_store(), await read_pack(request.pack)
    names = sorted(name for name in files or {} if name.startswith("records/"))
    if store is None or files is None or not names:
        return PackSealed(kept=False)
    if MANIFEST not in files and not is_last_record(names[-1]):
        last_entry = request.last_entry.model_copy(update={"attach": find_unlisted_attachments(files)})
        await _write_record(
            store, request.pack, number_of_record(names[-1]) + 1, sha256_of(files[names[-1]]), last_entry
        )
        files = await read_pack(request.pack) or {}
    records = _records_in(files)
    after, manifest = await _choose_manifest(store, request.pack, records, request.facts, files.get(MANIFEST))
    manifest = await store.put_new(f"{request.pack}/{MANIFEST}", manifest)
    head = records[-1][1]
    if flaws := check_pack(files | {MANIFEST: manifest}):
        _broken(f"{request.pack}: {flaws[0].file} {flaws[0].detail}")  # nobody waits for an answer: verifying shows it
        return PackSealed(head=head, records=len(records), manifest=sha256_of(manifest))
    sealed = SealedPack(request.pack, head, len(records), sha256_of(manifest))
    try:
        return await _log_pack(store, sealed, after)
    except SiteRecoveryError as failure:
        return await _log_pack(store, sealed, after, str(failure))


def _records_in(files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Name within the pack and digest of each record, in order."""
    return [(name, sha256_of(files[name])) for name in sorted(files) if name.startswith("records/")]


async def read_pack(pack: str) -> dict[str, bytes] | None:
    """Every file of a pack by its name within it, None when nothing is kept of this run."""
    store = open_evidence_store()
    names = await store.list_names(f"{pack}/") if store else []
    if not store or not names:
        return None
    contents = await map_concurrently(names, store.read_file)
    return {
        name.removeprefix(f"{pack}/"): content
        for name, content in zip(names, contents, strict=True)
        if content is not None
    }
