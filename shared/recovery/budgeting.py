"""What a run may send of what it wants to: its share of each subscription's budget, asked for tick by tick. Pure.

Writes are promised, and may be so for later: then the VMs wait and the run goes on watching. Reads are waited for.
"""

from collections.abc import Iterable
from datetime import datetime
from math import ceil

from shared.recovery.run import IN_HAND, Run, RunItem
from shared.recovery.scheduler import Tick
from shared.site_recovery.request_budget import Calls, Grant, Ration, Wish

PAGE = 100
"""Protected items on a page of their list."""
JOBS = 100
"""Jobs that one list is sure to show, counting the halves of a span that had too many (200 at once)."""
MOST_ENDED = 50
"""Of jobs that may have ended: so many are read in one tick and vault."""
LOOKED, RESUMED = Calls(reads=1), Calls(reads=1, writes=1)
"""A look at a recovery plan's job, and its resumption."""


def wishes(run: Run, tick: Tick, now: datetime) -> dict[str, Wish]:
    """What to ask of each subscription before this tick: of those that are sent something, or that throttle."""
    found = {}
    asked = {run.subscription(vault) for vault in (*tick.starts, *tick.watch, *tick.paused, *tick.settle)}
    shut = {name for name, ration in run.rations.items() if ration.shut_until and ration.shut_until > now}
    for name in sorted(asked | shut):
        mine = _vaults(run, name)
        ration = _known(run, name)
        holds = ration.holds(now)
        writes = 0 if holds else sum(len(tick.starts.get(vault, ())) for vault in mine)
        found[name] = Wish(
            now=now,
            reads=sum(_reads(run, tick, vault) for vault in mine),
            writes=writes,
            unused_reads=ration.unused_reads,
            unused_writes=ration.unused_writes + (0 if holds else ration.promised),
            shut_until=ration.shut_until,
        )
    return found


def granted(run: Run, name: str, wish: Wish, grant: Grant) -> Run:
    """Take in what a subscription granted; an earlier promise that still holds stays."""
    ration = run.rations.get(name, Ration())
    promise = {"promised": ration.promised, "promised_from": ration.promised_from}
    if not ration.holds(wish.now):
        promise = {"promised": wish.writes, "promised_from": grant.writes_from}
    return _with(run, name, Ration.model_validate({**promise, "unused_reads": wish.reads}))


def within(run: Run, tick: Tick, now: datetime) -> tuple[Run, Tick]:
    """The tick with no more starts than may be sent now; a promise whose moment has come is used, all of it."""
    starts: dict[int, tuple[str, ...]] = {}
    for name, ration in run.rations.items():
        if not ration.promised or ration.promised_from is None or now < ration.promised_from:
            continue
        left = ration.promised if ration.holds(now) else 0
        for vault, vms in tick.starts.items():
            if run.subscription(vault) == name and left:
                starts[vault], left = vms[:left], max(0, left - len(vms))
        unused = ration.unused_writes + ration.promised
        run = _with(run, name, ration.model_copy(update={"promised": 0, "unused_writes": unused}))
    return run, tick.model_copy(update={"starts": starts})


def charged(run: Run, vault: int, calls: Calls) -> Run:
    """Note what was sent to a vault, granted or not: the next wish settles it."""
    name = run.subscription(vault)
    ration = run.rations.get(name, Ration())
    left = {"unused_reads": ration.unused_reads - calls.reads, "unused_writes": ration.unused_writes - calls.writes}
    return _with(run, name, ration.model_copy(update=left))


def probed(run: Run, items: Iterable[RunItem]) -> Run:
    """Note what probes cost: two reads to find an address; what is run inside is a write and three."""
    for item in items:
        inner = sum(probe.kind == "run-command" for probe in item.probes)
        if inner or not item.address:
            run = charged(run, item.vault, Calls(reads=3 * inner + (0 if item.address else 2), writes=inner))
    return run


def of_plans(run: Run, starts: Iterable[int], resumes: Iterable[int]) -> dict[str, Calls]:
    """By subscription: what a tick costs that starts, resumes and looks at recovery plans, by their indices."""
    at_work = [part for part in run.parts if part.state in IN_HAND]
    begun, going = [run.parts[at] for at in starts], [run.parts[at] for at in resumes]
    costs = [*((part.vault, start_of_plan(run, part.vault)) for part in begun)]
    costs += [(part.vault, RESUMED) for part in going]
    costs += [(part.vault, LOOKED) for part in {part.name: part for part in (*at_work, *begun)}.values()]
    found: dict[str, Calls] = {}
    for vault, cost in costs:
        name = run.subscription(vault)
        known = found.get(name, Calls())
        found[name] = Calls(reads=known.reads + cost.reads, writes=known.writes + cost.writes)
    return found


def start_of_plan(run: Run, vault: int) -> Calls:
    """What the start of a recovery plan takes, as far as the run knows: itself, the items, the jobs, and the verb."""
    return Calls(reads=2 + _pages(run, vault), writes=1)


def wish_of(run: Run, name: str, calls: Calls, now: datetime) -> Wish:
    """To ask for just these requests, with what was not used before."""
    ration = _known(run, name)
    return Wish(
        now=now,
        reads=calls.reads,
        writes=calls.writes,
        unused_reads=ration.unused_reads,
        unused_writes=ration.unused_writes,
        shut_until=ration.shut_until,
    )


def lent(run: Run, name: str, calls: Calls) -> Run:
    """Take in that these requests were granted, all of them, and their moment has come; promises stay as they are."""
    fresh = {"unused_reads": calls.reads, "unused_writes": calls.writes, "shut_until": None}
    return _with(run, name, run.rations.get(name, Ration()).model_copy(update=fresh))


def shut(run: Run, vault: int, until: datetime) -> Run:
    """Note that Azure throttles verbs, for every run that asks after this one."""
    name = run.subscription(vault)
    return _with(run, name, run.rations.get(name, Ration()).model_copy(update={"shut_until": until}))


def _vaults(run: Run, name: str) -> list[int]:
    return [vault for vault in range(len(run.vaults)) if run.subscription(vault) == name]


def _known(run: Run, name: str) -> Ration:
    """A subscription's ration; before the first wish the run has read its items, without having asked for that."""
    return run.rations.get(name) or Ration(unused_reads=-sum(_pages(run, vault) for vault in _vaults(run, name)))


def _with(run: Run, name: str, ration: Ration) -> Run:
    return run.model_copy(update={"rations": {**run.rations, name: ration}})


def _reads(run: Run, tick: Tick, vault: int) -> int:
    """GETs that the tick will cost in a vault, at the most: job lists, jobs that have ended, items that are read."""
    starts, jobs = len(tick.starts.get(vault, ())), len(tick.watch.get(vault, ()))
    started = 2 + starts // JOBS if starts else 0
    watched = 1 + 2 * (jobs // JOBS) + min(jobs, MOST_ENDED) if jobs else 0
    watched += 2 if tick.paused.get(vault) else 0
    looked = _pages(run, vault) if starts or tick.settle.get(vault) else 0
    return started + watched + looked


def _pages(run: Run, vault: int) -> int:
    """Pages of the vault's items, as far as the run knows them; at least one."""
    return ceil(sum(item.vault == vault for item in run.items) / PAGE) or 1
