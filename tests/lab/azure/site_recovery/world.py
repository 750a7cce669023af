"""A simulated Azure with one vault, met over HTTP by the SDK; its clock moves only when a test or a poller waits."""

from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.core.rest import HttpRequest
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient as SyncClient
from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient as AsyncClient

from lab.azure import storage
from lab.azure.arm import resources, tokens
from lab.azure.network import virtual_networks
from lab.azure.server import Server
from lab.azure.simulator.lab import SUBSCRIPTION, Lab
from lab.azure.site_recovery.api.common import API_VERSION
from lab.azure.site_recovery.seed import seed_vault
from lab.clock import ManualClock

type Json = dict[str, Any]

GROUP, VAULT, SITE = "rg-dr", "vault-dr", "hci-01-site"
TO_AZURE = {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}
UNPLANNED = TO_AZURE | {"sourceSiteOperations": "NotRequired"}


def network_id(name: str = "vnet-drill") -> str:
    """The id of one of the two networks."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/{name}"


TEST = TO_AZURE | {"networkType": "VmNetworkAsInput", "networkId": network_id()}
TEST_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dr-vms"
CACHE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"


def failback(sync: str = "ForSynchronization") -> Json:
    """The properties of a failback."""
    details = {
        "instanceType": "HyperVReplicaAzureFailback",
        "dataSyncOption": sync,
        "recoveryVmCreationOption": "NoAction",
    }
    return {"failoverDirection": "RecoveryToPrimary", "providerSpecificDetails": details}


class _Token:
    """Hands every client the same token."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        """As azure.core asks for it."""
        return AccessToken("unused", 0)


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    """Azure's own policy sends no token over plain HTTP."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class _Waiting(AioHttpTransport):  # type: ignore[misc]  # azure.core names it lazily
    """A poller that waits moves the clock instead."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    async def sleep(self, duration: float) -> None:
        self._clock.advance(timedelta(seconds=duration))


class _SyncWaiting(RequestsTransport):  # type: ignore[misc]  # as above
    """As `_Waiting`, for the client without asyncio."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def sleep(self, duration: float) -> None:
        self._clock.advance(timedelta(seconds=duration))


class World:
    """The simulated Azure, its clock and its clients; use it as a context."""

    def __init__(self, machines: list[Json] | None = None) -> None:
        self.clock = ManualClock()
        self.lab = Lab(self.clock)
        self.server = Server(self.lab)
        self.machines = machines or [{"name": name, "node": "hci-01-n1"} for name in ("dc-01", "sql-01", "web-01")]
        self.token = tokens.issue_token("tester", "https://management.azure.com")["token"]
        self.base = ""
        self._clients: list[Any] = []

    async def __aenter__(self) -> Self:
        self.base = await self.server.start()
        for group in (GROUP, "rg-dr-vms", "rg-dr-net"):
            resources.put_group(self.lab, group)
        for name, prefix in (("vnet-dr", "10.20"), ("vnet-drill", "10.30")):
            virtual_networks.put_vnet(self.lab, "rg-dr-net", name, prefix, ["apps"])
        resources.put_resource(self.lab, self.vault, {})
        storage.add_account(self.lab, GROUP, "stdrcache")
        self.fabric = seed_vault(self.lab, self._settings())
        self.sdk = self.client()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.close()
        await self.server.stop()

    @property
    def vault(self) -> str:
        """The vault's id."""
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.RecoveryServices/vaults/{VAULT}"
        )

    def _settings(self) -> Json:
        return {
            "group": GROUP,
            "vault": VAULT,
            "site": SITE,
            "policy": "policy-24h",
            "nodes": [{"name": "hci-01-n1"}, {"name": "hci-01-n2", "registered": False}, {"name": "hci-01-n3"}],
            "target": {"resourceGroup": TEST_GROUP, "network": network_id("vnet-dr"), "subnet": "apps"},
            "machines": self.machines,
        }

    def client(self, *policies: Any) -> AsyncClient:
        """A client of the vault's API; `policies` see every call."""
        client = AsyncClient(
            _Token(),  # type: ignore[arg-type]  # its token is never asked for
            SUBSCRIPTION,
            base_url=self.base,
            authentication_policy=_Bearer(self.token),
            transport=_Waiting(self.clock),
            retry_total=0,
            per_call_policies=list(policies),
        )
        self._clients.append(client)
        return client

    def sync_client(self, *policies: Any) -> SyncClient:
        """A client without asyncio; use it in a thread."""
        return SyncClient(
            _Token(),
            SUBSCRIPTION,
            base_url=self.base,
            authentication_policy=_Bearer(self.token),
            transport=_SyncWaiting(self.clock),
            retry_total=0,
            per_call_policies=list(policies),
        )

    def names(self, machine: str = "sql-01") -> tuple[str, str, str, str, str]:
        """How the SDK names the item of a machine: group, vault, fabric, container, item."""
        record = self.record(machine)
        return GROUP, VAULT, SITE, record["container"].rpartition("/")[2], record["name"]

    def record(self, machine: str = "sql-01") -> Json:
        """What the simulator keeps of an item."""
        return next(item for item in self.lab.store.all("asr-item") if item["friendlyName"] == machine)

    def source(self, machine: str = "sql-01") -> Json:
        """What the simulator keeps of the machine on premises."""
        return next(each for each in self.lab.store.all("asr-machine") if each["friendlyName"] == machine)

    def pass_time(self, **how_long: float) -> None:
        """Let simulated time pass, and all that is due in it happen."""
        self.clock.advance(timedelta(**how_long))
        self.lab.run_due()

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """A raw call below the vault, or to a whole URL: status, body, headers."""
        url = path if path.startswith("http") else f"{self.base}{self.vault}{path}"
        parameters = {} if "api-version=" in url else {"api-version": API_VERSION}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = HttpRequest(method, url, params=parameters, json=body, headers=sent)
        answer = await self.sdk.send_request(request)
        return answer.status_code, answer.json() if answer.text() else None, answer.headers

    async def start(self, verb: str, properties: Json | None = None, machine: str = "sql-01", **headers: str) -> str:
        """Ask an item for a verb; gives the name of the job."""
        path = self.record(machine)["id"].partition("/vaults/vault-dr")[2]
        body = None if properties is None else {"properties": properties}
        status, answer, answer_headers = await self.call("POST", f"{path}/{verb}", body, **headers)
        assert status == 202, answer
        return job_of(answer_headers)

    async def job(self, name: str) -> Json:
        """The properties of a job."""
        status, body, _ = await self.call("GET", f"/replicationJobs/{name}")
        assert status == 200, body
        return dict(body["properties"])

    async def item(self, machine: str = "sql-01") -> Json:
        """The properties of an item."""
        found = await self.sdk.replication_protected_items.get(*self.names(machine))
        return dict(found.as_dict()["properties"])

    async def done(self, verb: str, properties: Json | None = None, machine: str = "sql-01") -> Json:
        """Do a verb to its end, and the replication that may follow; gives the job."""
        name = await self.start(verb, properties, machine)
        self.pass_time(minutes=30)
        return await self.job(name)

    async def fail_over(self, machine: str = "sql-01") -> None:
        """Have an item failed over and committed."""
        assert (await self.done("plannedFailover", TO_AZURE, machine))["state"] == "Succeeded"
        assert (await self.done("failoverCommit", None, machine))["state"] == "Succeeded"

    def vm(self, name: str) -> Json | None:
        """The Azure VM of that name."""
        return resources.find_resource(self.lab, f"{TEST_GROUP}/providers/Microsoft.Compute/virtualMachines/{name}")


def job_of(headers: Any) -> str:
    """The name of the job that polling headers name."""
    return str(headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2])


def codes(job: Json) -> list[str]:
    """The codes of a job's errors."""
    return [error["serviceErrorDetails"]["code"] for error in job["errors"]]
