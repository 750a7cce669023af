"""`make lab`: it comes up, goes on from its state, and the README's examples work on it as they are written."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.host.sign_in import PEOPLE
from lab.http_calls import Unreachable, call_server
from lab.servers import ROOT, Ports, free_ports, wait_until

KEY = {"x-functions-key": "lab-key"}
COMMAND = [sys.executable, "-m", "lab", "up"]


@contextmanager
def lab(state: Path, ports: Ports, **more: str) -> Iterator[list[str]]:
    """A lab that is up; gives the lines it said until it was ready."""
    chosen = {"LAB_AZURE_PORT": str(ports.azure), "LAB_HOST_PORT": str(ports.host), "LAB_STATE": str(state)}
    environment = os.environ | chosen | {"LAB_SPEED": "400"} | more
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process, process.stdout as output:
        try:
            said: list[str] = []
            while not said or said[-1] != "ready":
                line = output.readline()
                assert line, f"the lab ended before it was ready: {said}"
                said.append(line.strip())
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    assert process.returncode == 0


def answers(url: str) -> bool:
    try:
        return call_server(url, "GET", "/").status > 0
    except Unreachable:
        return False


def test_a_lab_goes_on_from_its_state_and_leaves_no_server_behind(tmp_path: Path) -> None:
    ports = free_ports()
    with lab(tmp_path, ports):
        call_server(ports.host_url, "DELETE", "/api/plans/payroll")
    assert not answers(ports.azure_url)
    assert not answers(ports.host_url)
    with lab(tmp_path, ports) as said:
        assert any("going on with the scenario default" in line for line in said)
        assert call_server(ports.host_url, "GET", "/api/plans/payroll").status == 404
        assert call_server(ports.host_url, "GET", "/api/sites/hci-01").status == 200


def test_nobody_gets_in_without_a_token_and_which_there_are_is_told(tmp_path: Path) -> None:
    """A key is no token; Event Grid and the lab itself have keys of their own, so that a reset works."""
    ports = free_ports()
    with lab(tmp_path, ports) as said:
        assert "Token  lab-cai: cai, Dr.Read" in said
        pages = [line.removeprefix("Page   ") for line in said if line.startswith("Page   ")]
        assert pages[0] == f"{ports.host_url}/api/ui"
        for url in (pages[0], f"{pages[0]}/app.js"):
            assert call_server(ports.host_url, "GET", url.removeprefix(ports.host_url)).status == 200
        assert [url.rpartition("=")[2] for url in pages[1:]] == [person.token for person in PEOPLE]
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer guessed"}, KEY | {"Authorization": ""}):
            assert call_server(ports.host_url, "GET", "/api/plans", headers=headers).status == 401
        for path in ("/admin/host/status", "/runtime/webhooks/durabletask/instances/x"):
            assert call_server(ports.host_url, "GET", path, headers=KEY).status == 401
        signed = {"Authorization": "Bearer lab-cai"}
        assert call_server(ports.host_url, "GET", "/api/plans", headers=signed).status == 200
        assert call_server(ports.host_url, "POST", "/api/plans/payroll/drill", {}, headers=signed).status == 403
        event = {"emit": "extension-failure", "node": "hci-01-n2"}
        call_server(ports.azure_url, "POST", "/lab/events", event)
        assert wait_until(lambda: bool(statuses_of_deliveries(ports)))
        assert statuses_of_deliveries(ports) == {202}


def test_where_keys_are_the_door_a_token_opens_nothing_and_nobody_approves(tmp_path: Path) -> None:
    ports = free_ports()
    with lab(tmp_path, ports, LAB_DOOR="keys") as said:
        assert [line for line in said if line.startswith(("Key ", "Token "))] == [
            "Key    lab-key, in the header x-functions-key or as ?code="
        ]
        for headers in ({"Authorization": "Bearer lab-eve"}, {"x-functions-key": "guessed"}):
            assert call_server(ports.host_url, "GET", "/api/plans", headers=headers).status == 401
        assert call_server(ports.host_url, "GET", "/api/plans", headers=KEY).status == 200
        plan = call_server(ports.host_url, "GET", "/api/plans/payroll", headers=KEY).body
        guarded = {"site": plan["site"], "items": plan["items"], "approvals": {"count": 1}}
        assert call_server(ports.host_url, "PUT", "/api/plans/guarded", guarded, headers=KEY).status == 201
        refused = call_server(ports.host_url, "POST", "/api/plans/guarded/failover", {}, headers=KEY)
        assert (refused.status, refused.body["code"]) == (403, "keys-are-nobody")


def statuses_of_deliveries(ports: Ports) -> set[int]:
    """What the product's webhook answered to Event Grid."""
    return {one["status"] for one in call_server(ports.azure_url, "GET", "/lab/events").body["deliveries"]}


def test_a_second_lab_on_the_same_state_waits_beside_the_first(tmp_path: Path) -> None:
    ports = free_ports()
    with lab(tmp_path, ports), lab(tmp_path, ports) as said:
        assert said[0].startswith("this lab already runs")


def test_a_server_that_dies_is_started_again(tmp_path: Path) -> None:
    ports = free_ports()
    with lab(tmp_path, ports):
        children = subprocess.run(
            ["pgrep", "-f", f"lab.host --port {ports.host}"], capture_output=True, text=True, check=True
        )
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        assert wait_until(lambda: not answers(ports.host_url))
        assert wait_until(lambda: answers(ports.host_url))


def examples() -> str:
    """The shell blocks of the README that come after `make lab`."""
    readme = (ROOT / "README.md").read_text()
    return "\n".join(re.findall(r"```sh\n(.*?)```", readme[readme.index("## A first success") :], re.DOTALL))


def test_the_readmes_examples_work_as_they_are_written(tmp_path: Path) -> None:
    ports = free_ports()
    with lab(tmp_path / "state", ports):
        script = f"set -eu\n{examples().replace('7071', str(ports.host))}"
        shell = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert shell.returncode == 0, shell.stderr
        listed = call_server(ports.host_url, "GET", "/api/operations?kind=drill&plan=payroll")
        (drill,) = listed.body["value"]
        assert drill["state"] == "succeeded"
    assert '"items"' in shell.stdout  # what the preview showed
    assert "web-02" in (tmp_path / "report.html").read_text()


def test_a_port_in_use_by_something_else_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        environment = os.environ | {"LAB_AZURE_PORT": str(port), "LAB_STATE": str(tmp_path)}
        told = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr.splitlines() == [
        f"port {port} is in use by something else (Address already in use); choose another with LAB_AZURE_PORT"
    ]
