"""What clients ask of orchestrations: start, events, suspend, resume, terminate, restart, rewind, purge."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.instances import FAILED, SUSPENDED, TERMINATED, End, Instance, Instances, Unfit
from lab.host.engine.moments import to_string_value, to_timestamp
from lab.host.engine.orders import Order
from lab.host.engine.renewal import Renewal
from lab.host.engine.store import Store
from lab.host.engine.versions import Versions

LONGEST_ID = 100
"""Characters; Azure's limit, as the characters below are."""


class BadId(ValueError):
    """Not an id that Azure would take for an instance."""


class Control:
    """Each call is one transaction."""

    def __init__(
        self, store: Store, agenda: Agenda, instances: Instances, renewal: Renewal, versions: Versions
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances
        self._renewal = renewal
        self._versions = versions

    def start(self, order: Order, replaceable: Sequence[int] = ()) -> str:
        """Start an orchestration and answer its id.

        Raises:
            Exists: one of this id runs, or is in a status that is not among the replaceable.
            BadId: Azure would not take this id.
        """
        order = order if order.id else replace(order, id=uuid.uuid4().hex)
        _require_good(order.id)
        with self._store.transaction():
            former = self._instances.find(order.id)
            if former is not None and former.status in replaceable and not former.finished:
                self._terminate_instance(former, "replaced", recursive=False)
            self._instances.start_instance(order, (*replaceable, TERMINATED) if replaceable else ())
        return order.id

    def require_unfinished(self, instance_id: str) -> Instance:
        """The instance, which has not ended.

        Raises:
            Missing: there is no such instance.
            Unfit: it is finished.
        """
        found = self._instances.get(instance_id)
        if found.finished:
            raise Unfit(f"instance {instance_id} is already finished")
        return found

    def require_finished(self, instance_id: str) -> None:
        """See that the instance has ended, or is not there.

        Raises:
            Unfit: it goes on.
        """
        found = self._instances.find(instance_id)
        if found is not None and not found.finished:
            raise Unfit(f"Only orchestrations in a terminal state can be purged, and {instance_id} is not in one")

    def raise_event(self, instance_id: str, name: str, data: str | None) -> None:
        """Send an event, its data in JSON; raises as `require_unfinished` does."""
        self._post_message(instance_id, eventRaised=pb.EventRaisedEvent(name=name, input=to_string_value(data)))

    def suspend(self, instance_id: str, reason: str | None) -> None:
        """Let nothing reach the instance until it is resumed; raises as `require_unfinished` does."""
        self._post_message(instance_id, executionSuspended=pb.ExecutionSuspendedEvent(input=to_string_value(reason)))

    def resume(self, instance_id: str, reason: str | None) -> None:
        """Undo `suspend`, once that has happened; raises as `require_unfinished` does, and Unfit for one that runs."""
        if self.require_unfinished(instance_id).status != SUSPENDED:
            raise Unfit(f"Cannot resume the orchestration instance {instance_id}: it is not suspended.")
        self._post_message(instance_id, executionResumed=pb.ExecutionResumedEvent(input=to_string_value(reason)))

    def terminate(self, instance_id: str, output: str | None, *, recursive: bool) -> None:
        """End the instance now, its sub-orchestrations first if asked; raises as `require_unfinished` does.

        One that is left to another app waits for that also with its end.
        """
        with self._store.transaction():
            instance = self.require_unfinished(instance_id)
            if self._versions.is_ours(instance.version):
                self._terminate_instance(instance, output, recursive=recursive)
            else:
                ended = pb.ExecutionTerminatedEvent(input=to_string_value(output), recurse=recursive)
                self._instances.post_event(instance_id, None, self._new_event(executionTerminated=ended))

    def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Start what the instance was started with once more, and answer the id.

        Raises:
            Missing: there is no such instance.
            Unfit: it still runs, and its own id was asked for.
        """
        former = self._instances.get(instance_id)
        if not new_id and not former.finished:
            raise Unfit(f"An orchestration with the instanceId {instance_id} cannot be restarted: it is still running.")
        order = Order(
            id=uuid.uuid4().hex if new_id else instance_id,
            name=former.name,
            input=former.input,
            version=former.version,
            tags=former.tag_map,
        )
        self._instances.start_instance(order)
        return order.id

    def rewind(self, instance_id: str, reason: str | None) -> None:
        """Let a failed instance try again what failed.

        Raises:
            Missing: there is no such instance.
            Unfit: it has not failed.
        """
        with self._store.transaction():
            instance = self._instances.get(instance_id)
            if instance.status != FAILED:
                raise Unfit(f"The rewind operation is only supported on failed orchestration instances: {instance_id}")
            self._renewal.rewind_instance(instance, reason)

    def purge(self, instance_ids: Iterable[str], *, recursive: bool = False) -> int:
        """Delete instances that are finished; answers how many there were, children counted."""
        with self._store.transaction():
            return sum(self._purge_instance(instance_id, recursive=recursive) for instance_id in instance_ids)

    def _purge_instance(self, instance_id: str, *, recursive: bool) -> int:
        found = self._instances.find(instance_id)
        if found is None or not found.finished:
            return 0
        children = self._instances.list_children(instance_id) if recursive else []
        below = sum(self._purge_instance(child.id, recursive=True) for child in children)
        self._instances.forget_instance(instance_id)
        return 1 + below

    def _terminate_instance(self, instance: Instance, output: str | None, *, recursive: bool) -> None:
        if recursive:
            for child in self._instances.list_children(instance.id):
                if not child.finished and child.parent_execution == instance.execution:
                    self._terminate_instance(child, output, recursive=True)
        ended = pb.ExecutionTerminatedEvent(input=to_string_value(output), recurse=recursive)
        self._instances.append_history(instance.id, [self._new_event(executionTerminated=ended)])
        self._instances.finish_instance(instance, End(TERMINATED, output))

    def _post_message(self, instance_id: str, **what: object) -> None:
        with self._store.transaction():
            self.require_unfinished(instance_id)
            self._instances.post_event(instance_id, None, self._new_event(**what))

    def _new_event(self, **what: object) -> pb.HistoryEvent:
        return pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()), **what)  # type: ignore[arg-type]


def _require_good(instance_id: str) -> None:
    """Source: the documentation of Durable Functions on instance ids."""
    if len(instance_id) > LONGEST_ID:
        raise BadId(f"an instance id has at most {LONGEST_ID} characters: {instance_id}")
    if instance_id.startswith("@") or not instance_id.isprintable() or set(instance_id) & set("/\\#?"):
        raise BadId(f"an instance id must not begin with @, nor hold / \\ # ? or control characters: {instance_id!r}")
