"""Tells the story on servers of its own: what happens, in order, and what proves each step."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from rich.console import Console

from lab.clock import LabClock
from lab.servers import Keeper, LabFailed, Servers, free_ports, reset, stopped_at_the_end
from lab.story import proofs
from lab.story.chaos import FAULTS, Killer
from lab.story.clients import Azure, NotProven, Product
from lab.story.proofs import After, View
from lab.story.screen import Chapter, Screen, closing_table, done_of, screen_for

PLAN, NODE = "payroll", "hci-01-n2"
ENDED = frozenset({"succeeded", "failed", "aborted"})
POLL = 0.4
"""Real seconds between two looks at an operation."""

PROVEN = "Proven: each verb once for each VM, in the plan's order; no drill left behind; every VM Protected again"

DAWN = time(5, 30, tzinfo=UTC)
"""When the story begins: early enough to heal a node before the drill that is due at 6."""

LONGEST = timedelta(hours=12)
"""Simulated time within which an operation must begin and end."""


class Options(NamedTuple):
    """How to tell it.

    Attributes:
        speed: Simulated seconds a real second.
        kill: Kind of operation in the middle of which the host is killed; empty for none.
        kills: How often the host is killed besides, at random instants.
        seed: What those are drawn from, and the faults as well.
        faults: Whether Azure loses answers, drops calls and doubles events.
    """

    scenario: str = "default"
    speed: float = 150
    kill: str = ""
    kills: int = 0
    seed: int = 1
    faults: bool = False


def tell(options: Options, story: "type[Story] | None" = None) -> int:
    """Tell a story, the usual one unless said; exit status 0 only when every step reached its proof."""
    story = story or Story
    console = Console()
    began = monotonic()
    state = Path(tempfile.mkdtemp(prefix="hci-site-recovery-"))
    LabClock.open(state, start=datetime.combine(datetime.now(UTC), DAWN)).close()
    screen = screen_for(console)
    try:
        chapters = story(Servers.of(state, free_ports(), options.speed), screen, options).whole()
    except KeyboardInterrupt:
        screen.clear()
        return 130
    except LabFailed as failure:
        screen.clear()
        sys.stderr.write(f"not proven: {failure}\nlogs and state are in {state}\n")
        return 1
    shutil.rmtree(state)
    console.print(closing_table(chapters))
    screen.say(f"{story.proven} ({monotonic() - began:.0f} s of real time)")
    return 0


class Story:
    """One telling: its servers, what it has told so far, and where it shows it."""

    proven = PROVEN

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        self._servers, self._screen, self._options = servers, screen, options
        self._keeper = Keeper(servers, screen.say)
        self._killer = Killer(servers.host, options.kills, options.seed, screen.say)
        self._product, self._azure = Product(servers.host.base, self._keeper.look), Azure(servers.azure.base)
        self._plan: Mapping[str, Any] = {}
        self._site: Mapping[str, Any] = {}
        self._after: After = {}
        self._told: list[str] = []
        self._killed = False

    def whole(self) -> list[Chapter]:
        """Tell all of it.

        Raises:
            LabFailed: a proof is missing, or the lab does not hold.
        """
        with stopped_at_the_end(self._servers):
            self._screen.say(f"Starting the simulated Azure and the local host, {self._options.speed:g} times as fast")
            self._servers.start()
            reset(self._servers.azure, self._options.scenario)
            return self._chapters()

    def _chapters(self) -> list[Chapter]:
        self._plan = self._product.read(f"plans/{PLAN}")
        self._site = self._product.read(f"sites/{self._plan['site']}")
        self._after = {item["vm"]: item.get("after", []) for item in self._plan["items"]}
        if self._options.faults:
            self._azure.trouble(FAULTS, self._options.seed)
        chapters = [self._heal(), self._rehearse(), *self._leave_and_return()]
        self._look_back()
        return chapters

    def _heal(self) -> Chapter:
        self._killer.begin_part()
        self._screen.say(f"1. The ASR extension of {NODE} has failed: Event Grid says so, the product heals the node")
        calls = self._azure.calls()
        self._azure.emit("extension-failure", NODE)
        view = self._follow(self._begun(kind="repair"))
        self._require(proofs.healed(view, NODE))
        return self._chapter(view, calls, f"{NODE} is registered, its provider connected")

    def _rehearse(self) -> Chapter:
        self._killer.begin_part()
        self._screen.say(f"2. The plan {PLAN} is due for a drill: the product's own timer starts it")
        calls = self._azure.calls()
        view = self._follow(self._begun(kind="drill", plan=PLAN))
        self._require(proofs.probed(view, self._probed_vms()))
        self._prove(view, self._after)
        self._require_report(view)
        return self._chapter(view, calls, "in order, probed, cleaned up, reported")

    def _leave_and_return(self) -> list[Chapter]:
        self._screen.say(f"3. The plan {PLAN} is failed over, brought back and protected again")
        home = self._after if self._plan.get("failbackOrder") == "same" else proofs.homeward(self._after)
        return [
            self._move("failover", {"type": "planned"}, self._after, "in order, probed, committed"),
            self._move("failback", {}, home, "in order, committed"),
            self._move("reprotect", {}, {}, "Protected again on premises"),
        ]

    def _move(self, kind: str, body: Mapping[str, Any], after: After, proof: str) -> Chapter:
        self._killer.begin_part()
        calls = self._azure.calls()
        view = self._follow(self._product.start(kind, PLAN, body))
        if kind == "failover":
            self._require(proofs.probed(view, self._probed_vms()))
        self._prove(view, after)
        return self._chapter(view, calls, proof)

    def _look_back(self) -> None:
        """The proofs that only the whole story can give."""
        ledger = self._azure.ledger()
        self._require(proofs.one_id_a_verb(ledger) + self._nothing_left())
        self._require(proofs.all_protected(self._azure.protection(self._site["vault"]), self._after))
        if self._options.kill and not self._killed:
            raise NotProven(f"the host was to be killed during the {self._options.kill}, and was not")
        if self._killer.done < self._options.kills:
            raise NotProven(f"the host was killed only {self._killer.done} times")

    def _begun(self, kind: str, **query: str) -> str:
        """Wait for an operation that the product starts on its own; its id."""
        self._screen.say(f"  waiting for the product to start a {kind}")
        end = monotonic() + self._patience()
        while not (found := self._product.read("operations", kind=kind, **query)["value"]):
            self._pause(end, f"no {kind} was started")
        return str(found[0]["id"])

    def _follow(self, operation: str) -> View:
        """Show an operation until it has ended."""
        end = monotonic() + self._patience()
        while True:
            view: View = self._product.read(f"operations/{operation}")
            self._screen.show(view, self._azure.now())
            if view["state"] in ENDED:
                break
            self._kill_in_the_middle(view)
            self._pause(end, f"{operation} did not end; it waits for {view.get('waitingFor') or 'nothing'}")
        self._screen.clear()
        return view

    def _pause(self, end: float, too_late: str) -> None:
        if monotonic() > end:
            raise NotProven(too_late)
        self._killer.look()
        self._keeper.look()
        sleep(POLL)

    def _patience(self) -> float:
        return max(LONGEST.total_seconds() / self._options.speed, 60)

    def _kill_in_the_middle(self, view: View) -> None:
        if self._killed or view["kind"] != self._options.kill or not _is_in_the_middle(view):
            return
        self._killed = True
        self._screen.say(f"  killing the local host in the middle of {view['id']}")
        self._servers.host.kill()

    def _prove(self, view: View, after: After) -> None:
        """What holds after each operation on the plan."""
        self._require(proofs.ended_well(view))
        if after:
            self._require(proofs.in_order(view, after))
        self._told.append(view["kind"])
        self._require(proofs.sent_once(self._azure.ledger(), self._after, self._told))
        self._require(self._nothing_left())

    def _nothing_left(self) -> list[str]:
        return proofs.nothing_left(self._azure.machines(self._site["targetResourceGroup"]))

    def _require(self, missing: list[str]) -> None:
        if missing:
            raise NotProven("; ".join(missing[:3]))

    def _require_report(self, view: View) -> None:
        page = self._product.read(f"operations/{view['id']}/report")
        self._require(
            [] if all(vm in page for vm in self._after) else [f"the report of {view['id']} names not all VMs"]
        )

    def _probed_vms(self) -> list[str]:
        return [item["vm"] for item in self._plan["items"] if item.get("probes")]

    def _chapter(self, view: View, calls: int, proof: str) -> Chapter:
        took = datetime.fromisoformat(view["endedAt"]) - datetime.fromisoformat(view["startedAt"])
        self._screen.say(f"  {view['id']}: {proof} (after {timedelta(seconds=round(took.total_seconds()))})")
        return Chapter(view["kind"], len(view.get("items", ())), took, self._azure.calls() - calls, proof)


def _is_in_the_middle(view: View) -> bool:
    """Something is under way; where VMs go one after another, a third of them is through."""
    done, _ = done_of(view)
    one_by_one = view["kind"] in proofs.ORDERED
    return bool(view.get("waitingFor")) and (not one_by_one or 3 * done >= len(view["items"]))
