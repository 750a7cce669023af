"""Writing a run's evidence: records in a chain, once each, and the manifest that closes the pack."""

from shared.azure.evidence_store import Packs, packs
from shared.azure.json_fields import Json
from shared.concurrency import each
from shared.errors import Refused
from shared.evidence.chain import (
    MANIFEST,
    START,
    Entry,
    attachments_of,
    canonical,
    digest,
    manifest,
    record,
    record_name,
)
from shared.evidence.contract import PackSealed, RecordsWritten, SealPack, WriteRecords
from shared.redaction import redacted
from shared.site_recovery.contract import JobEnd


async def write_records(ask: WriteRecords) -> RecordsWritten:
    """Append entries to a pack; what an earlier try of this same call has written stays as it is.

    Raises:
        Transient: the store did not answer.
    """
    store = packs()
    if store is None:
        return RecordsWritten(count=ask.count, head=ask.head, kept=False)
    head, seq = ask.head, ask.count
    for seq, entry in enumerate(ask.entries, ask.count + 1):
        head = await _write(store, ask.pack, seq, head, entry)
    return RecordsWritten(count=seq, head=head)


async def _write(store: Packs, pack: str, seq: int, previous: str, entry: Entry) -> str:
    """Keep one record: the digest of what is kept under its number."""
    held = {name: await store.get(f"{pack}/attachments/{name}") for name in entry.attach}
    attachments = {name: digest(content) for name, content in held.items() if content is not None}
    clean = entry.model_copy(update={"body": redacted(entry.body)})
    content = record(seq, previous, clean, attachments)
    return digest(await store.put_new(f"{pack}/{record_name(seq, entry.kind)}", content))


async def keep_job(pack: str, job: Json, end: JobEnd) -> None:
    """Keep a job that has ended as Azure shows it, without secrets, until a record tells of it.

    Raises:
        Transient: the store did not answer.
    """
    store = packs()
    if store:
        suspended, name = end.outcome == "suspended", job["name"]
        await store.put_new(f"{pack}/attachments/{attachments_of(name)[suspended]}", canonical(redacted(job)))


async def seal_pack(ask: SealPack) -> PackSealed:
    """Write the manifest of a pack that is complete; one that is sealed stays as it is.

    Raises:
        Refused: its records do not end where the run says.
        Transient: the store did not answer.
    """
    store = packs()
    if store is None:
        return PackSealed(kept=False)
    names = [name for name in await store.names(f"{ask.pack}/records/") if name.endswith(".json")]
    listed = [(name.removeprefix(f"{ask.pack}/"), digest(await store.get(name) or b"")) for name in names]
    head = listed[-1][1] if listed else START
    if head != ask.head:
        raise Refused("evidence-broken", f"the records of {ask.pack} end with {head}, not with {ask.head}")
    content = await store.put_new(f"{ask.pack}/{MANIFEST}", manifest(ask.pack, listed, redacted(ask.facts)))
    return PackSealed(head=head, records=len(listed), manifest=digest(content))


async def read_pack(pack: str) -> dict[str, bytes] | None:
    """Every file of a pack by its name within it, None when nothing is kept of this run."""
    store = packs()
    names = await store.names(f"{pack}/") if store else []
    if not store or not names:
        return None
    contents = await each(names, store.get)
    return {name.removeprefix(f"{pack}/"): held for name, held in zip(names, contents, strict=True) if held is not None}
