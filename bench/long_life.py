"""Six months of weekly drills of many plans: what of the app's state grows, and how long a list and a look take.

1. `Life.declare`: plans of two VMs, each with a drill each Saturday at two o'clock.
2. `Life.live_week`: to Saturday, on at SPEED until all drills have ended and are cleaned up, then a look of the timer
   each day. LONG_LIFE=40x26 has 40 plans for 26 weeks.
3. `measure`: after each month the rows and bytes of the engine's tables, the entities, the evidence, the memory of the
   host, and the real time of a list of operations and of a look.
4. `fill_with_runs`: at the end MANY_RUNS ended drills, and the same two times again.
"""

import math
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import Figure
from lab.http_calls import call_server
from lab.servers import Servers, free_ports, stopped_at_the_end

PLANS, WEEKS = map(int, (os.environ.get("LONG_LIFE") or "12x26").split("x"))
"""12 plans for 26 weeks take some eight minutes on two cores, 40x26 some 40: a drill takes a second of a core."""
VMS_OF_A_PLAN = 2
WEEKS_OF_A_MONTH = 4
RETENTION_DAYS = 30
"""In place of 90, so that what is kept for a time is at its most after two months."""
LARGEST_ENTITY = 65_536
GROWTH = 1.05
"""By how much anything but evidence may be larger in the end than after two months."""
HISTORY_GROWTH, HISTORY_NOTE = (
    "<= 1.6",
    "a run's last generation looks the oftener the idler the machine: 37 to 59 kB a drill",
)
SPEED = 300.0
"""Simulated seconds a real second while drills run."""
DRILL_AT = "0 0 2 * * 6"
LOOKS_AT = "0 0 * * * *"
"""Each hour: a look each five minutes would take more of the time than all drills."""
NETWORK = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-drill"
)
PATIENCE = 300.0 + 60.0 * PLANS
"""Real seconds for the drills of a week."""
POLL = 0.2
LOOK_POLL = 0.01
LISTS, LOOKS = 20, 5
"""How often a list and a look are timed."""
MANY_RUNS = 5000
ENDED = (1, 3, 5)
"""Statuses of ended runs in the engine's table."""
TABLES = ("instances", "history", "inbox", "activities", "entities", "operations", "locks", "held")


class Size(NamedTuple):
    """Rows and bytes."""

    rows: int
    size: int


class EntitySize(NamedTuple):
    """How many there are of a kind, and bytes."""

    number: int
    largest: int
    all_of_them: int


class Times(NamedTuple):
    """Real milliseconds: of a list of operations (half of them, and 95 of 100, take no longer), and of a look."""

    list_p50: float
    list_p95: float
    look_p50: float


class Measurement(NamedTuple):
    """What there is after some weeks.

    Attributes:
        entities: By kind.
        evidence: Bytes in all.
        memory: Resident bytes of the host.
    """

    weeks: int
    drills: int
    tables: Mapping[str, Size]
    entities: Mapping[str, EntitySize]
    evidence: int
    memory: int
    times: Times

    @property
    def state_bytes(self) -> int:
        """Of all tables."""
        return sum(table.size for table in self.tables.values())

    @property
    def state_rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())


class Life:
    """A lab of its own, and its state on disk."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.drills = 0

    def azure(self, method: str, path: str, body: object = None) -> Any:
        return call_server(self.servers.azure.base, method, f"/lab/{path}", body, timeout=120).body

    def host(self, method: str, path: str, body: object = None) -> Any:
        reply = call_server(self.servers.host.base, method, path, body, timeout=120)
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.body}")
        return reply.body

    def now(self) -> datetime:
        return datetime.fromisoformat(self.azure("GET", "clock")["now"])

    def ask_store(self, question: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the engine's store, which another process writes."""
        with closing(sqlite3.connect(self.folder / "host.sqlite", timeout=30)) as store:
            return store.execute(question, values).fetchall()

    def declare(self) -> None:
        """A fleet, and a plan for each pair of its VMs; the plan of the whole fleet is withdrawn."""
        fleet = {"scenario": "fleet", "vms": PLANS * VMS_OF_A_PLAN, "clusters": 1}
        self.azure("POST", "reset", fleet)
        self.host("DELETE", "/api/plans/fleet")
        drill = {"network": NETWORK, "sharedNetwork": True, "schedule": DRILL_AT, "timeToLive": "PT12H"}
        for plan in range(PLANS):
            vms = (f"vm-{plan * VMS_OF_A_PLAN + number:04d}" for number in range(1, VMS_OF_A_PLAN + 1))
            items = [{"vm": vm} for vm in vms]
            self.host("PUT", f"/api/plans/plan-{plan:02d}", {"site": "hci-01", "items": items, "drill": drill})

    def live_week(self) -> None:
        """To the next Saturday, through its drills, and a look each day until the next Friday."""
        now = self.now()
        saturday = (now + timedelta(days=(5 - now.weekday()) % 7)).replace(hour=2, minute=0, second=0, microsecond=0)
        saturday = saturday if saturday > now else saturday + timedelta(days=7)
        self.jump(saturday - now)
        self.look()
        self.azure("POST", "clock", {"speed": SPEED})
        await_true(lambda: self.count_drills_since(saturday) == PLANS and not self.count_owed())
        self.azure("POST", "clock", {"speed": 1})
        self.drills += PLANS
        for _ in range(6):
            self.jump(timedelta(days=1))
            self.look()

    def jump(self, by: timedelta) -> None:
        """Let time pass at once."""
        self.azure("POST", "clock", {"advance": f"PT{math.ceil(by.total_seconds())}S"})

    def count_drills_since(self, moment: datetime) -> int:
        """Drills that began since then and have ended."""
        began = round(moment.timestamp() * 1_000_000)
        ended = "SELECT COUNT(*) FROM instances WHERE name = 'drill' AND created >= ? AND status IN (1, 3, 5)"
        return int(self.ask_store(ended, began)[0][0])

    def count_owed(self) -> int:
        """What is owed, of all plans."""
        return len(self.host("GET", "/api/obligations")["value"])

    def look(self) -> float:
        """Have the timer look now, and wait for the end of the look: real seconds."""
        await_true(lambda: self.last_look()[1] in ENDED, LOOK_POLL)
        before, began = self.last_look(), time.perf_counter()
        self.host("POST", "/admin/functions/reconcile_timer", {})
        await_true(lambda: self.last_look() != before and self.last_look()[1] in ENDED, LOOK_POLL)
        return time.perf_counter() - began

    def last_look(self) -> tuple[str, int]:
        """The execution of the timer's run, and its status."""
        rows = self.ask_store("SELECT execution, status FROM instances WHERE id = 'reconcile'")
        return (str(rows[0][0]), int(rows[0][1])) if rows else ("", ENDED[0])

    def list_operations(self, query: str = "") -> float:
        """The first page of operations: real seconds."""
        began = time.perf_counter()
        self.host("GET", f"/api/operations{query}")
        return time.perf_counter() - began

    def time_it(self) -> Times:
        """Lists and looks, one after the other."""
        lists = sorted(self.list_operations() for _ in range(LISTS))
        looks = sorted(self.look() for _ in range(LOOKS))
        return Times(*(1000 * one for one in (share(lists, 0.5), share(lists, 0.95), share(looks, 0.5))))

    def measure(self, weeks: int) -> Measurement:
        """What there is now."""
        return Measurement(
            weeks=weeks,
            drills=self.drills,
            tables={table: self.size_of_table(table) for table in TABLES},
            entities=self.measure_entities(),
            evidence=sum(file.stat().st_size for file in (self.folder / "evidence").rglob("*") if file.is_file()),
            memory=resident_bytes(self.servers.host.pid),
            times=self.time_it(),
        )

    def measure_entities(self) -> dict[str, EntitySize]:
        """Entities by kind."""
        kinds = self.ask_store(
            "SELECT substr(id, 2, instr(substr(id, 2), '@') - 1) AS kind, COUNT(*), MAX(LENGTH(state)),"
            " SUM(LENGTH(state)) FROM entities GROUP BY kind"
        )
        return {str(kind): EntitySize(*map(int, sizes)) for kind, *sizes in kinds}

    def size_of_table(self, table: str) -> Size:
        """Rows of a table, and the bytes of all that is in them."""
        columns = [row[1] for row in self.ask_store(f"PRAGMA table_info({table})")]
        size = " + ".join(f"COALESCE(LENGTH(CAST({column} AS BLOB)), 0)" for column in columns)
        rows, total = self.ask_store(f"SELECT COUNT(*), COALESCE(SUM({size}), 0) FROM {table}")[0]  # noqa: S608
        return Size(int(rows), int(total))

    def fill_with_runs(self, count: int) -> None:
        """Copies of a drill that has ended, until there are so many runs; an hour lies between two of them."""
        names = [row[1] for row in self.ask_store("PRAGMA table_info(instances)")]
        kept = ", ".join(name for name in names if name not in {"id", "created"})
        missing = count - self.size_of_table("instances").rows
        with closing(sqlite3.connect(self.folder / "host.sqlite", timeout=30)) as store, store:
            store.execute(
                "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"  # noqa: S608
                f" INSERT INTO instances (id, created, {kept})"
                f" SELECT printf('%s%06d', substr(id, 1, length(id) - 6), n), created - n * 3600000000, {kept}"
                " FROM number, (SELECT * FROM instances WHERE name = 'drill' ORDER BY created DESC LIMIT 1)",
                (missing,),
            )


def share(ordered: Sequence[float], part: float) -> float:
    """The smallest value that this part of all does not exceed."""
    return ordered[math.ceil(part * len(ordered)) - 1]


def resident_bytes(pid: int | None) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def await_true(true: Callable[[], bool], every: float = POLL) -> None:
    """Look again and again until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("what was awaited did not come")
        time.sleep(every)


@contextmanager
def living() -> Iterator[Life]:
    """A lab of its own; real time passes in it as simulated time does, but for drills and jumps."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = Servers.of(Path(folder), free_ports(), 1)
        servers.host.settings |= {"RECONCILE_SCHEDULE": LOOKS_AT, "RUN_RETENTION_DAYS": str(RETENTION_DAYS)}
        with stopped_at_the_end(servers):
            servers.start()
            yield Life(servers, Path(folder))


def live(life: Life) -> Iterator[Measurement]:
    """What there is after each month."""
    life.declare()
    for week in range(1, WEEKS + 1):
        life.live_week()
        if week % WEEKS_OF_A_MONTH == 0 or week == WEEKS:
            yield life.measure(week)


def figures() -> list[Figure]:
    """The figures."""
    began = time.monotonic()
    with living() as life:
        months = list(live(life))
        withdrawn = life.ask_store("SELECT COUNT(*) FROM entities WHERE id LIKE '%fleet'")[0][0]
        life.fill_with_runs(MANY_RUNS)
        many, rare = life.time_it(), 1000 * life.list_operations("?state=failed")
    took = time.monotonic() - began
    note = (
        f"{PLANS} plans, {WEEKS} weeks, RUN_RETENTION_DAYS={RETENTION_DAYS}; looks each hour of a drill, else each day"
    )
    return [
        Figure("drills", months[-1].drills, "", "", note),
        *(figure for month in months for figure in of_month(month)),
        *growth(months),
        *(
            Figure(f"largest entity, {kind}", size.largest, "bytes", bound_of(kind))
            for kind, size in months[-1].entities.items()
        ),
        Figure("entities of a plan that was withdrawn", withdrawn, "", "= 0"),
        Figure(f"list with {MANY_RUNS:,} runs, p50", many.list_p50, "ms", "< 500", "of an idle machine", firm=False),
        Figure(f"list with {MANY_RUNS:,} runs, p95", many.list_p95, "ms"),
        Figure(f"list of failed runs with {MANY_RUNS:,} that succeeded", rare, "ms", "", "reads each of them whole"),
        Figure(f"look with {MANY_RUNS:,} runs, p50", many.look_p50, "ms"),
        Figure("real time", took / 60, "min"),
    ]


def of_month(month: Measurement) -> list[Figure]:
    """The state after a month."""
    when = f"after {month.weeks} weeks"
    entities = ", ".join(f"{size.number} {kind}" for kind, size in month.entities.items())
    tables = ", ".join(f"{name} {size.size / 1e6:.2f} MB" for name, size in month.tables.items() if size.size)
    return [
        Figure(f"{when}: state of the engine", month.state_bytes / 1e6, "MB", "", tables),
        Figure(f"{when}: rows", month.state_rows, ""),
        Figure(f"{when}: entities", month.tables["entities"].rows, "", "", entities),
        Figure(
            f"{when}: evidence of a drill", month.evidence / month.drills / 1e3, "kB", "", "kept for ever, on purpose"
        ),
        Figure(f"{when}: memory of the host", month.memory / 1e6, "MB"),
        Figure(f"{when}: list, p50", month.times.list_p50, "ms"),
        Figure(f"{when}: list, p95", month.times.list_p95, "ms"),
        Figure(f"{when}: look, p50", month.times.look_p50, "ms"),
    ]


def growth(months: Sequence[Measurement]) -> list[Figure]:
    """By how much there is more at the end than after two months; evidence is not among it."""
    if len(months) < 3:
        return []
    early, late = months[1], months[-1]
    bound = f"<= {GROWTH}"

    def grown(what: str, size_of: Callable[[Measurement], int], bound: str = bound, note: str = "") -> Figure:
        return Figure(f"{what}, end over month 2", size_of(late) / size_of(early), "x", bound, note)

    return [
        grown("runs", lambda month: month.tables["instances"].rows),
        grown("entities but plan_history", _other_entities),
        grown("histories of runs", lambda month: month.tables["history"].size, HISTORY_GROWTH, HISTORY_NOTE),
        grown("memory of the host", lambda month: month.memory),
    ]


def _other_entities(month: Measurement) -> int:
    """Bytes without the histories of plans: those grow to 60 runs, and have a bound of their own."""
    return sum(size.all_of_them for kind, size in month.entities.items() if kind != "plan_history")


def bound_of(kind: str) -> str:
    """Of the largest entity, in bytes; documents are as large as what people declare."""
    return "" if kind == "documents" else f"<= {LARGEST_ENTITY:,}"
