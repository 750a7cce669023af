"""The simulated Azure as one object: its state, clock, agenda, faults and ledger, and what is hooked onto them."""

import json
import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.azure.simulator.agenda import Agenda
from lab.azure.simulator.answers import Json
from lab.azure.simulator.faults import Faults
from lab.azure.simulator.guest_ports import Guests
from lab.azure.simulator.ledger import Ledger
from lab.azure.simulator.store import Store
from lab.azure.simulator.throttle import Throttle
from lab.clock import LabClock, ManualClock

log = logging.getLogger(__name__)

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
LOCATION = "westeurope"


def to_iso(when: datetime) -> str:
    """An instant as Azure writes it: "2026-01-05T08:00:00.0000000Z", seven decimals."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def parse_instant(text: str) -> datetime:
    """The instant of an ISO 8601 text; UTC where it does not say."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


type Handler = Callable[["Lab", Json], None]

HANDLERS: dict[str, Handler] = {}


def due(name: str) -> Callable[[Handler], Handler]:
    """Register the handler of agenda entries called `name`; it is found again by that name after a restart."""

    def register_handler(handler: Handler) -> Handler:
        if HANDLERS.setdefault(name, handler) is not handler:
            raise ValueError(f"two handlers for {name}")
        return handler

    return register_handler


type Registered = Callable[["Lab", Json, str], None]
type Uninstalled = Callable[["Lab", str], None]
type Disconnected = Callable[["Lab", str, float | None], None]


@dataclass
class Place:
    """Where the lab's servers are.

    Attributes:
        base: Its own base URL, known once it listens.
        host: The product's host, if any.
        host_keys: The keys of that host, where it asks for them.
    """

    base: str = ""
    host: str | None = None
    host_keys: Path | None = None

    def host_key(self, group: str, name: str) -> str:
        """A key of the product's host, by its place in the file; empty where it asks for none."""
        if self.host_keys is None or not self.host_keys.exists():
            return ""
        return str(json.loads(self.host_keys.read_text())[group][name])


class Lab:
    """Everything that is simulated.

    Attributes:
        on_registered: called as (lab, node, site_id) when a node's Site Recovery agent has registered with the vault
            that its extension settings name; `site_id` is the fabric's internalIdentifier.
        on_disconnect: called as (lab, node name, simulated minutes or None) when a fault takes a node's Arc agent away.
        on_uninstalled: called as (lab, node name) when a node's Site Recovery agent was removed.
    """

    def __init__(self, clock: LabClock | ManualClock, folder: Path | None = None, host: str | None = None) -> None:
        self.clock = clock
        self.folder = folder
        self.place = Place(host=host)
        self.store = Store(folder / "azure.sqlite" if folder else None)
        self.agenda = Agenda(self.store, HANDLERS)
        self.ledger = Ledger(self.store)
        self.faults = Faults(self.store)
        self.throttle = Throttle()
        self.guests = Guests()
        self.on_registered: list[Registered] = []
        self.on_disconnect: list[Disconnected] = []
        self.on_uninstalled: list[Uninstalled] = []
        self._instant: datetime | None = None

    def now(self) -> datetime:
        """The simulated instant: in an agenda handler the instant at which it was due, however late it runs."""
        return self._instant or self.clock.now()

    def call_at(self, when: datetime, name: str, args: Json) -> str:
        """Have the handler registered with `@due(name)` called at `when`; gives a key for `agenda.cancel`."""
        return self.agenda.add_entry(when, name, args)

    def call_after(self, delay: timedelta, name: str, args: Json) -> str:
        """As `call_at`, counted from now."""
        return self.call_at(self.now() + delay, name, args)

    def run_due(self) -> None:
        """Do all that is due by now, in order of time, each at its own instant."""
        now = self.clock.now()
        while entry := self.agenda.take_due(now):
            self._instant, name, args = entry
            try:
                HANDLERS[name](self, args)
            finally:
                self._instant = None
        self.store.commit()

    def catch_up(self) -> None:
        """As `run_due`; a handler that fails is written to the log and does not stop the clock."""
        try:
            self.run_due()
        except Exception:  # a wrong handler must not silence all the others
            log.exception("something due failed")

    @property
    def seed(self) -> int:
        """What all randomness of this scenario grows from."""
        return int((self.store.get("lab", "seed") or {"seed": 1})["seed"])

    def random_for(self, *key: object) -> random.Random:
        """Randomness that is the same each time for the same seed and key, whatever else happened."""
        return random.Random(f"{self.seed}/{'/'.join(map(str, key))}")

    def new_id(self, kind: str) -> str:
        """A fresh GUID; the n-th one of a kind is the same in every run of a scenario with the same seed."""
        counter = self.store.get("lab", f"count-{kind}") or {"count": 0}
        counter["count"] += 1
        self.store.put("lab", f"count-{kind}", counter)
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lab/{self.seed}/{kind}/{counter['count']}"))

    def fixed_id(self, *key: str) -> str:
        """The GUID of a thing that is known by name, as a VM or a Hyper-V site."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "lab/" + "/".join(key).lower()))

    def clear_state(self, seed: int = 1) -> None:
        """Forget everything, and start the randomness from `seed`."""
        self.guests.close_all()
        self.store.clear()
        self.agenda.reload()
        self.ledger.clear()
        self.throttle.clear()
        self.store.put("lab", "seed", {"seed": seed})
