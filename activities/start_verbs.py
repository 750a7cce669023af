"""Starting verbs on protected items, each exactly once: `shared.azure.exactly_once` says how."""

from collections.abc import Iterable, Mapping
from functools import partial

from shared.azure.errors import NotFound
from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Send, Sent
from shared.azure.json_fields import Json
from shared.azure.protected_items import current_job, item_view, machine_guid, point_views
from shared.azure.vault import Vault
from shared.azure.verb_bodies import item_verb_body, require_drill_network
from shared.concurrency import map_concurrently
from shared.obstacle import Obstacle
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ItemStart, StartAnswer, StartsMade, StartVerbs
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, RecoveryPoint, choose_point
from shared.site_recovery.verb_rules import RULES, find_refusal

MAX_SINGLE_READS = 5
"""Up to so many items are read one by one: a list has 100 a page."""


async def start_verbs(request: StartVerbs) -> StartsMade:
    """Start a verb on each item, or adopt the job that an earlier run of this same call started.

    1. Read the items that the run has not just read.
    2. List the jobs.
    3. For each item: adopt our job, or see whether the verb may be sent, choose the recovery point, and send it once.

    Once the vault throttles, nothing more is sent: what was not is "unanswered" under the code "throttled". No verb
    is sent twice in one call.

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.

    Source: recorded: a verb for a busy item is accepted, and its job fails minutes later with 532.
    """
    vault = Vault(request.vault)
    items = await _read_items(vault, request)
    once = ExactlyOnce(vault, only_adopt=request.only_adopt)
    await once.list_jobs(request.since)
    answers = await map_concurrently(
        request.starts,
        lambda start: _start_one(vault, once, request, start, items.get(start.item_id.lower())),
    )
    return StartsMade(answers=tuple(answers), retry_after=once.retry_after, calls=vault.calls_made)


async def _start_one(
    vault: Vault, once: ExactlyOnce, request: StartVerbs, start: ItemStart, item: Json | None
) -> StartAnswer:
    """Start the verb; of a test failover that is tried again first the cleanup of what the one before has left."""
    refusal = find_refusal(request.verb, item_view(item)) if item and start.cleans_up_first else None
    if refusal is None or refusal.code != "test-failover-pending":
        return await once.start(start.vm, _attempt_of(vault, request, start, item))
    scope = f"{request.operation}:again"  # the cleanup at the end of the drill is another request
    cleanup = request.model_copy(update={"verb": "TestFailoverCleanup", "operation": scope})
    answer = await once.start(start.vm, _attempt_of(vault, cleanup, start, item))
    if answer.outcome != "started":
        return answer
    detail = f"{start.vm} is cleaned up before it is tested again"
    return StartAnswer(vm=start.vm, outcome="busy", code="item-busy", detail=detail)


async def _read_items(vault: Vault, request: StartVerbs) -> Mapping[str, Json]:
    """The items of the batch by id in lower case, without those that the vault does not know."""
    unread_ids = [start.item_id for start in request.starts if not start.found_ready]
    if len(unread_ids) > MAX_SINGLE_READS:
        items_found: Iterable[Json | None] = await vault.list_items()
    else:
        items_found = await map_concurrently(unread_ids, vault.find_item)
    return {item["id"].lower(): item for item in items_found if item}


def _attempt_of(vault: Vault, request: StartVerbs, start: ItemStart, item: Json | None) -> Attempt:
    """What is to be done once with one item; an item that the run has just read is not at hand here."""
    numbers = range(start.adopts_from or start.attempt, start.attempt + 1)
    ids = (client_request_id(request.operation, start.item_id, request.verb, number) for number in numbers)
    targets = {start.vm, machine_guid(item) if item else start.vm}

    def decide() -> Obstacle | Send:
        if item is None and not start.found_ready:
            raise NotFound("item-not-found", f"the vault has no protected item {start.item_id}")
        if item and (refusal := find_refusal(request.verb, item_view(item))):
            return refusal
        require_drill_network(request)
        return partial(_send_verb, vault, request, start)

    return Attempt(
        request_ids=tuple(ids),
        signature=JobSignature(RULES[request.verb].scenarios, targets, request.since),
        decide=decide,
        busy_with=current_job(item) if item else "",
    )


async def _send_verb(vault: Vault, request: StartVerbs, start: ItemStart, request_id: str) -> Sent:
    point = await _choose_point(vault, request, start)
    body = item_verb_body(request, point, start.provider)
    job = await vault.start_verb(request.verb, start.item_id, body, request_id)
    return Sent(job, point.name if point else "")


async def _choose_point(vault: Vault, request: StartVerbs, start: ItemStart) -> RecoveryPoint | None:
    """The recovery point to name to the vault; None where it is to take the latest itself.

    Raises:
        Refused: the item has no such point, or it is too old.
    """
    is_left_to_vault = start.point == LATEST and request.verb != "ChangePit"
    if request.verb not in STARTS_FROM_A_POINT or (is_left_to_vault and request.options.max_age is None):
        return None
    listed, now = await vault.list_recovery_points(start.item_id)
    chosen_point = choose_point(point_views(listed), start.point, request.options.max_age, now)
    return None if is_left_to_vault else chosen_point
