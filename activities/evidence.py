"""Writing a run's evidence: records in a chain, once each, and the manifest that closes the pack."""

import asyncio
import logging
from collections.abc import Sequence

from shared.azure.evidence_store import EvidenceStore, keep_beside, open_evidence_store
from shared.azure.jobs import job_end
from shared.azure.json_fields import Json
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.chain import (
    FIRST_PREVIOUS,
    MANIFEST,
    EvidenceEntry,
    build_manifest,
    build_record,
    canonical_json,
    is_last_record,
    job_attachments,
    number_of_record,
    record_name,
    sha256_of,
)
from shared.evidence.contract import NO_STORE, PackSealed, RecordsWritten, SealLostPack, SealPack, WriteRecords
from shared.evidence.verify import find_unlisted_attachments
from shared.obstacle import Obstacle
from shared.redaction import redact_json
from shared.site_recovery.contract import JobEnd

_LOG = logging.getLogger(__name__)
RECORD_WITHIN = 30.0
"""Seconds for one record with what belongs to it."""
LOOKED_AT_WITHIN = 5.0
"""Seconds for a look whether the store takes anything, for which somebody waits."""
STORE_TRIAL_FILE = "store-trial.json"
"""What such a look writes, beside the packs: no run can have this id."""


async def write_records(request: WriteRecords) -> RecordsWritten:
    """Append entries to a pack; what an earlier try of this same call has written stays as it is.

    Raises:
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return RecordsWritten(count=request.count, head=request.head, kept=False)
    head, seq = request.head, request.count
    for seq, entry in enumerate(request.entries, request.count + 1):
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                head = await _write_record(store, request.pack, seq, head, entry)
        except TimeoutError:
            raise Transient(f"the evidence store said nothing for {RECORD_WITHIN:.0f} s") from None
    return RecordsWritten(count=seq, head=head)


async def _write_record(store: EvidenceStore, pack: str, seq: int, previous: str, entry: EvidenceEntry) -> str:
    """Keep one record: the digest of what is kept under its number."""
    contents = await _read_attachments(store, pack, entry)
    if entry.vault and not any(contents.values()):
        await _keep_job_late(pack, entry)
        contents = await _read_attachments(store, pack, entry)
    attachments = {name: sha256_of(content) for name, content in contents.items() if content is not None}
    redacted_entry = entry.model_copy(update={"body": redact_json(entry.body)})
    content = build_record(seq, previous, redacted_entry, attachments)
    return sha256_of(await store.put_new(f"{pack}/{record_name(seq, entry.kind)}", content))


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
    await keep_beside(f"{pack}/attachments/{job_attachments(name)[suspended]}", canonical_json(redact_json(job)))


async def find_store_obstacle(within: float = LOOKED_AT_WITHIN) -> Obstacle | None:
    """Why evidence could not be kept now; None when the store takes a file within so many seconds.

    The file is always the same: a store that may only be added to answers that it is there, but not before it has seen
    that the app may write.
    """
    if open_evidence_store() is None:
        return Obstacle(code="evidence-store-missing", detail=NO_STORE)
    if reason := await keep_beside(STORE_TRIAL_FILE, canonical_json({}), within):
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
    records = await _read_records(store, request.pack)
    head = records[-1][1] if records else FIRST_PREVIOUS
    if head != request.head:
        raise Refused("evidence-broken", f"the records of {request.pack} end with {head}, not with {request.head}")
    if request.records not in {None, len(records)}:
        detail = f"{request.pack} has {len(records)} records, and the run has written {request.records}"
        raise Refused("evidence-broken", detail)
    return await _write_manifest(store, request.pack, records, request.facts)


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
    return await _write_manifest(store, request.pack, await _read_records(store, request.pack), request.facts)


async def _read_records(store: EvidenceStore, pack: str) -> list[tuple[str, str]]:
    """Name within the pack and digest of each record, in order."""
    names = [name for name in await store.list_names(f"{pack}/records/") if name.endswith(".json")]
    return [(name.removeprefix(f"{pack}/"), sha256_of(await store.read_file(name) or b"")) for name in names]


async def _write_manifest(
    store: EvidenceStore, pack: str, records: Sequence[tuple[str, str]], facts: Json
) -> PackSealed:
    content = await store.put_new(f"{pack}/{MANIFEST}", build_manifest(pack, records, redact_json(facts)))
    return PackSealed(
        head=records[-1][1] if records else FIRST_PREVIOUS, records=len(records), manifest=sha256_of(content)
    )


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
