"""Writing the log of heads: each sealed pack, and each record of administration, gets one entry; signed with a key.

1. A manifest says how long the log was when its pack was sealed: its own entry can only come after that.
2. Whoever writes `heads/NNNNNNNN.json` first has that number; the others see theirs taken, and try the next.
3. An entry names the digest of the one before, whatever that is: what somebody planted stays, and shows.
"""

import logging
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from shared.azure.evidence_key import open_signing_key
from shared.azure.evidence_store import EvidenceStore, open_evidence_store
from shared.concurrency import map_concurrently
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.canonical import to_canonical_json
from shared.evidence.contract import NO_STORE
from shared.evidence.log_of_heads import (
    MOST_ENTRIES,
    NO_KEY,
    LogEnd,
    Loggable,
    SealedPack,
    checkpoint_statement,
    find_gap,
    follows,
    last_number,
)
from shared.evidence.verify import FIRST_ENTRY_PREVIOUS, LOG, LOG_ENTRY, entry_name, sha256_of, signed_part

_LOG = logging.getLogger(__name__)
BROKEN = "evidence-log-broken"
LOOKED_BACK = 100
"""Of how many entries a checkpoint is sure that they follow one another; the verifier reads all."""
ATTEMPTS = 200
"""How many runs may end at the same moment before one asks again later."""


async def read_log_end(store: EvidenceStore) -> LogEnd:
    """How long the log is now.

    Raises:
        Transient: the store did not answer.
    """
    return await _end_of(store, await store.list_names(f"{LOG}/"))


async def _list_entries(store: EvidenceStore, since: int = 0) -> list[str]:
    """The names of all entries, in order: also those that the list of the store leaves out, made over a while.

    Not where more than a few are left out: whoever planted an entry far away wants many to be looked for.

    Args:
        since: Only what is left out after this number is looked for.
    """
    listed = await store.list_names(f"{LOG}/")
    last = last_number(listed)
    if last > len(listed) + ATTEMPTS:
        return listed
    missed = sorted({entry_name(seq) for seq in range(since + 1, last + 1)} - set(listed))
    contents = await map_concurrently(missed, store.read_file)
    return sorted([*listed, *(name for name, content in zip(missed, contents, strict=True) if content is not None)])


async def _end_of(store: EvidenceStore, names: list[str]) -> LogEnd:
    size = last_number(names)
    return LogEnd(size, sha256_of(await _read_entry(store, size))) if size else LogEnd()


async def is_in_log(store: EvidenceStore, end: LogEnd) -> bool:
    """Whether the log has once ended so."""
    if end.size <= 0:
        return end == LogEnd()
    content = await store.read_file(entry_name(end.size)) if end.size <= MOST_ENTRIES else None
    return content is not None and sha256_of(content) == end.head


async def _read_entry(store: EvidenceStore, seq: int) -> bytes:
    content = await store.read_file(entry_name(seq))
    if content is None:
        raise Transient(f"{entry_name(seq)} was listed, and is not there")
    return content


async def log_pack(store: EvidenceStore, sealed: SealedPack, after: LogEnd, unsigned: str = "") -> tuple[int, bytes]:
    """Give a pack its entry, and a copy of it; one that it has already stays as it is: its number and content.

    Args:
        after: How the log was when the pack was sealed.
        unsigned: Why it is not to be signed; empty: it is, if the app has a key.

    Raises:
        Refused: evidence-key-unusable; evidence-log-broken: no number is left, or another entry is in the pack.
        Transient: the store or the key did not answer.
    """
    seq, content = await append_once(store, sealed, after, unsigned)
    if await store.put_new(f"{sealed.pack}/{LOG_ENTRY}", content) != content:
        raise _broken(f"{sealed.pack}: {LOG_ENTRY} is not what this run has written")
    return seq, content


def _broken(detail: str) -> Refused:
    _LOG.error("%s: %s", BROKEN, detail)
    return Refused(BROKEN, detail)


async def append_once(store: EvidenceStore, logged: Loggable, after: LogEnd, unsigned: str = "") -> tuple[int, bytes]:
    """Give something its entry, unless it has one: its number and content.

    Args:
        after: How the log once was, before the first try.
        unsigned: Why it is not to be signed; empty: it is, if the app has a key.

    Raises:
        Refused: evidence-key-unusable; evidence-log-broken: no number is left.
        Transient: the store or the key did not answer.
    """
    names = await _list_entries(store, after.size)
    newer = [name for name in names if last_number([name]) > after.size]
    found = await _find_entry(store, logged, newer)
    return found or await _append_entry(store, logged, await _end_of(store, names), unsigned)


async def _find_entry(store: EvidenceStore, logged: Loggable, names: list[str]) -> tuple[int, bytes] | None:
    """The entry that an earlier try of the same call has written."""
    for name, content in zip(names, await map_concurrently(names, store.read_file), strict=True):
        if content is not None and logged.is_in(content):
            return last_number([name]), content
    return None


async def _append_entry(store: EvidenceStore, logged: Loggable, end: LogEnd, unsigned: str) -> tuple[int, bytes]:
    """Write an entry after this end, or after what others write there meanwhile.

    Args:
        end: Of the log in which an earlier try was looked for: each entry that came since is looked at here.
    """
    for _ in range(ATTEMPTS):
        if end.size >= MOST_ENTRIES:
            raise _broken(f"{entry_name(end.size)} is there, and no number is left after it")
        content = await sign_statement(logged.to_statement(end, datetime.now(UTC)), unsigned)
        kept = await store.put_new(entry_name(end.size + 1), content)
        end = LogEnd(end.size + 1, sha256_of(kept))
        if kept == content or logged.is_in(kept):
            return end.size, kept
    raise Transient(f"{ATTEMPTS} other entries were written to the log of heads meanwhile")


async def sign_statement(statement: dict[str, Any], unsigned: str = "") -> bytes:
    """A statement as it is kept: with its signature, or with the reason why it has none.

    Raises:
        Refused: evidence-key-unusable.
        Transient: the key did not answer.
    """
    key = None if unsigned else open_signing_key()
    if key is None:
        return to_canonical_json({**statement, "unsigned": unsigned or NO_KEY})
    statement = {**statement, "key": (await key.read_public_key()).thumbprint}
    return to_canonical_json({**statement, "signature": await key.sign(signed_part(statement))})


async def make_checkpoint() -> bytes:
    """What the log is now, signed where the app has a key and it answers: to be kept elsewhere.

    Raises:
        Refused: evidence-store-missing; evidence-log-broken: entries are missing, or do not follow one another.
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        raise Refused("evidence-store-missing", NO_STORE)
    names = await _list_entries(store)
    if gap := find_gap(names):
        raise _broken(f"{gap} is missing")
    recent = names[-LOOKED_BACK - 1 :]
    contents = await map_concurrently(recent, store.read_file)
    for name, (before, content) in zip(recent[1:], pairwise(contents), strict=True):
        if content is None or not follows(content, before):
            raise _broken(f"{name} does not follow the entry before it")
    last = contents[-1] if contents else None
    end = LogEnd(len(names), FIRST_ENTRY_PREVIOUS if last is None else sha256_of(last))
    statement = checkpoint_statement(end, datetime.now(UTC))
    try:
        return await sign_statement(statement)
    except SiteRecoveryError as failure:
        _LOG.warning("evidence-unsigned: a checkpoint: %s", failure)
        return await sign_statement(statement, str(failure))
