"""Acts of administration in the log of heads: written once each, and read in pages."""

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from activities.evidence_log import append_once, read_log_end
from shared.activity import Nothing
from shared.azure.evidence_store import EvidenceStore, open_evidence_store
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.evidence.administration import ActQuestion, LoggedActs, acts_in, is_before
from shared.evidence.contract import NO_STORE, ActsLogged, LogActs, LogEndRead
from shared.evidence.log_of_heads import LogEnd, follows, last_number
from shared.evidence.verify import LOG, entry_name, read_administration, read_json

BLOCK, MOST_READ = 100, 500
"""Entries that are read at once, and for one page: the log has packs as well, and each entry is a file."""


async def read_end(_request: Nothing) -> LogEndRead:
    """How the log of heads ends.

    Raises:
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return LogEndRead(kept=False)
    return LogEndRead(size=(await read_log_end(store)).size)


async def log_acts(request: LogActs) -> ActsLogged:
    """Write the acts as one entry of the log, unless an earlier try has done so.

    Raises:
        Refused: evidence-key-unusable; evidence-log-broken: no number is left.
        Transient: the store or the key did not answer.
    """
    store = open_evidence_store()
    if store is None:
        return ActsLogged(kept=False)
    acts = LoggedActs.of(request.record, os.environ.get("TENANT_ID", ""))
    seq, _ = await append_once(store, acts, LogEnd(request.after, ""), request.unsigned)
    return ActsLogged(entry=seq)


class ActPage(NamedTuple):
    """Some acts, newest first.

    Attributes:
        value: As they are kept, each with the number of its entry.
        flaws: What is wrong with the entries that were read; the verifier reads all, and looks at signatures.
        before: Below which entry the next page begins; 0 after the last one.
    """

    value: list[dict[str, Any]]
    flaws: list[str]
    before: int


async def read_acts(question: ActQuestion, top: int) -> ActPage:
    """A page of acts: whole entries, until there are so many acts, or as many entries were read as one page may.

    Raises:
        Refused: evidence-store-missing.
        Transient: the store did not answer.
    """
    store = open_evidence_store()
    if store is None:
        raise Refused("evidence-store-missing", NO_STORE)
    size = last_number(await store.list_names(f"{LOG}/"))
    last = min(size, question.before - 1) if question.before else size
    page = ActPage([], [], 0)
    for end in range(last, max(0, last - MOST_READ), -BLOCK):
        seqs = range(end, max(0, end - BLOCK), -1)
        contents = await _read_entries(store, [*seqs, seqs[-1] - 1])
        page.flaws.extend(_find_flaws(seqs, contents))
        for seq, content in zip(seqs, contents, strict=False):
            page.value.extend(acts_in(seq, read_administration(content or b""), question))
            if len(page.value) >= top:
                return page._replace(before=seq if seq > 1 else 0)
        if _are_older(contents[:-1], question):
            return page
    lowest = last - MOST_READ + 1
    return page._replace(before=max(0, lowest) if lowest > 1 else 0)


async def _read_entries(store: EvidenceStore, seqs: Sequence[int]) -> list[bytes | None]:
    """Entries by number; what is before the first is not there."""

    async def read(seq: int) -> bytes | None:
        return await store.read_file(entry_name(seq)) if seq else None

    return await map_concurrently(seqs, read)


def _find_flaws(seqs: Sequence[int], contents: Sequence[bytes | None]) -> list[str]:
    """Entries that are missing, or do not follow the one before."""
    found = []
    for seq, (content, before) in zip(seqs, pairwise(contents), strict=True):
        if content is None:
            found.append(f"{entry_name(seq)} is missing")
        elif not follows(content, before) or read_json(content).get("seq") != seq:
            found.append(f"{entry_name(seq)} does not follow the entry before it")
    return found


def _are_older(contents: Sequence[bytes | None], question: ActQuestion) -> bool:
    """Whether all of a block were written before what is asked for: then so was what came before them."""
    entries = [read_json(content or b"") for content in contents]
    return all(isinstance(one.get("at"), str) and is_before(one, question.since) for one in entries)
