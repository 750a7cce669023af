"""Seals for runs: they must not read the key, as their replays would, so they have it done and looked at here."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import azure.durable_functions as df

from activities.durable_state import read_entity
from activities.evidence import LOOKED_AT_WITHIN, is_pack_sealed
from activities.seal_keys import read_seal_settings
from shared.errors import SiteRecoveryError
from shared.operations.contract import CheckBegin, CheckSeal, ContentSealed, SealChecked, SealContent
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS
from shared.operations.seals import begin_name, compute_seal, has_seal

IDS_OF_ONE_RUN = frozenset({*PLAN_KINDS, "change"})
"""Runs of these kinds have ids that no other ever has."""


async def check_seal(request: CheckSeal) -> SealChecked:
    """Whether the app has sealed it, with the key that it has now or the one before."""
    return SealChecked(is_own=has_seal(read_seal_settings().seal_keys, request.run, request.name, request.payload))


async def seal_content(request: SealContent) -> ContentSealed:
    """Seal what a run hands to an entity, or to its next generation."""
    about = {**request.facts, "digest": request.digest}
    return ContentSealed(seal=compute_seal(read_seal_settings().seal_key, request.target, request.name, about))


async def check_begin(client: df.DurableFunctionsClient, request: CheckBegin) -> SealChecked:
    """Whether the app has started this run, or had it go on, and it has not come to its end before.

    The engine lets an ended run be started anew under its id: what it was given then is still as the app sealed it.
    """
    about = {**request.seal, "digest": request.digest}
    if not has_seal(read_seal_settings().seal_keys, request.run, begin_name(request.orchestrator), about):
        return SealChecked(is_own=False)
    until = request.seal.get("until")
    if until and datetime.fromisoformat(str(until)) < datetime.now(UTC):
        return SealChecked(is_own=False)
    is_over = bool(request.seal.get("ends"))
    return SealChecked(is_own=is_over or not await _has_ended_before(client, request))


async def _has_ended_before(client: df.DurableFunctionsClient, request: CheckBegin) -> bool:
    """Whether what outlives a run says that it has ended; a store that does not answer says nothing."""
    if request.orchestrator not in IDS_OF_ONE_RUN:
        return False
    plan = str(request.seal.get("plan") or "")
    history = await read_entity(client, PLAN_HISTORY, plan) if plan else {}
    if any(past.get("run") == request.run for past in history.get("past_runs", ())):
        return True
    with suppress(SiteRecoveryError, TimeoutError):
        async with asyncio.timeout(LOOKED_AT_WITHIN):
            return await is_pack_sealed(request.run)
    return False
