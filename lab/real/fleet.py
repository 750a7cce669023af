"""Drills of many VMs on the real engine: no look shows less done than an earlier one, all can be read afterwards."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from lab.real.story import PATIENCE, RealStory
from lab.servers import reset_lab
from lab.story.clients import NotProven, Product
from lab.story.proofs import View
from lab.story.screen import Chapter, done_of
from lab.story.tell import ENDED

CLUSTERS = 10
"""Clusters of the fleet, each with a vault of its own; all vaults are in one subscription."""
LOOK_EVERY = 2.0
"""Real seconds between two looks at all runs."""
RESET_TAKES = 300.0
"""Real seconds within which the simulated Azure has filled itself with the fleet."""


class RealFleet(RealStory):
    """One drill of a whole fleet, or many drills at once, each of a part of it."""

    proven = "Proven: no look showed less done than an earlier one; each run and its report can be read afterwards"
    vms, plans = 1000, 1

    def _fill_lab(self) -> None:
        reset_lab(self._servers.azure, "fleet", RESET_TAKES, vms=self.vms, clusters=CLUSTERS)

    def _tell_chapters(self) -> list[Chapter]:
        self._timer.start()
        try:
            plans = self._declare_plans()
            calls, refused, began = self._azure.count_calls(), self._azure.count_throttled(), monotonic()
            with ThreadPoolExecutor(len(plans)) as callers:
                runs = list(callers.map(lambda plan: self._product.start_verb("drill", plan, {}), plans))
            self._screen.print_line(f"{self.vms} VMs: {len(runs)} drills accepted after {monotonic() - began:.0f} s")
            views = RunFollower(self._product, self._screen.print_line, self._keeper.check_servers).follow(runs)
        finally:
            self._timer.stop()
        self._prove_readable(views)
        calls, refused = self._azure.count_calls() - calls, self._azure.count_throttled() - refused
        self._screen.print_line(f"Azure refused {refused} of {calls} requests for their number")
        return [self._chapter_of(views, calls)]

    def _declare_plans(self) -> list[str]:
        """The names of the plans to drill: that of the scenario, or new ones for equal parts of its VMs."""
        if self.plans == 1:
            return ["fleet"]
        whole = self._product.read_json("plans/fleet")
        documents = {f"part-{number:02d}": part for number, part in enumerate(split_plan(whole, self.plans), 1)}
        for name, document in documents.items():
            self._product.declare_document(f"plans/{name}", document)
        return list(documents)

    def _prove_readable(self, views: Sequence[View]) -> None:
        for view in views:
            if view["state"] != "succeeded":
                raise NotProven(
                    f"{view['id']} ended {view['state']}: {'; '.join(one['detail'] for one in view['failures'][:3])}"
                )
            self._product.read_json(f"operations/{view['id']}/report")
        listed = {run["id"] for run in self._product.read_json("operations", kind="drill")["value"]}
        if missing := {view["id"] for view in views} - listed:
            raise NotProven(f"the list of operations lacks {', '.join(sorted(missing)[:3])}")

    def _chapter_of(self, views: Sequence[View], calls: int) -> Chapter:
        began = min(datetime.fromisoformat(view["createdAt"]) for view in views)
        ended = max(datetime.fromisoformat(view["endedAt"]) for view in views)
        return Chapter(f"drill x{len(views)}", self.vms, ended - began, calls, "never less done than before, readable")


def split_plan(plan: Mapping[str, Any], parts: int) -> list[dict[str, Any]]:
    """Plans over equal parts of a plan's VMs, each VM on its own."""
    shared = {key: plan[key] for key in ("site", "drill", "commit")}
    shared["drill"] = shared["drill"] | {"sharedNetwork": True}  # they are all there at once
    items = [{"vm": item["vm"], "site": item["site"]} for item in plan["items"]]
    return [shared | {"items": items[part::parts]} for part in range(parts)]


class RunFollower:
    """Looks at runs side by side until each has ended."""

    def __init__(self, product: Product, print_line: Callable[[str], None], meanwhile: Callable[[], None]) -> None:
        self._product, self._print_line, self._meanwhile = product, print_line, meanwhile
        self._most_done: dict[str, int] = {}
        self._slowest_look = timedelta(0)

    def follow(self, runs: Sequence[str]) -> list[View]:
        """Look until all have ended; what each came to.

        Raises:
            NotProven: one showed less done than before, or did not end in time.
        """
        end = monotonic() + PATIENCE
        views: dict[str, View] = {}
        while len(ended := [run for run in runs if run in views and views[run]["state"] in ENDED]) < len(runs):
            for run in set(runs) - set(ended):
                views[run] = self._look_at(run)
            self._print_line(f"  {sum(self._most_done.values())} steps done, {len(ended)} of {len(runs)} runs ended")
            if monotonic() > end:
                raise NotProven(f"{len(runs) - len(ended)} runs did not end")
            self._meanwhile()
            sleep(LOOK_EVERY)
        self._print_line(f"slowest look {self._slowest_look.total_seconds():.1f} s")
        return [views[run] for run in runs]

    def _look_at(self, run: str) -> View:
        began = monotonic()
        view: View = self._product.read_json(f"operations/{run}")
        self._slowest_look = max(self._slowest_look, timedelta(seconds=monotonic() - began))
        done, _ = done_of(view)
        if view["state"] not in ENDED and done < self._most_done.get(run, 0):
            raise NotProven(f"{run} showed {done} done after {self._most_done[run]}")
        if view["state"] not in ENDED and self._most_done.get(run) and not view["phase"]:
            raise NotProven(f"{run} showed no phase in its middle")
        self._most_done[run] = max(done, self._most_done.get(run, 0))
        return view


class BigFleet(RealFleet):
    """One drill of 2,000 VMs."""

    vms = 2000


class ManyPlans(RealFleet):
    """40 drills of 25 VMs at once."""

    plans = 40
