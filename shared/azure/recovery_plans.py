"""The recovery plans of a vault: listed, read, made, changed and deleted."""

from shared.azure.faults import Missing, translated
from shared.azure.onboarding import OnboardingVault
from shared.azure.wire import Json
from shared.recovery_plans import Part

SCENARIOS = {"save": "SaveRecoveryPlan", "replace": "UpdateRecoveryPlan", "remove": "DeleteRecoveryPlan"}
"""scenarioName of the job that each write shows up as (recorded)."""


class PlansVault(OnboardingVault):
    """One vault, for as long as one activity lasts; what it raises is Transient or Refused."""

    async def list_plans(self) -> list[Json]:
        """Every recovery plan of the vault, without its groups: a list shows none (recorded)."""
        found, _ = await self._list("replicationRecoveryPlans")
        return found

    async def find_plan(self, name: str) -> Json | None:
        """One recovery plan with its groups, None when the vault has none of this name."""
        try:
            with translated():
                return await self._client.replication_recovery_plans.get(*self._scope, name)
        except Missing:
            return None

    async def save_plan(self, part: Part, request_id: str) -> str:
        """Ask for a new recovery plan; the job that makes it."""
        plans = self._client.replication_recovery_plans
        return await self.send(plans.begin_create, part.name, part.document(), request_id)

    async def replace_groups(self, part: Part, request_id: str) -> str:
        """Replace all groups of a recovery plan; the job that does it."""
        plans = self._client.replication_recovery_plans
        return await self.send(plans.begin_update, part.name, part.replacement(), request_id)

    async def delete_plan(self, name: str, request_id: str) -> str:
        """Delete a recovery plan, whose machines stay protected; the job that does it."""
        return await self.send(self._client.replication_recovery_plans.begin_delete, name, request_id)
