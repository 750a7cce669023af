"""The node scripts in a real PowerShell, with stand-ins for Windows' cmdlets: all cases in one process.

Without PWSH, the path of a PowerShell, they are left out. It is PowerShell 7, and nodes have Windows PowerShell 5.1: so
what 5.1 does not parse is looked for too.
"""

import http.server
import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from activities.nodes import SCRIPTS
from shared.failback.source_vms import SourcePart, read_source_page
from shared.healing.registration import read_registration_output
from shared.onboarding.preflight.facts import HostFacts, MachineFacts
from shared.onboarding.preflight.node_answers import read_node_page
from shared.sites.node_output import Page
from shared.sites.outbound import required_endpoints

PWSH = os.environ.get("PWSH", "")
pytestmark = pytest.mark.skipif(not PWSH, reason="left out: PWSH names no PowerShell")

RUN_CASES = Path(__file__).parent / "powershell" / "run_cases.ps1"
CLOCK_AHEAD = 3600
"""Seconds by which nodes are ahead of the server that refuses."""
KEPT = 4096
"""Bytes of a script's output that Azure keeps."""
GB = 1024**3
IN_USE = "The process cannot access the file because it is being used by another process."
ODD = ("a'b", 'a"b', "$(throw 1)", "x; exit 1", "Büro-Köln 日本", "[ab]*?", "`n%s{0}", "a/b")
WANTED = ODD[:-1]
"""A slash is in no VM's name: it is between the names that are asked for."""


def disk(path: str, gb: float = 127, **changes: Any) -> dict[str, Any]:
    return {"path": path, "size": gb * GB, "number": None, "shared": False, "error": "", **changes}


def vm(name: str, *disks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    own = disks or tuple(disk(rf"C:\ClusterStorage\csv1\{name}-{number}.vhdx") for number in range(2))
    usual = {"name": name, "id": guid, "state": "Off", "snapshots": 0, "broken": "", "exchange": None}
    return {**usual, "disks": list(own), **changes}


def windows(name: str) -> list[str]:
    return [
        f'<INSTANCE><PROPERTY NAME="Data"><VALUE>{data}</VALUE></PROPERTY>'
        f'<PROPERTY NAME="Name"><VALUE>{key}</VALUE></PROPERTY></INSTANCE>'
        for key, data in (("ProcessorArchitecture", "9"), ("OSName", name))
    ]


def node(*vms: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"services": {"vmms": "Running", "dra": "Running"}, "registry": None, "upSeconds": 7200}
    return {**usual, "home": r"C:\ClusterStorage\csv1", "registered": "Registered", "vms": list(vms), **changes}


ALL = [vm(f"{number:04}-{uuid.uuid5(uuid.NAMESPACE_OID, str(number))}") for number in range(5000)]
FLEET = [vm(f"vm-{number:03}") for number in range(300)]
FLEET_NAMES = [one["name"] for one in FLEET]
ILL = node(
    vm("app-01", exchange=windows("Windows Server 2022 Datacenter")),
    vm("gone-01", broken="Hyper-V was unable to find a virtual machine with id 1."),
    vm("guest-01", exchange=["<INSTANCE><not closed"]),
    vm("none-01", disk("", number=None)),
    vm("odd-01", disk("", number=3), disk(r"C:\ClusterStorage\csv1\s.vhdx", shared=True)),
    vm("sql-01", disk(r"C:\ClusterStorage\csv1\a.vhdx"), disk(r"C:\ClusterStorage\csv1\b.vhdx", error=IN_USE)),
    vm("zone-01", disk(r"\\server\share\z.vhdx"), snapshots=2, state="Running"),
)
NOISE = [
    f"{uuid.uuid5(uuid.NAMESPACE_URL, f'{n}').hex}{uuid.uuid5(uuid.NAMESPACE_DNS, f'{n}').hex}" for n in range(100)
]
"""Names that do not compress."""
CROWDED = node(
    vm("all-01", *(disk(rf"C:\{uuid.uuid5(uuid.NAMESPACE_URL, str(n))}.avhdx", error="") for n in range(256))),
    vm(
        "ill-01",
        *(disk(rf"C:\ill-{n}.avhdx", error=f"{uuid.uuid5(uuid.NAMESPACE_URL, str(n))} " * 9) for n in range(256)),
    ),
)
VALUES = {
    **{f"Value{number}": f"{uuid.uuid5(uuid.NAMESPACE_URL, str(number))}" * 9 for number in range(40)},
    "Password": "hunter2",
    "ResourceName": "vault-dr",
    "SiteName": "Büro-Köln",
    "SRSUri": "no url",
    "Numbers": [1, 2],
    "Elsewhere": "https://asr-kv-1.vault.azure.net/secrets/x?hunter2",
}
NO_HYPER_V = node(services={"dra": "Stopped"})
ENDPOINTS = ",".join(required_endpoints("stdrcache"))


class Answer(NamedTuple):
    """What a script did in one case: its lines of output, why it stopped, and the reads that it made, in order."""

    lines: list[str]
    error: str
    calls: list[str]

    @property
    def output(self) -> dict[str, Any]:
        """The JSON of the one line, which Azure keeps whole."""
        assert not self.error
        (line,) = self.lines
        assert line.isascii()
        assert len(line) < KEPT - len("\r\n")
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def disks(self) -> list[str]:
        """The disks that were read, each as often as it was."""
        return [call for call in self.calls if call.startswith("disk ")]

    @property
    def host(self) -> Page[HostFacts]:
        return read_node_page("n1", self.output)

    @property
    def sources(self) -> Page[SourcePart]:
        return read_source_page("n1", self.output)

    def machine(self, name: str) -> MachineFacts:
        return next(one for one in self.host.part.machines if one.name == name)


@pytest.fixture(scope="module")
def refusing_url() -> Iterator[str]:
    """Of a server that forbids everything but /open: it is reached. At /timeless it does not say what time it is."""

    class Forbid(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((time.time() if timestamp is None else timestamp) - CLOCK_AHEAD)

        def do_HEAD(self) -> None:
            if self.path == "/timeless":
                self.send_response_only(HTTPStatus.FORBIDDEN)
            else:
                self.send_response(HTTPStatus.OK if self.path == "/open" else HTTPStatus.FORBIDDEN)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forbid) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def cases(refusing_url: str) -> Iterator[dict[str, Any]]:
    """Every case, under the name by which its test asks for it."""

    def case(name: str, script: str, on: dict[str, Any], **parameters: str) -> dict[str, Any]:
        return {"name": name, "script": script, "node": on, "parameters": parameters}

    odd = node(*map(vm, ODD), registry={"SiteName": "Büro-Köln"})
    for first in range(0, 300, 60):
        yield case(f"fleet {first}", "read-node", node(*FLEET, registry=VALUES), From=str(first))
    for first in (0, 50):
        names = FLEET_NAMES[100:200]
        yield case(f"fleet sources {first}", "read-source", node(*FLEET), Names="/".join(names), From=str(first))
    for first in (0, 4990):
        yield case(f"all {first}", "read-node", node(*ALL), From=str(first))
    yield case("all sources", "read-source", node(*ALL), Names="/".join(one["name"] for one in ALL[2500:2600]))
    noise = [vm(name) for name in NOISE]
    yield case("noise", "read-node", node(*noise))
    yield case("noise sources", "read-source", node(*noise), Names="/".join(NOISE))
    yield case("ill", "read-node", ILL)
    yield case("ill sources", "read-source", ILL, Names="/".join(one["name"] for one in ILL["vms"]))
    yield case("crowded 0", "read-node", CROWDED)
    yield case("crowded 1", "read-node", CROWDED, From="1")
    yield case("crowded sources", "read-source", CROWDED, Names="ill-01")
    yield case("odd", "read-node", odd)
    yield case("odd sources", "read-source", odd, Names="/".join(WANTED))
    yield case("no home", "read-source", node(vm("sql-01"), home=r"D:\VMs"), Names="SQL-01")
    for script in ("read-node", "read-source", "read-registration"):
        yield case(f"no Hyper-V {script}", script, NO_HYPER_V)
    yield case("no services", "read-source", node(services="Access is denied"))
    yield case("endpoints", "read-node", node(registry=VALUES), Endpoints=f"{refusing_url},http://127.0.0.1:1/")
    yield case("registration", "read-registration", node(registry=VALUES))
    yield case(
        "tried", "read-registration", node(registry=VALUES), Endpoints=f"http://127.0.0.1:1/,no url,{refusing_url}"
    )
    yield case("clock", "read-registration", node(), Endpoints=refusing_url)
    yield case("open", "read-node", node(), Endpoints=f"{refusing_url}open")
    yield case("timeless", "read-registration", node(), Endpoints=f"{refusing_url}timeless")
    wide = dict.fromkeys(("ResourceName", "SiteName", "SRSUri", "KeyVaultName"), "ü" * 300)
    yield case("wide", "read-registration", node(registry={**wide, "SiteId": {"bytes": [1, 2]}}))
    yield case("nothing reached", "read-registration", node(), Endpoints="http://127.0.0.1:1/")
    yield case("rested", "sync-cluster", node(), MinimumUptime="3600")
    yield case("just started", "sync-cluster", node(upSeconds=60), MinimumUptime="3600")
    yield case("no cluster", "sync-cluster", node(registered=""))
    yield case("not registered", "sync-cluster", node(registered="NotYet"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, refusing_url: str) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("powershell")
    (folder / "cases.json").write_text(json.dumps(list(cases(refusing_url))), encoding="utf-8")
    command: list[str | Path] = [
        PWSH,
        "-NoProfile",
        "-NonInteractive",
        "-File",
        RUN_CASES,
        SCRIPTS,
        folder / "cases.json",
        folder / "answers",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "answers").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def answers(run: dict[str, Any]) -> dict[str, Answer]:
    return {name: Answer(**answer) for name, answer in run["cases"].items()}


def test_windows_powershell_parses_every_script(run: dict[str, Any]) -> None:
    assert run["parsed"] == {script.stem: [] for script in SCRIPTS.glob("*.ps1")}


def test_every_statement_of_every_script_is_come_to(run: dict[str, Any]) -> None:
    assert run["statements"] > 100
    assert run["missed"] == []


def test_hundreds_of_vms_come_in_pages_and_each_disk_is_read_once(answers: dict[str, Answer]) -> None:
    pages = [answers[f"fleet {first}"] for first in range(0, 300, 60)]
    assert [page.host.next_start for page in pages] == [60, 120, 180, 240, None]
    assert [one.name for page in pages for one in page.host.part.machines] == FLEET_NAMES
    assert {disk.size_gb for page in pages for one in page.host.part.machines for disk in one.disks} == {127}
    reads = [read for page in pages for read in page.disks]
    assert len(reads) == len(set(reads)) == 600


def test_of_thousands_of_vms_each_page_is_whole_and_reads_no_more_than_it_has(answers: dict[str, Answer]) -> None:
    first, last = answers["all 0"], answers["all 4990"]
    count = first.host.next_start
    assert count
    assert [one.name for one in first.host.part.machines] == [one["name"] for one in ALL[:count]]
    assert len(first.disks) == 2 * (count + 1)
    assert [one.name for one in last.host.part.machines] == [one["name"] for one in ALL[4990:]]
    assert last.host.next_start is None
    sources = answers["all sources"]
    assert [one.vm for one in sources.sources.part.vms] == [
        one["name"] for one in ALL[2500 : 2500 + len(sources.sources.part.vms)]
    ]
    assert len(sources.sources.part.vms) > 10


def test_of_the_sources_only_those_asked_for_are_read_and_each_disk_once(answers: dict[str, Answer]) -> None:
    answer = answers["fleet sources 0"]
    assert [one.vm for one in answer.sources.part.vms] == FLEET_NAMES[100:200]
    assert answer.sources.part.room == {"Volume{csv1}": 500}
    assert len(answer.disks) == len(set(answer.disks)) == 200
    rest = answers["fleet sources 50"]
    assert [one.vm for one in rest.sources.part.vms] == FLEET_NAMES[150:200]
    assert len(rest.disks) == 100


@pytest.mark.parametrize("case", ["noise", "noise sources"])
def test_what_does_not_fit_the_page_is_not_read(answers: dict[str, Answer], case: str) -> None:
    """But for the one VM by which it is seen that the page is full."""
    answer = answers[case]
    count = answer.output["next"]
    assert 1 < count < 60
    assert count == len(answer.sources.part.vms if "found" in answer.output else answer.host.part.machines)
    assert len(answer.disks) == len(set(answer.disks)) == 2 * (count + 1)


def test_what_cannot_be_read_of_one_vm_hides_no_other(answers: dict[str, Answer]) -> None:
    ill = answers["ill"]
    assert [one.name for one in ill.host.part.machines] == [one["name"] for one in ILL["vms"]]
    assert {one.name: one.unread_parts for one in ill.host.part.machines if one.unread_parts} == {
        "gone-01": ("Hyper-V was unable to find a virtual machine with id 1.",),
        "none-01": ("disk 0: the drive has no disk",),
        "sql-01": (f"disk 1: {IN_USE}",),
    }
    assert [disk.size_gb for disk in ill.machine("sql-01").disks] == [127, 0]
    assert [disk.kind for disk in ill.machine("odd-01").disks] == ["Physical", "Shared"]
    assert (ill.machine("app-01").guest, ill.machine("guest-01").guest) == ("Windows Server 2022 Datacenter", "")


def test_what_cannot_be_read_of_one_source_hides_no_other(answers: dict[str, Answer]) -> None:
    vms = answers["ill sources"].sources.part.vms
    assert [one.vm for one in vms] == [one["name"] for one in ILL["vms"]]
    assert {one.vm: one.unread_parts for one in vms if one.unread_parts} == {
        "gone-01": ("Hyper-V was unable to find a virtual machine with id 1.",),
        "sql-01": (f"disk 1: {IN_USE}",),
        "zone-01": (r"disk 0: No MSFT_Volume objects found for \\server\share\z.vhdx",),
    }
    assert {one.vm: (one.state, one.checkpoints) for one in vms if one.state != "Off"} == {"zone-01": ("Running", 2)}


def test_a_vm_of_which_no_disk_can_be_read_fits_a_page(answers: dict[str, Answer]) -> None:
    machine, source = answers["crowded 1"].machine("ill-01"), answers["crowded sources"].sources.part.vms[0]
    for parts in (machine.unread_parts, source.unread_parts):
        assert len(parts) == 256
        assert parts[-1] == "disk 255: it could not be read either"


def test_names_are_text_and_nothing_else(answers: dict[str, Answer]) -> None:
    host = answers["odd"].host.part
    assert sorted(one.name for one in host.machines) == sorted(ODD)
    assert host.registration == {"SiteName": "Büro-Köln"}
    assert not [one for one in host.machines if one.unread_parts]
    assert sorted(one.vm for one in answers["odd sources"].sources.part.vms) == sorted(WANTED)


def test_a_node_without_hyper_v_has_no_vms(answers: dict[str, Answer]) -> None:
    host = answers["no Hyper-V read-node"].host
    assert (host.part.hyper_v, host.part.machines, host.next_start) == (False, (), None)
    sources = answers["no Hyper-V read-source"].sources.part
    assert (sources.vms, sources.home, sources.home_unread) == ((), "", "Hyper-V is not on this node")
    registration = read_registration_output(answers["no Hyper-V read-registration"].output)
    assert registration is not None
    assert (registration.hyper_v, registration.dra, registration.registry) == (False, "Stopped", {})


def test_a_node_that_cannot_say_whether_it_has_hyper_v_says_nothing(answers: dict[str, Answer]) -> None:
    """Else its machines would be taken for gone."""
    assert (answers["no services"].lines, answers["no services"].error) == ([], "Access is denied")


def test_a_volume_for_new_machines_that_cannot_be_read_hides_no_machine(answers: dict[str, Answer]) -> None:
    part = answers["no home"].sources.part
    assert [one.vm for one in part.vms] == ["sql-01"]
    assert (part.home, part.room, part.home_unread) == (
        "",
        {"Volume{csv1}": 500},
        r"No MSFT_Volume objects found for D:\VMs",
    )


def test_an_endpoint_that_refuses_is_reached(answers: dict[str, Answer], refusing_url: str) -> None:
    reached = answers["endpoints"].host.part.reached
    assert reached == {refusing_url: True, "http://127.0.0.1:1/": False, "no url": False}


def test_of_a_registration_only_known_values_are_read(answers: dict[str, Answer]) -> None:
    registration = read_registration_output(answers["registration"].output)
    assert registration is not None
    assert registration.registry == {
        "ResourceName": "vault-dr",
        "SiteName": "Büro-Köln",
        "SRSUri": "no url",
        "KeyVault": "asr-kv-1.vault.azure.net",
    }


def test_a_registration_that_is_too_long_is_cut_and_bytes_are_left_out(answers: dict[str, Answer]) -> None:
    registration = read_registration_output(answers["wide"].output)
    assert registration is not None
    assert registration.registry == dict.fromkeys(("ResourceName", "SiteName"), "ü" * 200)


def test_whoever_does_not_say_what_time_it_is_is_reached_all_the_same(
    answers: dict[str, Answer], refusing_url: str
) -> None:
    registration = read_registration_output(answers["timeless"].output)
    assert registration is not None
    assert (registration.reached, registration.clock_offset) == ({f"{refusing_url}timeless": True}, None)
    assert answers["open"].host.part.reached == {f"{refusing_url}open": True}


def test_a_node_says_what_it_reaches_and_how_far_its_clock_is_from_whoever_answered(
    answers: dict[str, Answer], refusing_url: str
) -> None:
    tried, clock, nothing = (
        read_registration_output(answers[name].output) for name in ("tried", "clock", "nothing reached")
    )
    assert tried
    assert clock
    assert nothing
    assert tried.reached == {"http://127.0.0.1:1/": False, "no url": False, refusing_url: True}
    for one in (tried, clock):
        assert one.clock_offset
        assert CLOCK_AHEAD - 60 < one.clock_offset.total_seconds() < CLOCK_AHEAD + 60
    assert (nothing.missed, nothing.clock_offset) == (("http://127.0.0.1:1/",), None)


def test_a_cluster_is_synchronised_unless_the_node_has_just_started(answers: dict[str, Answer]) -> None:
    assert (answers["rested"].output["synchronised"], answers["rested"].calls) == (True, ["sync"])
    assert (answers["just started"].output["synchronised"], answers["just started"].calls) == (False, [])
    assert answers["not registered"].calls == answers["no cluster"].calls == []
    assert "is not a node of an Azure Stack HCI cluster" in answers["no cluster"].error
    assert "RegistrationStatus is NotYet" in answers["not registered"].error
