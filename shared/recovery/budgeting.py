"""What a run may send of what it wants to: its share of each subscription's budget, asked for tick by tick. Pure.

Writes are promised, and may be so for later: then the VMs wait and the run goes on watching. Reads are waited for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil

from shared.errors import Refused, Transient
from shared.recovery.run import Run
from shared.recovery.run_answers import with_start_answers, with_starts_unanswered, with_starts_unsent
from shared.recovery.run_item import RunItem
from shared.recovery.scheduler import Tick
from shared.site_recovery.contract import StartsMade
from shared.site_recovery.request_budget import Allowance, CallRequest, Calls, Grant

ITEMS_PER_PAGE = 100
"""Protected items on a page of their list."""
JOBS_PER_LIST = 100
"""Jobs that one list is sure to show, counting the halves of a span that had too many (200 at once)."""
MAX_ENDED_JOBS_READ = 50
"""Of jobs that may have ended: so many are read in one tick and vault."""
PLAN_JOB_READ, PLAN_RESUMPTION = Calls(reads=1), Calls(reads=1, writes=1)
"""A look at a recovery plan's job, and its resumption."""


def build_call_requests(run: Run, tick: Tick, now: datetime) -> dict[str, CallRequest]:
    """What to ask of each subscription before this tick: of those that are sent something, or that throttle."""
    requests = {}
    sent_to = {run.subscription_of(vault) for vault in (*tick.starts, *tick.watch, *tick.paused, *tick.settle)}
    throttled = {name for name, one in run.budget.allowances.items() if one.shut_until and one.shut_until > now}
    for name in sorted(sent_to | throttled):
        vaults = _vaults_in(run, name)
        allowance = _allowance_with_first_reads(run, name)
        has_promise = allowance.holds_promise(now)
        writes = 0 if has_promise else sum(len(tick.starts.get(vault, ())) for vault in vaults)
        requests[name] = CallRequest(
            now=now,
            reads=sum(_count_reads(run, tick, vault) for vault in vaults),
            writes=writes,
            unused_reads=allowance.unused_reads,
            unused_writes=allowance.unused_writes + (0 if has_promise else allowance.promised),
            shut_until=allowance.shut_until,
        )
    return requests


def with_grant(run: Run, name: str, request: CallRequest, grant: Grant) -> Run:
    """Take in what a subscription granted; an earlier promise that still holds stays."""
    allowance = run.budget.allowance_in(name)
    promised, promised_from = allowance.promised, allowance.promised_from
    if not allowance.holds_promise(request.now):
        promised, promised_from = request.writes, grant.writes_from
    return _with_allowance(
        run, name, Allowance(promised=promised, promised_from=promised_from, unused_reads=request.reads)
    )


def limit_starts(run: Run, tick: Tick, now: datetime) -> tuple[Run, Tick]:
    """The tick with no more starts than may be sent now; a promise whose moment has come is used, all of it."""
    starts: dict[int, tuple[str, ...]] = {}
    for name, allowance in run.budget.allowances.items():
        if not allowance.promised or allowance.promised_from is None or now < allowance.promised_from:
            continue
        left = allowance.promised if allowance.holds_promise(now) else 0
        for vault, vms in tick.starts.items():
            if run.subscription_of(vault) == name and left:
                starts[vault], left = vms[:left], max(0, left - len(vms))
        unused = allowance.unused_writes + allowance.promised
        run = _with_allowance(run, name, allowance.model_copy(update={"promised": 0, "unused_writes": unused}))
    return run, tick.model_copy(update={"starts": starts})


def with_calls_charged(run: Run, vault: int, calls: Calls) -> Run:
    """Note what was sent to a vault, granted or not: the next request settles it."""
    name = run.subscription_of(vault)
    allowance = run.budget.allowance_in(name)
    unused = {
        "unused_reads": allowance.unused_reads - calls.reads,
        "unused_writes": allowance.unused_writes - calls.writes,
    }
    return _with_allowance(run, name, allowance.model_copy(update=unused))


def with_batch_answered(
    run: Run, vault: int, vms: Sequence[str], answer: StartsMade | Refused | Transient, at: datetime
) -> Run:
    """Take in what became of one batch of starts; of one that got no answer everything may have been sent."""
    most_calls = Calls(reads=1, writes=len(vms))
    if isinstance(answer, Refused):
        return with_calls_charged(with_starts_unsent(run, vms, answer, at), vault, most_calls)
    if not isinstance(answer, StartsMade):
        return with_calls_charged(with_starts_unanswered(run, vms, str(answer), at), vault, most_calls)
    run = with_start_answers(run, answer.answers, at, answer.retry_after)
    run = with_calls_charged(run, vault, answer.calls or most_calls)
    return with_throttling(run, vault, at + answer.retry_after) if answer.retry_after else run


def with_probes_charged(run: Run, items: Iterable[RunItem]) -> Run:
    """Note what probes cost: two reads to find an address; what is run inside is a write and three."""
    for item in items:
        inner = sum(probe.kind == "run-command" for probe in item.probes)
        if inner or not item.address:
            run = with_calls_charged(run, item.vault, Calls(reads=3 * inner + (0 if item.address else 2), writes=inner))
    return run


def calls_for_plan_runs(run: Run, starts: Iterable[int], resumes: Iterable[int]) -> dict[str, Calls]:
    """By subscription: what a tick costs that starts, resumes and looks at recovery plans, by their indices."""
    at_work = [plan_run for plan_run in run.plan_runs if plan_run.is_in_hand]
    started, resumed = [run.plan_runs[at] for at in starts], [run.plan_runs[at] for at in resumes]
    costs = [*((part.vault, calls_to_start_plan(run, part.vault)) for part in started)]
    costs += [(part.vault, PLAN_RESUMPTION) for part in resumed]
    costs += [(part.vault, PLAN_JOB_READ) for part in {part.name: part for part in (*at_work, *started)}.values()]
    calls: dict[str, Calls] = {}
    for vault, cost in costs:
        name = run.subscription_of(vault)
        total = calls.get(name, Calls())
        calls[name] = Calls(reads=total.reads + cost.reads, writes=total.writes + cost.writes)
    return calls


def calls_to_start_plan(run: Run, vault: int) -> Calls:
    """What the start of a recovery plan takes, as far as the run knows: itself, the items, the jobs, and the verb."""
    return Calls(reads=2 + _count_pages(run, vault), writes=1)


def call_request_for(run: Run, name: str, calls: Calls, now: datetime) -> CallRequest:
    """To ask for just these requests, with what was not used before."""
    allowance = _allowance_with_first_reads(run, name)
    return CallRequest(
        now=now,
        reads=calls.reads,
        writes=calls.writes,
        unused_reads=allowance.unused_reads,
        unused_writes=allowance.unused_writes,
        shut_until=allowance.shut_until,
    )


def with_calls_granted(run: Run, name: str, calls: Calls) -> Run:
    """Take in that these requests were granted, all of them, and their moment has come; promises stay as they are."""
    fresh = {"unused_reads": calls.reads, "unused_writes": calls.writes, "shut_until": None}
    return _with_allowance(run, name, run.budget.allowance_in(name).model_copy(update=fresh))


def with_throttling(run: Run, vault: int, until: datetime) -> Run:
    """Note that Azure throttles verbs, for every run that asks after this one."""
    name = run.subscription_of(vault)
    return _with_allowance(run, name, run.budget.allowance_in(name).model_copy(update={"shut_until": until}))


def _vaults_in(run: Run, name: str) -> list[int]:
    return [vault for vault in range(len(run.vaults)) if run.subscription_of(vault) == name]


def _allowance_with_first_reads(run: Run, name: str) -> Allowance:
    """What is left in a subscription; before its first request the run has read its items, which nobody granted."""
    return run.budget.allowances.get(name) or Allowance(
        unused_reads=-sum(_count_pages(run, vault) for vault in _vaults_in(run, name))
    )


def _with_allowance(run: Run, name: str, allowance: Allowance) -> Run:
    allowances = {**run.budget.allowances, name: allowance}
    return run.with_budget(run.budget.model_copy(update={"allowances": allowances}))


def _count_reads(run: Run, tick: Tick, vault: int) -> int:
    """GETs that the tick will cost in a vault, at the most: job lists, jobs that have ended, items that are read."""
    starts, jobs = len(tick.starts.get(vault, ())), len(tick.watch.get(vault, ()))
    started = 2 + starts // JOBS_PER_LIST if starts else 0
    watched = 1 + 2 * (jobs // JOBS_PER_LIST) + min(jobs, MAX_ENDED_JOBS_READ) if jobs else 0
    watched += 2 if tick.paused.get(vault) else 0
    looked = _count_pages(run, vault) if starts or tick.settle.get(vault) else 0
    return started + watched + looked


def _count_pages(run: Run, vault: int) -> int:
    """Pages of the vault's items, as far as the run knows them; at least one."""
    return ceil(sum(item.vault == vault for item in run.items) / ITEMS_PER_PAGE) or 1
