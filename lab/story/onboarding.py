"""The story of the scenario `bare`: from a registered cluster with nothing on it to Protected VMs, in four calls."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lab.story.chaos import FAULTS
from lab.story.clients import NotProven
from lab.story.proofs import Entry, View, ended_well
from lab.story.screen import Chapter
from lab.story.tell import Story

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
NETWORKS = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks"
NAME = "hci-01"
SITE: Mapping[str, Any] = {
    "cluster": f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
    "vault": f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    "hyperVSite": "hci-01-site",
    "policy": {"name": "policy-24h", "recoveryPointHours": 24, "appConsistentHours": 1, "intervalSeconds": 300},
    "targetResourceGroup": f"{SUB}/resourceGroups/rg-dr-vms",
    "network": f"{NETWORKS}/vnet-dr",
    "subnet": "apps",
    "drillNetwork": {"network": f"{NETWORKS}/vnet-drill"},
    "region": "westeurope",
    "vms": ["dc-01", "sql-01", "app-01", "app-02", "web-01", "web-02"],
    "capacity": {"linkMbps": 500, "defaultChurn": 0.3},
}
TITLES = {
    "preflight": "is everything there that the product needs?",
    "prepare": "vault, Hyper-V site, policy, roles, and the ASR extension on one node after the other",
    "replication": "enable every VM, and follow the copies until all are Protected",
    "verify": "is the site as it was declared?",
}


class Onboarding(Story):
    """Preflight, prepare, replication, verify; then prepare once more, which must change nothing."""

    proven = (
        "Proven: every node registered, every VM Protected with its disks, nothing made twice, nothing changed twice"
    )

    def _tell_chapters(self) -> list[Chapter]:
        self._product.declare_document(f"sites/{NAME}", SITE)
        if self._options.faults:
            self._azure.set_faults(FAULTS, self._options.seed)
        chapters = [self._run_step(number, kind) for number, kind in enumerate(TITLES, 1)]
        self._require_nothing_missing(all_protected(self._azure.read_protection(str(SITE["vault"])), chapters[2].vms))
        self._require_nothing_missing(made_once(self._azure.read_ledger()))
        self._prepare_again()
        if self._options.kill and not self._killed:
            raise NotProven(f"the host was to be killed during the {self._options.kill}, and was not")
        return chapters

    def _run_step(self, number: int, kind: str) -> Chapter:
        self._killer.begin_part()
        self._screen.print_line(f"{number}. POST sites/{NAME}/{kind}: {TITLES[kind]}")
        calls = self._azure.count_calls()
        view = self._follow_operation(self._product.begin_operation(f"sites/{NAME}/{kind}", {}))
        self._require_nothing_missing(ended_well(view))
        return self._print_chapter(view, calls, proof_of(view))

    def _prepare_again(self) -> None:
        self._screen.print_line(f"   POST sites/{NAME}/prepare once more")
        before = len(self._azure.read_ledger())
        view = self._follow_operation(self._product.begin_operation(f"sites/{NAME}/prepare", {}))
        self._require_nothing_missing(ended_well(view))
        if view["changed"] or len(self._azure.read_ledger()) != before:
            raise NotProven(f"{view['id']} changed something that was there already")
        self._screen.print_line(f"  {view['id']}: {view['verdict']}")


def proof_of(view: View) -> str:
    """What an operation says of itself, in a line."""
    match view["kind"]:
        case "preflight":
            return f"{view['counts']['pass']} checks passed, none failed"
        case "prepare":
            return f"{len(view['nodes'])} nodes registered, one after the other"
        case "replication":
            return f"{view['progress']['completed']} of {view['progress']['total']} Protected with all their disks"
    return "as declared"


def all_protected(states: Mapping[str, str], vms: int) -> list[str]:
    """VMs that are not Protected, or not there."""
    found = [f"{vm} is {state}" for vm, state in states.items() if state != "Protected"]
    return found + ([] if len(states) == vms else [f"the vault has {len(states)} items of {vms}"])


def made_once(ledger: list[Entry]) -> list[str]:
    """What was asked for more than once without having been removed in between, as a repair does with an extension."""
    there: set[str] = set()
    twice: Counter[str] = Counter()
    for entry in ledger:
        path, method = entry["path"].lower(), entry["method"]
        twice[path] += method == "PUT" and path in there
        there = there | {path} if method == "PUT" else there - {path} if method == "DELETE" else there
    return [f"{path} was asked for {count + 1} times" for path, count in twice.items() if count]
