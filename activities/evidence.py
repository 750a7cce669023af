"""Writing a run's evidence: records in a chain, once each, and the manifest that closes the pack."""

from shared.azure.evidence_store import EvidenceStore, open_evidence_store
from shared.azure.json_fields import Json
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.evidence.chain import (
    FIRST_PREVIOUS,
    MANIFEST,
    EvidenceEntry,
    build_manifest,
    build_record,
    canonical_json,
    job_attachments,
    record_name,
    sha256_of,
)
from shared.evidence.contract import PackSealed, RecordsWritten, SealPack, WriteRecords
from shared.redaction import redact_json
from shared.site_recovery.contract import JobEnd


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
        head = await _write_record(store, request.pack, seq, head, entry)
    return RecordsWritten(count=seq, head=head)


async def _write_record(store: EvidenceStore, pack: str, seq: int, previous: str, entry: EvidenceEntry) -> str:
    """Keep one record: the digest of what is kept under its number."""
    contents = {name: await store.read_file(f"{pack}/attachments/{name}") for name in entry.attach}
    attachments = {name: sha256_of(content) for name, content in contents.items() if content is not None}
    redacted_entry = entry.model_copy(update={"body": redact_json(entry.body)})
    content = build_record(seq, previous, redacted_entry, attachments)
    return sha256_of(await store.put_new(f"{pack}/{record_name(seq, entry.kind)}", content))


async def keep_job(pack: str, job: Json, end: JobEnd) -> None:
    """Keep a job that has ended as Azure shows it, without secrets, until a record names it.

    Raises:
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store:
        suspended, name = end.outcome == "suspended", job["name"]
        await store.put_new(f"{pack}/attachments/{job_attachments(name)[suspended]}", canonical_json(redact_json(job)))


async def seal_pack(request: SealPack) -> PackSealed:
    """Write the manifest of a pack that is complete; one that is sealed stays as it is.

    Raises:
        Refused: its records do not end where the run says.
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return PackSealed(kept=False)
    names = [name for name in await store.list_names(f"{request.pack}/records/") if name.endswith(".json")]
    records = [(name.removeprefix(f"{request.pack}/"), sha256_of(await store.read_file(name) or b"")) for name in names]
    head = records[-1][1] if records else FIRST_PREVIOUS
    if head != request.head:
        raise Refused("evidence-broken", f"the records of {request.pack} end with {head}, not with {request.head}")
    content = await store.put_new(
        f"{request.pack}/{MANIFEST}", build_manifest(request.pack, records, redact_json(request.facts))
    )
    return PackSealed(head=head, records=len(records), manifest=sha256_of(content))


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
