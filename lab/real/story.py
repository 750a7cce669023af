"""The stories on the real engine: nothing is faster than real time, so what is due is begun by hand."""

import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

from lab.http_calls import Reply, Unreachable, call_server
from lab.real.servers import RealServer
from lab.servers import Servers
from lab.story import proofs
from lab.story.clients import NotProven, Product
from lab.story.onboarding import Onboarding
from lab.story.screen import Chapter, Screen
from lab.story.tell import PLAN, Options, Story

PATIENCE = 1500.0
"""Real seconds within which an operation must begin and end."""

TIMER = "reconcile_timer"
TIMER_EVERY = 60.0
"""Real seconds between two runs of the app's timer."""


class PatientProduct(Product):
    """The product behind several hosts: asked at whichever answers, and again while none has its engine."""

    def __init__(self, servers: Servers, meanwhile: Callable[[], None]) -> None:
        super().__init__(servers.host.base, meanwhile)
        self._bases = [host.base for host in servers.hosts]
        self._patience = 300.0
        self.refused_for_want_of_an_engine = 0

    def _call_host(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        try:
            reply = call_server(self._base, method, path, body, headers=headers, timeout=60)
        except Unreachable:
            self._take_next_host()
            raise
        if reply.status in {500, 502, 503}:
            self.refused_for_want_of_an_engine += 1
            self._take_next_host()
            raise Unreachable(f"{method} {path} answered {reply.status}: {reply.body}")
        return reply

    def _take_next_host(self) -> None:
        self._base = self._bases[(self._bases.index(self._base) + 1) % len(self._bases)]


class TimerThread:
    """Runs the app's timer at one of the hosts, as the Functions host's own listener would."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a call under way is not waited for."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(TIMER_EVERY):
            for host in self._servers.hosts:
                try:
                    if call_server(host.base, "POST", f"/admin/functions/{TIMER}", {}, timeout=60).status == 202:
                        break
                except Unreachable:
                    continue


class RealStory(Story):
    """Heal, drill, failover, failback, re-protect; the drill is asked for, because six o'clock may be far."""

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        super().__init__(servers, screen, options._replace(kills=0))
        self._product = PatientProduct(servers, self._keeper.check_servers)
        self._timer = TimerThread(servers)

    def _tell_chapters(self) -> list[Chapter]:
        self._timer.start()
        try:
            return super()._tell_chapters()
        finally:
            self._timer.stop()

    def _schedule_drill(self) -> None:
        """None begins by itself: it is asked for, and six o'clock may come in the middle of anything."""
        self._declare_drill({name: value for name, value in self._plan["drill"].items() if name != "schedule"})

    def _run_drill(self) -> Chapter:
        self._screen.print_line(f"2. The plan {PLAN} is rehearsed")
        calls = self._azure.count_calls()
        view = self._follow_operation(self._start_drill())
        self._require_nothing_missing(proofs.prove_probed(view, self._probed_vms()))
        self._prove_operation(view, self._after)
        self._require_report(view)
        return self._print_chapter(view, calls, "in order, probed, cleaned up, reported")

    def _start_drill(self) -> str:
        """Four persons ask at once: one gets a run, and the others hear that it has the VMs."""
        with ThreadPoolExecutor(4) as callers:
            replies = list(callers.map(lambda _: self._product.try_verb("drill", PLAN), range(4)))
        if sorted(reply.status for reply in replies) != [202, 409, 409, 409]:
            raise NotProven(f"of four starts at once: {[(reply.status, reply.body) for reply in replies]}")
        self._screen.print_line("  of four starts at once one was accepted, and three were refused")
        return next(str(reply.body["id"]) for reply in replies if reply.status == 202)

    def _real_patience(self) -> float:
        return PATIENCE


class RealOnboarding(Onboarding):
    """Preflight, prepare, replication, verify, and prepare once more."""

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        super().__init__(servers, screen, options._replace(kills=0))
        self._product = PatientProduct(servers, self._keeper.check_servers)

    def _real_patience(self) -> float:
        return PATIENCE


class Havoc:
    """Ends hosts at random: Python alone, a host, both, and politely; and takes the storage away once.

    The storage is stopped, not killed: its emulator keeps in memory for seconds what it has acknowledged, and Azure's
    never loses that.

    Attributes:
        done: How often what was done.
    """

    AWAY = (0.0, 20.0)
    """Real seconds until what was ended comes back: least and most."""
    GAPS = (5.0, 15.0)
    """Real seconds between two ends."""
    STORAGE_AWAY = 40.0

    def __init__(self, servers: Servers, kills: int, seed: int, say: Callable[[str], None]) -> None:
        self._servers, self._kills, self._say = servers, kills, say
        self._random = random.Random(seed)
        self._next = monotonic() + self.GAPS[0]
        self._back_at: dict[str, float] = {}
        self.done: dict[str, int] = {}

    @property
    def is_over(self) -> bool:
        """Whether everything that was planned has been done."""
        return sum(self.done.values()) >= self._kills

    def disturb_if_due(self) -> None:
        """End something if it is time, and bring back what has been away long enough."""
        self.bring_back_due()
        if not self.is_over and not self._back_at and monotonic() >= self._next:
            self._next = monotonic() + self._random.uniform(*self.GAPS)
            self._end_something()

    def bring_back_due(self) -> frozenset[str]:
        """Bring back what has been away long enough; what is still away on purpose."""
        for server in self._servers:
            if self._back_at.get(server.name, monotonic() + 1) <= monotonic():
                server.start()
                del self._back_at[server.name]
        return frozenset(self._back_at)

    def _end_something(self) -> None:
        hosts = [host for host in self._servers.hosts if isinstance(host, RealServer)]
        how = self._random.choice(("python", "host", "host", "both", "term"))
        if "storage" not in self.done and sum(self.done.values()) >= self._kills // 2:
            how = "storage"
        self.done[how] = self.done.get(how, 0) + 1
        self._say(f"  {sum(self.done.values())} of {self._kills}: {how}")
        match how:
            case "python":
                self._random.choice(hosts).kill_python()
            case "host":
                self._end_host(self._random.choice(hosts))
            case "both":
                for host in hosts:
                    self._end_host(host)
            case "term":
                host = self._random.choice(hosts)
                self._bring_back(host.name, self._random.uniform(*self.AWAY))
                host.stop()
            case _:
                storage = self._servers.before[0]
                self._bring_back(storage.name, self.STORAGE_AWAY)
                storage.stop()

    def _end_host(self, host: RealServer) -> None:
        self._bring_back(host.name, self._random.uniform(*self.AWAY))
        host.kill()

    def _bring_back(self, name: str, after: float) -> None:
        self._back_at[name] = monotonic() + after


class RealChaos(RealStory):
    """One round trip after another on two hosts that die, until all that was planned has happened."""

    proven = "Proven: each verb once for each VM, in the plan's order; nothing left behind; every VM Protected again"

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        super().__init__(servers, screen, options)
        self._havoc = Havoc(servers, options.kills, options.seed, screen.print_line)
        self._keeper.away = self._havoc.bring_back_due

    def _tell_chapters(self) -> list[Chapter]:
        chapters: list[Chapter] = []
        self._timer.start()
        try:
            self._prepare_plan()
            while not self._havoc.is_over or not chapters:
                chapters += [self._run_drill(), *self._leave_and_return()]
        finally:
            self._timer.stop()
        self._look_back()
        self._screen.print_line(f"  ended: {', '.join(f'{how} {count}' for how, count in self._havoc.done.items())}")
        return chapters

    def _start_drill(self) -> str:
        """Of starts whose answer is lost nobody knows which was the first."""
        return self._product.start_verb("drill", PLAN, {})

    def _look_back(self) -> None:
        owed = self._product.read_json("obligations")["value"]
        if owed:
            raise NotProven(f"still owed: {', '.join(each['kind'] for each in owed)}")
        super()._look_back()

    def _pause_or_fail(self, end: float, too_late: str) -> None:
        if monotonic() > end:
            raise NotProven(too_late)
        self._havoc.disturb_if_due()
        sleep(0.5)
