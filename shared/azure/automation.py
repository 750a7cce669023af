"""Jobs of Azure Automation: one is created once, and then looked at.

Source: Microsoft.Automation 2024-10-23, automationAccounts/jobs: PUT creates and starts a job under a name of the
caller's; one that exists is a conflict ("Job with specified id already exists"), so that no job is started twice.
"""

from shared.arm_ids import split_at
from shared.azure.api_versions import AUTOMATION_API
from shared.azure.arm import find_resource, post_action, put_resource, read_text
from shared.azure.json_fields import Json
from shared.errors import Refused


class RunbookJob:
    """A job of a runbook, by a name of its own: a GUID."""

    def __init__(self, runbook_id: str, name: str) -> None:
        account, runbook = split_at(runbook_id, "runbooks")
        if not runbook:
            raise Refused("not-a-runbook", f"not the ARM id of a runbook: {runbook_id}")
        self._runbook, self._id = runbook, f"{account}/jobs/{name}"

    async def find_job(self) -> Json | None:
        """The job, None when there is none."""
        return await find_resource(self._id, AUTOMATION_API)

    async def start_job(self, parameters: dict[str, str], run_on: str, request_id: str) -> None:
        """Create the job, which starts it; one that is there is left alone.

        Raises:
            Refused: there is no such runbook, or it cannot be started.
        """
        properties: Json = {"runbook": {"name": self._runbook}, "parameters": parameters}
        if run_on:
            properties = {**properties, "runOn": run_on}
        try:
            await put_resource(self._id, AUTOMATION_API, {"properties": properties}, request_id)
        except Refused:
            if await self.find_job() is None:  # else it is the conflict with itself, after an answer that was lost
                raise

    async def read_output(self) -> str:
        """What it wrote to its output stream."""
        return await read_text(f"{self._id}/output", AUTOMATION_API)

    async def stop_job(self, request_id: str) -> None:
        """Ask it to stop; it may go on for a while."""
        await post_action(self._id, "stop", AUTOMATION_API, request_id)
