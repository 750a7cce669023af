"""What people use instead, on the same simulated Azure: the SDK's pollers in a thread pool, and ASR's recovery plan."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient

from lab.http_calls import call_server
from lab.servers import Servers

POOL = 32
"""Threads, as in the examples that people start from."""
SUBSCRIPTION, GROUP, VAULT = "11111111-1111-1111-1111-111111111111", "rg-dr", "vault-dr"
API = "api-version=2025-08-01"
JOB_LIST_CAP, DAY = 200, timedelta(days=1)
BASE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.RecoveryServices/vaults/{VAULT}"
PLANNED = {
    "properties": {
        "failoverDirection": "PrimaryToRecovery",
        "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"},
    }
}


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    """The lab's token over plain HTTP, which the SDK's own policy refuses; and its half minutes in simulated time."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Sign a request."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:  # noqa: ARG002
        """Forget Retry-After, which would be waited for in real seconds: the polling interval is as long, simulated."""
        response.http_response.headers.pop("Retry-After", None)


class _Unused:
    """A credential that is never asked: the policy above signs instead."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Refuse."""
        raise AssertionError(f"asked for a token of {scopes}")


def token(servers: Servers) -> str:
    """A token of the lab's identity."""
    path = f"/msi/token?api-version=2019-08-01&resource={servers.azure.base}"
    answer = call_server(servers.azure.base, "GET", path, headers={"X-IDENTITY-HEADER": "lab-identity"}).body
    return str(answer["access_token"])


def now(servers: Servers) -> datetime:
    """The simulated time."""
    return datetime.fromisoformat(call_server(servers.azure.base, "GET", "/lab/clock").body["now"])


def pollers(servers: Servers, waves: Sequence[Sequence[str]], speed: float) -> float:
    """Wave after wave through `begin_planned_failover(...).result()` in a thread pool: simulated seconds it took."""
    client = SiteRecoveryManagementClient(
        _Unused(),
        SUBSCRIPTION,
        base_url=servers.azure.base,
        authentication_policy=_Bearer(token(servers)),
        polling_interval=30 / speed,
    )
    places = {item.properties.friendly_name: item.id.split("/") for item in _items(client)}

    def move(vm: str) -> None:
        fabric, container, item = (places[vm][at] for at in (10, 12, 14))
        poller = client.replication_protected_items.begin_planned_failover(
            GROUP, VAULT, fabric, container, item, PLANNED, polling_interval=30 / speed
        )
        while not poller.done():
            time.sleep(1 / speed)

    began = now(servers)
    with ThreadPoolExecutor(POOL) as pool:
        for wave in waves:
            list(pool.map(move, wave))
    return (now(servers) - began).total_seconds()


def _items(client: SiteRecoveryManagementClient) -> list[Any]:
    return list(client.replication_protected_items.list(GROUP, VAULT))


def recovery_plan(servers: Servers, waves: Sequence[Sequence[str]], speed: float) -> float:
    """Site Recovery's own plan, a group for each wave: simulated seconds its failover took."""
    headers = {"Authorization": f"Bearer {token(servers)}"}
    ids = {item["properties"]["friendlyName"]: item for item in _listed(servers, "replicationProtectedItems", headers)}
    fabric = _listed(servers, "replicationFabrics", headers)[0]["id"]
    groups = [{"groupType": "Boot", "replicationProtectedItems": [_member(ids[vm]) for vm in wave]} for wave in waves]
    body = {"primaryFabricId": fabric, "recoveryFabricId": "Microsoft Azure"}
    body |= {"failoverDeploymentModel": "ResourceManager", "groups": groups}
    plan = f"{BASE}/replicationRecoveryPlans/bench"
    _accepted(servers, "PUT", plan, body, headers)
    time.sleep(60 / speed)
    began = now(servers)
    ask = {
        "failoverDirection": "PrimaryToRecovery",
        "providerSpecificDetails": [{"instanceType": "HyperVReplicaAzure"}],
    }
    _accepted(servers, "POST", f"{plan}/plannedFailover", ask, headers)
    while (state := _plan_state(servers, headers)) in {None, "NotStarted", "InProgress"}:
        time.sleep(30 / speed)
    if state != "Succeeded":
        raise RuntimeError(f"the recovery plan's failover ended {state}")
    return (now(servers) - began).total_seconds()


def _accepted(
    servers: Servers, method: str, path: str, properties: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    reply = call_server(servers.azure.base, method, f"{path}?{API}", {"properties": properties}, headers=headers)
    if reply.status != HTTPStatus.ACCEPTED:
        raise RuntimeError(f"{method} {path}: {reply.status} {reply.body}")


def _member(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": item["id"], "virtualMachineId": item["name"]}


def _plan_state(servers: Servers, headers: Mapping[str, str]) -> str | None:
    """The state of the plan's job; None while it is queued and so shows nothing of itself."""
    jobs = [job["properties"] for job in _listed(servers, "replicationJobs", headers)]
    of_plan = [job for job in jobs if job["targetInstanceType"] == "RecoveryPlan"]
    return next((job["state"] for job in of_plan if job["scenarioName"] == "PlannedFailover"), None)


def _listed(servers: Servers, what: str, headers: Mapping[str, str], only: str = "") -> list[Any]:
    found: list[Any] = []
    path: str | None = f"{BASE}/{what}?{API}" + (f"&$filter={quote(only)}" if only else "")
    while path:
        page = call_server(servers.azure.base, "GET", path, headers=headers).body
        found += page["value"]
        path = (page.get("nextLink") or "").removeprefix(servers.azure.base) or None
    return found


def moved(servers: Servers) -> list[dict[str, Any]]:
    """Each VM with the times of its own failover job, as an operation of ours shows them."""
    end = now(servers)
    jobs = _jobs(servers, {"Authorization": f"Bearer {token(servers)}"}, end - DAY, end)
    told = [job["properties"] for job in jobs if job["properties"]["targetInstanceType"] == "ProtectionEntity"]
    return [
        {"vm": job["targetObjectName"], "steps": [{"startedAt": job["startTime"], "endedAt": job["endTime"]}]}
        for job in told
        if job["scenarioName"] == "PlannedFailover"
    ]


def _jobs(servers: Servers, headers: Mapping[str, str], since: datetime, until: datetime) -> list[Any]:
    """All jobs that began in a span: a list has no more than 200 and no second page, so it is halved until it fits."""
    span = f"StartTime eq '{since:%Y-%m-%dT%H:%M:%S.%f}0Z' and EndTime eq '{until:%Y-%m-%dT%H:%M:%S.%f}0Z'"
    found = _listed(servers, "replicationJobs", headers, span)
    if len(found) < JOB_LIST_CAP or until - since < timedelta(seconds=1):
        return found
    middle = since + (until - since) / 2
    halves = (*_jobs(servers, headers, since, middle), *_jobs(servers, headers, middle, until))
    return list({job["name"]: job for job in halves}.values())
