"""What a run still owes: kept apart from the run, so that it survives it, and by the machines that it is about."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from shared.backoff import grow_pause
from shared.messages import Document, Message, VaultRef
from shared.operations.pacing import ATTEMPT_LATEST, ATTEMPT_SOONEST
from shared.request_ids import run_id

ObligationKind = Literal["cleanup", "commit", "reprotect", "source-off", "restore-lock", "leftovers"]

FOUND = "found"
"""Stands for the run in the id of an obligation that no run is known to have incurred."""

REMEDIES: Mapping[ObligationKind, str] = {
    "cleanup": "The timer cleans up what a drill of this app left. Of a test failover that no run of this app began it "
    'cleans nothing up, unless its site says `"orphans": "clean"`: clean it up in the portal. A failover with '
    '`"drill": "clean-up-first"` cleans up both.',
    "commit": "Commit the machines (`commit`), choose another recovery point (`change-point`), or give up (`cancel`).",
    "reprotect": "Bring the machines home (`failback`), commit that, and have them replicate again (`reprotect`).",
    "source-off": "Turn the machines off on their nodes. For a node that never comes back declare it lost "
    "(`POST /sites/{site}/nodes/{node}/lost`). The timer looks by itself.",
    "restore-lock": "The timer puts the locks back. If one was changed meanwhile, put it right by hand.",
    "leftovers": "Remove the resources that `leftovers` names. The timer looks whether they are gone.",
}
"""What settles an obligation, by its kind; any of them can be settled by a person who gives the reason."""


class Lock(Document):
    """A management lock as it was found.

    Attributes:
        id: ARM id of the lock itself.
        owners: Ids of the applications that own it, as Azure gave them.
    """

    id: str
    level: str
    notes: str | None = None
    owners: tuple[str, ...] = ()


class Home(Document):
    """Where machines are at home: who declares a site or a plan anew, or under another name, does not change it.

    Attributes:
        site: Name of the site, as it was when the obligation was opened.
        vault: ARM id.
        fabrics: Names of the Hyper-V site in the vault: as the site has it, and as ids have it, in lower case.
        cluster: ARM id.
    """

    site: str
    vault: str
    fabrics: tuple[str, ...]
    cluster: str

    @property
    def vault_key(self) -> str:
        """Of the table that keeps what is owed for the machines of this vault."""
        return VaultRef.from_id(self.vault).key

    def is_same_as(self, other: "Home") -> bool:
        """Whether a name means the same machine in both."""
        return self.vault_key == other.vault_key and bool(set(self.fabrics) & set(other.fabrics))


class Machines(Message):
    """Some machines of one home."""

    home: Home
    vms: tuple[str, ...]

    def with_vms(self, vms: Iterable[str]) -> "Machines":
        """Others of the same home."""
        return Machines(home=self.home, vms=tuple(vms))


class SettledByPerson(Document):
    """A person's word that something is owed no longer.

    Attributes:
        person_id: As Entra knows them; empty for a key.
    """

    at: datetime
    by: str
    person_id: str = ""
    reason: str


class Obligation(Document):
    """One thing owed for machines of one home, or for a node.

    Attributes:
        plan: Whose run incurred it: a plan's name, or "node:" and the key of a node. Of one that a look at Azure
            found the plan that has the machines; empty when none has.
        owner: The operation that incurred it; empty when a look at Azure found it and no run is known to have.
        due: When it is late; a timer acts on it or reminds then.
        vms: Whom it concerns.
        home: Where they are at home; None for a node.
        locks: What has to be put back, exactly.
        order: The operation that can be done for it, as its request was: it outlives plan, sites and histories.
        baseline: Marks of what was there before.
        leftovers: ARM ids of what is still there.
        provable: It may be looked into although its owner still runs.
        attempts: How often it was tried to do it.
        last_attempt_by: The run that tried it last.
        last_checked_at: When the machines on premises were last looked at, once they were proven off.
        seen_done: Those of its VMs that the vault showed as owing it no longer, at the last look.
        settled: A person settled it: it is owed no longer, and kept for the record.
    """

    kind: ObligationKind
    plan: str
    owner: str
    opened: datetime
    due: datetime
    vms: tuple[str, ...] = ()
    home: Home | None = None
    detail: str = ""
    locks: tuple[Lock, ...] = ()
    order: dict[str, Any] | None = None
    baseline: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    provable: bool = False
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_attempt_by: str = ""
    last_checked_at: datetime | None = None
    seen_done: tuple[str, ...] = ()
    settled: SettledByPerson | None = None

    @property
    def id(self) -> str:
        """One of a kind for a run and a site."""
        incurred_by = self.owner or ":".join(filter(None, (FOUND, self.plan)))
        return ":".join([self.kind, incurred_by, *([self.home.site] if self.home else [])])

    @property
    def table(self) -> str:
        """Key of the table that it is kept in: of the vault, or of the node."""
        return self.home.vault_key if self.home else self.plan

    @property
    def is_found(self) -> bool:
        """Whether a look at Azure found it, and no run of this app is known to have incurred it."""
        return not self.owner

    def concerned_of(self, machines: Machines) -> tuple[str, ...]:
        """Those of its VMs that are among these."""
        if self.home is None or not self.home.is_same_as(machines.home):
            return ()
        names = {vm.casefold() for vm in machines.vms}
        return tuple(vm for vm in self.vms if vm.casefold() in names)

    def without_vms(self, machines: Machines) -> "Obligation":
        """The same for the rest of its VMs."""
        gone = set(self.concerned_of(machines))
        return self.model_copy(update={"vms": tuple(vm for vm in self.vms if vm not in gone)}) if gone else self


class SettlementOrder(Message):
    """Have an obligation settled by a person's word.

    Attributes:
        table: Key of the table that keeps it.
        person_id: As Entra knows them; empty for a key.
        vms: For these alone; empty for all that owe it.
    """

    table: str
    id: str
    by: str
    person_id: str = ""
    reason: str
    vms: tuple[str, ...] = ()

    def word_at(self, at: datetime) -> SettledByPerson:
        """What is kept of it."""
        return SettledByPerson(at=at, by=self.by, person_id=self.person_id, reason=self.reason)


class SettlementOutcome(Message):
    """What was settled; None when it was not owed any more."""

    settled: Obligation | None = None


def settlement_sentence(owed: Obligation, vms: tuple[str, ...]) -> str:
    """What a person has to repeat, word for word, to settle an obligation."""
    whom = ", ".join(vms) or owed.plan
    return f"Whatever {owed.kind} stands for is done, or needs not be done, for {whom}."


LARGE = frozenset({"order", "baseline"})
"""What is as large as its plan; only who does what is owed needs it."""
HIDDEN = LARGE | {"seen_done"}
"""What a reader does not need to see of an obligation."""


def obligations_in(tables: Iterable[Mapping[str, Any]], kind: ObligationKind | None = None) -> list[Obligation]:
    """What is owed, of one kind or of all, read from what the entities keep."""
    states = (state for table in tables for state in table.values())
    open_states = (state for state in states if not state.get("settled"))
    return [Obligation.model_validate(state) for state in open_states if kind in {None, state["kind"]}]


def is_attempt_due(owed: Obligation, now: datetime) -> bool:
    """Whether to try again: at each look of the timer at first, then at growing distances."""
    pause = grow_pause(ATTEMPT_SOONEST, owed.attempts - 3, ATTEMPT_LATEST)
    return owed.last_attempt_at is None or now - owed.last_attempt_at >= pause


def cleanup_run_id(owed: Obligation) -> str:
    """Id of the run that is the next try of a cleanup: whoever begins it, it is begun once."""
    return run_id("cleanup", owed.plan, f"{owed.owner}:{owed.attempts}")
