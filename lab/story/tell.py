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

from lab.app_package import find_app
from lab.clock import LabClock
from lab.host.sign_in import PEOPLE
from lab.servers import Keeper, LabFailed, Servers, free_ports, reset_lab, stopped_at_the_end
from lab.story import proofs
from lab.story.chaos import FAULTS, Killer
from lab.story.clients import Azure, NotProven, Product
from lab.story.evidence import verify_store
from lab.story.proofs import After, View
from lab.story.screen import Chapter, Screen, closing_table, done_of, screen_for

PLAN, NODE = "payroll", "hci-01-n2"
APPROVER = next(person for person in PEOPLE if "Dr.Approve" in person.roles)
ENDED = frozenset({"succeeded", "failed", "aborted"})
POLL = 0.4
"""Real seconds between two looks at an operation."""

PROVEN = "Proven: each verb once for each VM, in the plan's order; no drill left behind; every VM Protected again"

DAWN = time(5, 30, tzinfo=UTC)
"""When the story begins: early enough to heal a node before the drill that is due at 6."""

LATEST = time(5, 55, tzinfo=UTC)
"""Until when the scenario is declared before that drill, on a machine that is not too busy."""

DECLARED = ("site", "items", "commit", "targets")
"""What the scenario's plan says besides its drill."""

LONGEST = timedelta(hours=12)
"""Simulated time within which an operation must begin and end."""


class Options(NamedTuple):
    """How to tell it.

    Attributes:
        speed: Simulated seconds a real second.
        kill: Kind of operation in the middle of which the host is killed; empty for none.
        kills: How often the host is killed besides, at random instants.
        seed: What those are drawn from, and the faults as well.
        hosts: How many local hosts share the task hub.
        faults: Whether Azure loses answers, drops calls and doubles events.
        hop_seconds: How long, simulated, each message of the durable engine waits for a poll of its queue.
        app: The app's file, or a package of it as it is deployed; None for the app of this folder.
    """

    scenario: str = "default"
    speed: float = 150
    kill: str = ""
    kills: int = 0
    seed: int = 1
    faults: bool = False
    hosts: int = 1
    hop_seconds: float = 0
    app: Path | None = None


def tell_story(options: Options, story: "type[Story] | None" = None) -> int:
    """Tell a story, the usual one unless said; exit status 0 only when every step reached its proof."""
    story = story or Story
    console = Console()
    began = monotonic()
    state = Path(tempfile.mkdtemp(prefix="hci-site-recovery-"))
    LabClock.open(state, start=datetime.combine(datetime.now(UTC), DAWN)).close()
    screen = screen_for(console)
    try:
        queues = ("--hop-seconds", str(options.hop_seconds))
        app = find_app(options.app, state / "app") if options.app else None
        servers = Servers.of(state, free_ports(), options.speed, *queues, hosts=options.hosts, app=app)
        chapters = story(servers, screen, options).tell_whole()
    except KeyboardInterrupt:
        screen.clear_view()
        return 130
    except LabFailed as failure:
        screen.clear_view()
        sys.stderr.write(f"not proven: {failure}\nlogs and state are in {state}\n")
        return 1
    shutil.rmtree(state)
    console.print(closing_table(chapters))
    screen.print_line(f"{story.proven} ({monotonic() - began:.0f} s of real time)")
    return 0


class Story:
    """One telling: its servers, what it has told so far, and where it shows it."""

    proven = PROVEN

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        self._servers, self._screen, self._options = servers, screen, options
        self._keeper = Keeper(servers, screen.print_line)
        self._killer = Killer(servers.hosts, options.kills, options.seed, screen.print_line)
        self._product, self._azure = Product(servers.host.base, self._keeper.check_servers), Azure(servers.azure.base)
        self._plan: Mapping[str, Any] = {}
        self._site: Mapping[str, Any] = {}
        self._after: After = {}
        self._told: list[str] = []
        self._approved: set[str] = set()
        self._killed = False

    def tell_whole(self) -> list[Chapter]:
        """Tell all of it.

        Raises:
            LabFailed: a proof is missing, or the lab does not hold.
        """
        with stopped_at_the_end(self._servers):
            self._screen.print_line(
                f"Starting the simulated Azure and the local host, {self._options.speed:g} times as fast"
            )
            self._servers.start()
            self._fill_lab()
            return self._tell_chapters()

    def _fill_lab(self) -> None:
        reset_lab(self._servers.azure, self._options.scenario)

    def _tell_chapters(self) -> list[Chapter]:
        self._prepare_plan()
        if self._options.faults:
            self._azure.set_faults(FAULTS, self._options.seed)
        chapters = [self._heal_node(), self._run_drill(), *self._leave_and_return()]
        while not self._killer.is_through:  # on a busy machine a host takes longer to come back
            chapters += self._leave_and_return()
        self._look_back()
        return chapters

    def _prepare_plan(self) -> None:
        """What holds of the plan from now on."""
        self._read_documents()
        self._schedule_drill()
        self._guard_plan()

    def _read_documents(self) -> None:
        self._plan = self._product.read_json(f"plans/{PLAN}")
        self._site = self._product.read_json(f"sites/{self._plan['site']}")
        self._after = {item["vm"]: item.get("after", []) for item in self._plan["items"]}

    def _schedule_drill(self) -> None:
        """Declare the plan's drill for later, where the lab took so long to come up that the next one is tomorrow's."""
        now = self._azure.now()
        if now.timetz() < LATEST:
            return
        due = now + max(timedelta(minutes=20), timedelta(seconds=10 * self._options.speed))
        self._declare_drill({**self._plan["drill"], "schedule": f"0 {due.minute} {due.hour} * * *"})

    def _declare_drill(self, drill: Mapping[str, Any]) -> None:
        document = {name: self._plan[name] for name in DECLARED} | {"drill": drill}
        self._product.declare_document(f"plans/{PLAN}", document)

    def _guard_plan(self) -> None:
        """From now on another person has to agree before anything but a drill is done with the plan's VMs."""
        self._product.declare_document(
            "approval-policies/production", {"covers": {"plans": [PLAN]}, "approvers": [APPROVER.object_id]}
        )

    def _heal_node(self) -> Chapter:
        self._killer.begin_part()
        self._screen.print_line(
            f"1. The ASR extension of {NODE} has failed: Event Grid says so, the product heals the node"
        )
        calls = self._azure.count_calls()
        self._azure.emit_event("extension-failure", NODE)
        view = self._follow_operation(self._wait_for_operation(kind="repair"))
        self._require_nothing_missing(proofs.prove_healed(view, NODE))
        return self._print_chapter(view, calls, f"{NODE} is registered, its provider connected")

    def _run_drill(self) -> Chapter:
        self._killer.begin_part()
        self._screen.print_line(f"2. The plan {PLAN} is due for a drill: the product's own timer starts it")
        calls = self._azure.count_calls()
        view = self._follow_operation(self._wait_for_operation(kind="drill", plan=PLAN))
        self._require_nothing_missing(proofs.prove_probed(view, self._probed_vms()))
        self._prove_operation(view, self._after)
        self._require_report(view)
        return self._print_chapter(view, calls, "in order, probed, cleaned up, reported")

    def _leave_and_return(self) -> list[Chapter]:
        self._screen.print_line(f"3. The plan {PLAN} is failed over, brought back and protected again")
        home = self._after if self._plan.get("failbackOrder") == "same" else proofs.reverse_dependencies(self._after)
        return [
            self._run_verb("failover", {"type": "planned"}, self._after, "in order, probed, committed"),
            self._run_verb("failback", {}, home, "in order, committed"),
            self._run_verb("reprotect", {}, {}, "Protected again on premises"),
        ]

    def _run_verb(self, kind: str, body: Mapping[str, Any], after: After, proof: str) -> Chapter:
        self._killer.begin_part()
        calls = self._azure.count_calls()
        view = self._follow_operation(self._product.start_verb(kind, PLAN, body))
        if kind == "failover":
            self._require_nothing_missing(proofs.prove_probed(view, self._probed_vms()))
        self._prove_operation(view, after)
        return self._print_chapter(view, calls, proof)

    def _look_back(self) -> None:
        """The proofs that only the whole story can give."""
        ledger = self._azure.read_ledger()
        self._require_nothing_missing(proofs.one_id_a_verb(ledger) + self._nothing_left())
        self._require_nothing_missing(
            proofs.all_protected(self._azure.read_protection(self._site["vault"]), self._after)
        )
        guarded = [kind for kind in self._told if kind != "drill"]
        if len(self._approved) < len(guarded):
            raise NotProven(f"{len(guarded)} verbs had to be approved, and {len(self._approved)} were")
        store = self._servers.azure.log.parent / "evidence"
        self._require_nothing_missing(verify_store(store, self._product.read_json("evidence/key")))
        self._screen.print_line("  every pack of evidence is as it was sealed, signed, and named in its log")
        if self._options.kill and not self._killed:
            raise NotProven(f"the host was to be killed during the {self._options.kill}, and was not")
        if self._killer.done < self._options.kills:
            raise NotProven(f"the host was killed only {self._killer.done} times")

    def _wait_for_operation(self, kind: str, **query: str) -> str:
        """Wait for an operation that the product starts on its own; its id."""
        self._screen.print_line(f"  waiting for the product to start a {kind}")
        end = monotonic() + self._real_patience()
        while not (found := self._product.read_json("operations", kind=kind, **query)["value"]):
            self._pause_or_fail(end, f"no {kind} was started")
        return str(found[0]["id"])

    def _follow_operation(self, operation: str) -> View:
        """Show an operation until it has ended."""
        end = monotonic() + self._real_patience()
        while True:
            view: View = self._product.read_json(f"operations/{operation}")
            self._screen.show_operation(view, self._azure.now())
            if view["state"] in ENDED:
                break
            self._approve_once(view)
            self._kill_in_the_middle(view)
            self._pause_or_fail(end, f"{operation} did not end; it waits for {view.get('waitingFor') or 'nothing'}")
        self._screen.clear_view()
        return view

    def _approve_once(self, view: View) -> None:
        """Be the second person, where one is waited for."""
        awaited = view.get("waitingFor") or {}
        if awaited.get("kind") != "approval" or view["id"] in self._approved:
            return
        reply = self._product.approve_operation(view["id"], APPROVER.token)
        if reply.status in {202, 409}:  # 409: it was taken, and that answer was lost
            self._approved.add(view["id"])
            self._screen.print_line(f"  {APPROVER.name} approves {view['id']}, which {view['requestedBy']} asked for")

    def _pause_or_fail(self, end: float, too_late: str) -> None:
        if monotonic() > end:
            raise NotProven(too_late)
        self._killer.kill_if_due()
        self._keeper.check_servers()
        sleep(POLL)

    def _real_patience(self) -> float:
        return max(LONGEST.total_seconds() / self._options.speed, 60)

    def _kill_in_the_middle(self, view: View) -> None:
        if self._killed or view["kind"] != self._options.kill or not _is_in_the_middle(view):
            return
        self._killed = True
        self._screen.print_line(f"  killing the local host in the middle of {view['id']}")
        self._servers.host.kill()

    def _prove_operation(self, view: View, after: After) -> None:
        """What holds after each operation on the plan."""
        self._require_nothing_missing(proofs.ended_well(view))
        if after:
            self._require_nothing_missing(proofs.in_order(view, after))
        self._told.append(view["kind"])
        self._require_nothing_missing(proofs.sent_once(self._azure.read_ledger(), self._after, self._told))
        self._require_nothing_missing(self._nothing_left())

    def _nothing_left(self) -> list[str]:
        return proofs.nothing_left(self._azure.list_machines(self._site["targetResourceGroup"]))

    def _require_nothing_missing(self, missing: list[str]) -> None:
        if missing:
            raise NotProven("; ".join(missing[:3]))

    def _require_report(self, view: View) -> None:
        page = self._product.read_json(f"operations/{view['id']}/report")
        self._require_nothing_missing(
            [] if all(vm in page for vm in self._after) else [f"the report of {view['id']} names not all VMs"]
        )

    def _probed_vms(self) -> list[str]:
        return [item["vm"] for item in self._plan["items"] if item.get("probes")]

    def _print_chapter(self, view: View, calls: int, proof: str) -> Chapter:
        took = datetime.fromisoformat(view["endedAt"]) - datetime.fromisoformat(view["startedAt"])
        self._screen.print_line(f"  {view['id']}: {proof} (after {timedelta(seconds=round(took.total_seconds()))})")
        return Chapter(view["kind"], len(view.get("items", ())), took, self._azure.count_calls() - calls, proof)


def _is_in_the_middle(view: View) -> bool:
    """Something is under way; where VMs go one after another, a third of them is through."""
    done, _ = done_of(view)
    one_by_one = view["kind"] in proofs.ORDERED
    return bool(view.get("waitingForText")) and (not one_by_one or 3 * done >= len(view["items"]))
