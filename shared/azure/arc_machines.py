"""Arc machines with their extensions and run commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.arm_ids import names_by_type
from shared.azure.clients import azure
from shared.azure.errors import NotFound, NotNow, translate_errors
from shared.azure.json_fields import Json, date_of
from shared.errors import Refused, Transient

if TYPE_CHECKING:
    from azure.mgmt.hybridcompute.aio import HybridComputeManagementClient

BUSY_WAIT = 30
"""Seconds until a change of a machine is asked for again while Azure still works on another."""


async def list_machines(subscription: str) -> tuple[list[Json], datetime]:
    """Every Arc machine of a subscription, and when Azure answered."""
    answer_time = AnswerTime()
    client = azure().hybrid_compute_client(subscription)
    with translate_errors():
        pages = client.machines.list_by_subscription(raw_response_hook=answer_time)
        return [machine async for machine in pages], answer_time.at


class ArcMachine:
    """One Arc machine, for as long as one activity lasts; what it raises is Transient or Refused."""

    def __init__(self, machine_id: str) -> None:
        named = names_by_type(machine_id)
        try:
            self._scope = (named["resourcegroups"], named["machines"])
            self._client: HybridComputeManagementClient = azure().hybrid_compute_client(named["subscriptions"])
        except KeyError as missing:
            raise Refused("not-a-machine", f"not the ARM id of an Arc machine: {machine_id}") from missing

    async def read_machine(self) -> tuple[Json, datetime]:
        """The machine, and when Azure answered."""
        answer_time = AnswerTime()
        with translate_errors():
            return await self._client.machines.get(*self._scope, raw_response_hook=answer_time), answer_time.at

    async def list_extensions(self) -> list[Json]:
        """Its extensions with the last messages of their handlers."""
        with translate_errors():
            pages = self._client.machine_extensions.list(*self._scope, expand="instanceView")
            return [extension async for extension in pages]

    async def find_extension(self, name: str) -> Json | None:
        """An extension by its name, None when there is none."""
        return await _find_or_none(self._client.machine_extensions.get, *self._scope, name)

    async def create_extension(self, name: str, body: dict[str, Any], request_id: str) -> None:
        """Ask for an extension; it is not there yet when this returns.

        Raises:
            Transient: also while Azure still works on the machine's extensions, which passes.
        """
        from azure.mgmt.hybridcompute.models import MachineExtension  # noqa: PLC0415 - only when used

        with _pass_conflicts():
            await self._client.machine_extensions.begin_create_or_update(
                *self._scope, name, MachineExtension(body), polling=False, request_id=request_id
            )

    async def delete_extension(self, name: str, request_id: str) -> None:
        """Ask for an extension to be uninstalled; it is still there when this returns.

        Raises:
            Transient: also while Azure still works on the machine's extensions, which passes.
        """
        with _pass_conflicts():
            await self._client.machine_extensions.begin_delete(*self._scope, name, polling=False, request_id=request_id)

    async def find_run_command(self, name: str) -> Json | None:
        """A run command by its name with its instance view, None when there is none."""
        return await _find_or_none(self._client.machine_run_commands.get, *self._scope, name)

    async def put_run_command(self, name: str, body: dict[str, Any], request_id: str) -> None:
        """Run a script; each PUT of a name that exists would run it again (recorded).

        Raises:
            Transient: also while Azure still works on the machine, which passes.
        """
        from azure.mgmt.hybridcompute.models import MachineRunCommand  # noqa: PLC0415 - only when used

        with _pass_conflicts():
            await self._client.machine_run_commands.begin_create_or_update(
                *self._scope, name, MachineRunCommand(body), polling=False, request_id=request_id
            )

    async def delete_run_command(self, name: str, request_id: str) -> None:
        """Remove a run command with its output; one that still runs is stopped.

        Raises:
            Transient: also while Azure still works on the machine, which passes.
        """
        with _pass_conflicts():
            await self._client.machine_run_commands.begin_delete(
                *self._scope, name, polling=False, request_id=request_id
            )


@contextmanager
def _pass_conflicts() -> Iterator[None]:
    """What collides with other work on a machine was not taken, and is to be asked for again."""
    try:
        with translate_errors():
            yield
    except NotNow as busy:
        raise Transient(str(busy), BUSY_WAIT) from busy


async def _find_or_none(get: Callable[..., Any], *names: str) -> Json | None:
    try:
        with translate_errors():
            found: Json = await get(*names)
            return found
    except NotFound:
        return None


class AnswerTime:
    """Keeps when Azure answered last, by its own clock."""

    def __init__(self) -> None:
        self._at: datetime | None = None

    def __call__(self, answer: Any) -> None:
        """Note the date of an answer: for a client's raw_response_hook."""
        self._at = date_of(answer.http_response.headers)

    @property
    def at(self) -> datetime:
        """That moment.

        Raises:
            ValueError: nothing was answered yet.
        """
        if self._at is None:
            raise ValueError("Azure has not answered yet")
        return self._at
