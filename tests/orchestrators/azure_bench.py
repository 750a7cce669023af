"""Runbooks in virtual time over real activities, against the simulated Azure: its clock moves as the runbook's does.

It stands apart from the fake of `azure/` on purpose: here the real activities and clients are tested too, over HTTP.
A kill is an activity that runs once more after its answer was lost: that is all that a run ever sees of one.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from activities import nodes, vault
from activities.bindings import ACTIVITIES
from orchestrators.durable.entities import ENTITIES
from shared.activity import Activity, Nothing
from shared.azure.clients import close_azure
from shared.azure.vault import Vault
from shared.errors import Refused
from shared.healing.contract import CREATE_EXTENSION, READ_NODES
from shared.messages import Message, VaultRef
from shared.operations.contract import (
    PUBLISH_EVENT,
    READ_ENDED_RUNS,
    START_RUN,
    EndedRunsRead,
    EventPublished,
    ReadEndedRuns,
    StartRun,
)
from shared.site_recovery.contract import READ_PROVIDERS, WATCH_JOBS
from shared.sites.site import SiteDocument
from tests.activities.lab import Lab
from tests.driver import Clock, Driver, Orchestrator, Result

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
NETWORKS = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks"


def site(**changes: Any) -> SiteDocument:
    """The site that the scenario `bare` can be made into."""
    return SiteDocument.model_validate(
        {
            "cluster": f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
            "vault": f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
            "hyperVSite": "hci-01-site",
            "policy": {"name": "policy-24h", "appConsistentHours": 1},
            "targetResourceGroup": f"{SUB}/resourceGroups/rg-dr-vms",
            "network": f"{NETWORKS}/vnet-dr",
            "subnet": "apps",
            "drillNetwork": {"network": f"{NETWORKS}/vnet-drill"},
            "region": "westeurope",
            **changes,
        }
    )


class AzureBench:
    """A driver over the simulated Azure.

    Attributes:
        kill: Called with each activity's name and ask once it is done; true loses its answer.
        repaired: Ids of the healing runs that were started, which end at once.
        living: Other runs that have not ended.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab, self.repaired, self.living = lab, list[str](), set[str]()
        self.kill: Callable[[str, Any], bool] = lambda _name, _ask: False
        self.on_repair: Callable[[StartRun], None] = lambda _start: None
        self._runner = asyncio.Runner()
        lab.freeze()
        self.clock = Clock(lab.now())
        self.clock.watchers.append(self._pass)
        self.driver = Driver(self._activities(), dict(ENTITIES), self.clock)

    def close(self) -> None:
        self._runner.run(close_azure())
        self._runner.close()

    def run(self, runbook: Orchestrator, order: Message, run: str) -> Result:
        return self.driver.run(runbook, order.model_dump(mode="json"), run)

    def items(self) -> list[Any]:
        """The vault's protected items, raw."""
        vault = VaultRef.from_id(site().vault)

        async def read() -> list[Any]:
            return list(await Vault(vault).list_items())

        return self._runner.run(read())

    def item(self, vm: str) -> Any:
        return next(item for item in self.items() if item["properties"]["friendlyName"] == vm)

    def _pass(self, now: datetime) -> None:
        if (span := now - self.lab.now()).total_seconds() > 0:
            self.lab.advance(span)

    def _activities(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        real: list[tuple[Activity[Any, Any], Any]] = [
            *ACTIVITIES,
            (READ_NODES, nodes.read_nodes),
            (CREATE_EXTENSION, nodes.create_extension),
            (READ_PROVIDERS, vault.read_providers),
            (WATCH_JOBS, vault.watch_jobs),
            (PUBLISH_EVENT, self._publish),
            (READ_ENDED_RUNS, self._read_runs),
            (START_RUN, self._start_run),
        ]
        return {activity.name: self._served(activity, function) for activity, function in real}

    def _served(self, activity: Activity[Any, Any], function: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            ask = activity.request.model_validate(payload)
            answer = self._answer(function, ask)
            while self.kill(activity.name, ask):
                answer = self._answer(function, ask)
            return answer

        return serve

    def _answer(self, function: Any, ask: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._runner.run(function(ask)).model_dump(mode="json")
        except Refused as no:
            return {"refused": {"code": no.code, "detail": no.detail}}
        return answer

    async def _publish(self, _ask: Any) -> EventPublished:
        return EventPublished(sent=True)

    async def _read_runs(self, ask: ReadEndedRuns) -> EndedRunsRead:
        return EndedRunsRead(ended=tuple(run for run in ask.ids if run not in self.living))

    async def _start_run(self, ask: StartRun) -> Nothing:
        if ask.id not in self.repaired:
            self.repaired.append(ask.id)
            self.on_repair(ask)
        return Nothing()
