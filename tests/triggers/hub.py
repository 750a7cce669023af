"""An engine whose runs go as a test says, look by look."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.client import EntityQuery, OrchestrationQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation
from tests.shared.samples import PAYROLL, SITE, plan, site
from tests.triggers.doors import call_error
from tests.triggers.engine_states import is_meant, state_of, without_payloads

type Looks = Sequence[OrchestrationState]


class Entity(NamedTuple):
    """An entity as the client shows it."""

    id: EntityInstanceId
    state: Any

    def get_typed_state(self, _expected: type) -> Any:
        """Its state."""
        return self.state


def declared(document: dict[str, Any], digest: str) -> dict[str, Any]:
    """A declared document as its entity keeps it."""
    first = {"version": 1, "digest": digest, "declaredAt": "2027-03-01T08:00:00Z", "declaredBy": "ann"}
    return {"document": document, "version": 1, "digest": digest, "history": [first]}


def usual_documents() -> dict[str, Any]:
    """The plan payroll and its site, by the keys of their entities."""
    return {
        "@documents@plan:payroll": declared(PAYROLL, plan().digest),
        "@documents@site:hci-01": declared(SITE, site().digest),
    }


@dataclass
class Hub:
    """Stands for the durable client.

    Attributes:
        begin: The looks at a run that is started, by its name and id; the last one stays.
        runs: What is left of each run's looks.
        errors: What the next calls of a method end in, after they were done where `done` names the method.
        calls: Every call with the id of the run that it was about.
        events: What was sent to runs, also where it ended in an error: run, event, data.
    """

    begin: Callable[[str, str], Looks] = lambda _name, _run: ()
    runs: dict[str, list[OrchestrationState]] = field(default_factory=dict)
    entities: dict[str, Any] = field(default_factory=usual_documents)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    calls: list[tuple[str, str]] = field(default_factory=list)
    events: list[tuple[str, str, Any]] = field(default_factory=list)

    def count(self, method: str) -> int:
        """How often it was called."""
        return sum(name == method for name, _ in self.calls)

    async def _note(self, method: str, run: str) -> None:
        """Let others go first, as a call over the wire does."""
        await asyncio.sleep(0)
        self.calls.append((method, run))
        if self.errors.get(method):
            raise self.errors[method].pop(0)

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        """Start a run."""
        del input
        await asyncio.sleep(0)
        if instance_id in self.runs:
            raise call_error(grpc.StatusCode.ALREADY_EXISTS, "already exists")
        if "schedule_new_orchestration" in self.done or not self.errors.get("schedule_new_orchestration"):
            self.runs[instance_id] = list(self.begin(name, instance_id))
        await self._note("schedule_new_orchestration", instance_id)
        return instance_id

    async def get_orchestration_state(self, run: str, *, fetch_payloads: bool = True) -> OrchestrationState | None:
        """The next look at a run; a glance without payloads uses up none."""
        await self._note("get_orchestration_state", run)
        looks = self.runs.get(run, [])
        return looks.pop(0) if fetch_payloads and len(looks) > 1 else looks[0] if looks else None

    async def get_all_orchestration_states(self, query: OrchestrationQuery) -> list[OrchestrationState]:
        """The runs that the question means, without payloads; a run that is listed was not looked at."""
        await self._note("get_all_orchestration_states", query.instance_id_prefix or "")
        return [without_payloads(looks[0]) for looks in self.runs.values() if looks and is_meant(looks[0], query)]

    async def raise_orchestration_event(self, run: str, event: str, *, data: Any) -> None:
        """Send an event."""
        self.events.append((run, event, data))
        await self._note("raise_orchestration_event", run)

    async def terminate_orchestration(self, run: str, *, output: Any = None) -> None:
        """End a run."""
        del output
        await self._note("terminate_orchestration", run)

    async def get_entity(self, entity: EntityInstanceId) -> Entity | None:
        """One entity."""
        state = self.entities.get(str(entity))
        return Entity(entity, {"value": state}) if state else None

    async def get_all_entities(self, query: EntityQuery) -> list[Entity]:
        """The entities whose ids begin so."""
        prefix = query.instance_id_starts_with or ""
        return [
            Entity(EntityInstanceId.parse(key), {"value": state})
            for key, state in self.entities.items()
            if key.startswith(prefix)
        ]


def operation(kind: Any = "drill", run: str = "drill-payroll-1", document: PlanDocument | None = None) -> Operation:
    """A run on the plan payroll."""
    document = document or plan()
    return Operation(
        id=run,
        kind=kind,
        plan="payroll",
        requested_by="ann",
        digest=document.digest,
        document=document,
        sites={"hci-01": site()},
    )


def look(
    run: str,
    status: OrchestrationStatus = OrchestrationStatus.RUNNING,
    *,
    kind: Any = "drill",
    custom_status: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> OrchestrationState:
    """A run as Azure Storage shows it: a custom status that was never set is the text "null" once a turn is over."""
    given = operation(kind, run).model_dump(mode="json")
    state = state_of(run, kind, status, given=given, output=output, custom_status=custom_status)
    is_unset = custom_status is None and status != OrchestrationStatus.PENDING
    return replace(state, serialized_custom_status="null") if is_unset else state
