"""Where the app can be led to: not to the machine's own services, not elsewhere with its token, not out of memory."""

import gzip
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from activities.hooks import run_hook
from activities.http_calls import LONGEST_BODY, encode_json, post_content
from activities.probes import probe_vms
from shared.azure.vault import Vault
from shared.documents import hook_url_flaw
from shared.errors import Refused
from shared.messages import VaultRef
from shared.network_addresses import WIRE_SERVER, find_address_flaw
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbeTarget, RunHook
from tests.listening import listening
from tests.shared.azure.fake import VAULT, FakeArm, item, listed, standing

OWN = ["127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "2002:7f00:1::"]
AZURE_OF_THE_MACHINE = ["169.254.169.254", "169.254.130.1", "fe80::1", "::ffff:169.254.169.254", "168.63.129.16"]
NOBODY = ["224.0.0.1", "255.255.255.255", "ff02::1"]
NAMES = ["localhost", "LOCALHOST", "localhost.", "my.localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", "https://management.azure.com")


@pytest.fixture
def in_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", "http://127.0.0.1:1")


class Listener:
    """Something that listens on this machine, as the endpoint of the app's identity does."""

    def __init__(self) -> None:
        self.asked: list[web.BaseRequest] = []
        self.port = 0
        self.body, self.headers = b'{"passed": true}', dict[str, str]()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        return web.Response(body=self.body, headers=self.headers)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    found = Listener()
    async with listening(found.answer) as url:
        found.port = int(url.rpartition(":")[2])
        yield found


@pytest.mark.parametrize("address", [*OWN, *AZURE_OF_THE_MACHINE, *NOBODY])
def test_addresses_that_trust_the_machine_are_known(address: str) -> None:
    assert find_address_flaw(address)
    assert bool(find_address_flaw(address, is_own_allowed=True)) == (address not in OWN)


@given(st.ip_addresses(v=4))
def test_other_addresses_may_be_asked_in_whatever_spelling(address: ipaddress.IPv4Address) -> None:
    special = (address.is_loopback, address.is_unspecified, address.is_link_local, address.is_multicast)
    flaw = find_address_flaw(str(address))
    assert (flaw != "") == (any(special) or address.is_reserved or address == WIRE_SERVER)
    assert [find_address_flaw(f"{beginning}{address}") for beginning in ("::ffff:", "64:ff9b::")] == [flaw, flaw]


@pytest.mark.parametrize("host", [*AZURE_OF_THE_MACHINE, *NOBODY])
def test_no_plan_can_name_them(host: str) -> None:
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    assert "must lead to a service of yours" in hook_url_flaw(f"https://{shown}/metadata/identity")


@pytest.mark.parametrize(
    "url", ["https://hooks.example:0x/", "https://hooks.example:99999/", "https://h:0/", "https://[h"]
)
def test_an_address_that_nobody_could_ask_is_refused_when_it_is_declared(url: str) -> None:
    assert hook_url_flaw(url) == "must be an absolute https URL"


def hook(url: str) -> RunHook:
    return RunHook(id="d:before:0", url=url, moment="before", operation="d", plan="p", state="starting")


async def try_callback(url: str) -> tuple[bool, str]:
    target = ProbeTarget(
        vm="v", azure_vm="v", target_group="/g", probes=(Probe(kind="callback", url=url),), address="10.0.0.4"
    )
    (answer,) = (await probe_vms(ProbeBatch(targets=(target,)))).answers
    return answer.passed, answer.detail


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("host", ["127.0.0.1", *NAMES])
async def test_what_is_deployed_does_not_ask_its_own_machine_by_whatever_name(host: str, listener: Listener) -> None:
    url = f"http://{host}:{listener.port}/msi/token"
    answer = await run_hook(hook(url))
    assert (answer.passed, answer.may_change) == (False, True)
    assert listener.asked == []


@pytest.mark.usefixtures("deployed")
async def test_a_name_that_leads_there_today_is_not_followed(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It led elsewhere when the plan was declared."""

    def resolve(*_args: Any, **_how: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", listener.port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    passed, detail = await try_callback(f"https://hooks.contoso.example:{listener.port}/x")
    assert (passed, "gave no answer" in detail, listener.asked) == (False, True, [])


@pytest.mark.usefixtures("in_lab")
async def test_in_the_lab_hooks_are_on_the_same_machine(listener: Listener) -> None:
    assert (await run_hook(hook(f"http://127.0.0.1:{listener.port}/x"))).passed
    assert await try_callback(f"http://localhost:{listener.port}/x") == (True, "")


@pytest.mark.usefixtures("in_lab")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", ""])
async def test_an_answer_of_gigabytes_takes_no_memory(listener: Listener, encoding: str) -> None:
    packed = gzip.compress(b'{"passed": true' + b" " * 2**24 + b"}")
    listener.body = packed if encoding else b'{"passed": true' + b" " * 2**22 + b"}"
    listener.headers = {"Content-Encoding": encoding} if encoding else {}
    answer = await post_content(f"http://127.0.0.1:{listener.port}/x", encode_json({}))
    assert len(answer.body) <= LONGEST_BODY
    assert listener.asked[0].headers["Accept-Encoding"] == "identity"
    assert answer.body == (b"" if encoding else listener.body[:LONGEST_BODY])


@pytest.mark.usefixtures("in_lab")
@pytest.mark.parametrize("body", [b"[" * 60_000, b"\xff\xfe", b"9" * 60_000, b"NaN"])
async def test_an_answer_that_is_no_json_is_no_answer(listener: Listener, body: bytes) -> None:
    listener.body = body
    passed, detail = await try_callback(f"http://127.0.0.1:{listener.port}/x")
    assert passed == (body == b"NaN"), detail


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:{other}", "http://localhost:{arm}", "https://evil.example", "https://127.0.0.1:{arm}"]
)
async def test_the_next_page_of_a_list_is_not_read_elsewhere(
    base: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(monkeypatch) as arm:
        place = base.format(other=listener.port, arm=arm.base.rpartition(":")[2])
        arm.says("GET", "/replicationProtectedItems", listed(item("a"), next_link=f"{place}/steal"))
        with pytest.raises(Refused, match="foreign-link"):
            await Vault(VaultRef.from_id(VAULT)).list_items()
        assert (listener.asked, sent_elsewhere(arm)) == ([], [])


def sent_elsewhere(arm: FakeArm) -> list[str]:
    return [ask.path for ask in arm.asked if ask.path.endswith("/steal")]
