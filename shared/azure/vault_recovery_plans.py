"""The recovery plans of a vault: listed, read, made, changed and deleted."""

from collections.abc import Awaitable, Callable
from typing import Any

from shared.azure.errors import NotFound, translate_errors
from shared.azure.json_fields import Json
from shared.azure.vault_setup import OnboardingVault
from shared.errors import Refused
from shared.recovery_plans.parts import PlanPart
from shared.site_recovery.views import Verb

SCENARIOS = {"save": "SaveRecoveryPlan", "replace": "UpdateRecoveryPlan", "remove": "DeleteRecoveryPlan"}
"""scenarioName of the job that each write shows up as (recorded)."""


class RecoveryPlansVault(OnboardingVault):
    """One vault, for as long as one activity lasts; what it raises is Transient or Refused."""

    async def list_plans(self) -> list[Json]:
        """Every recovery plan of the vault, without its groups: a list shows none (recorded)."""
        found, _ = await self._list_all("replicationRecoveryPlans")
        return found

    async def find_plan(self, name: str) -> Json | None:
        """One recovery plan with its groups, None when the vault has none of this name."""
        self._reads += 1
        try:
            with translate_errors():
                return await self._client.replication_recovery_plans.get(*self._vault_scope, name)
        except NotFound:
            return None

    async def start_plan_verb(self, verb: Verb, name: str, body: Json | None, request_id: str) -> str:
        """Send a verb to a recovery plan, once and never again, and have the name of the job that does it."""
        return await self.send_operation(
            self._plan_operation(verb), name, *([] if body is None else [body]), request_id
        )

    def _plan_operation(self, verb: Verb) -> Callable[..., Awaitable[Any]]:
        """The operation of a verb.

        Raises:
            Refused: recovery plans know no such verb.
        """
        plans = self._client.replication_recovery_plans
        operations: dict[Verb, Callable[..., Awaitable[Any]]] = {
            "TestFailover": plans.begin_test_failover,
            "TestFailoverCleanup": plans.begin_test_failover_cleanup,
            "PlannedFailover": plans.begin_planned_failover,
            "UnplannedFailover": plans.begin_unplanned_failover,
            "Commit": plans.begin_failover_commit,
            "Failback": plans.begin_planned_failover,
            "ReverseReplicate": plans.begin_reprotect,
            "CancelFailover": plans.begin_failover_cancel,
        }
        if verb not in operations:
            raise Refused("not-a-plan-verb", f"a recovery plan cannot be asked for {verb}")
        return operations[verb]

    async def create_plan(self, part: PlanPart, request_id: str) -> str:
        """Ask for a new recovery plan; the job that makes it."""
        plans = self._client.replication_recovery_plans
        return await self.send_operation(plans.begin_create, part.name, part.to_create_body(), request_id)

    async def replace_groups(self, part: PlanPart, request_id: str) -> str:
        """Replace all groups of a recovery plan; the job that does it."""
        plans = self._client.replication_recovery_plans
        return await self.send_operation(plans.begin_update, part.name, part.to_update_body(), request_id)

    async def delete_plan(self, name: str, request_id: str) -> str:
        """Delete a recovery plan, whose machines stay protected; the job that does it."""
        return await self.send_operation(self._client.replication_recovery_plans.begin_delete, name, request_id)
