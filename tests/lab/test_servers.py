"""Child processes of the lab: they come up, are seen to die, and never outlive who started them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.http_calls import Unreachable, call_server
from lab.servers import ROOT, CrashLoop, LabFailed, Ports, Server, free_ports, require_free, wait_until
from lab.up import LabSettings


def web_server(folder: Path, port: int) -> Server:
    """A server that needs nothing of the lab."""
    command = ("http.server", str(port), "--bind", "127.0.0.1")
    return Server("web server", f"http://127.0.0.1:{port}", "/", folder / "web.log", command)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = web_server(tmp_path, free_ports().azure)
    yield server
    server.kill()


def test_a_server_is_awaited_until_it_answers(server: Server) -> None:
    server.start()
    server.await_healthy()
    assert server.is_healthy()


def test_a_killed_server_is_seen_and_can_be_started_again(server: Server) -> None:
    server.start()
    server.await_healthy()
    server.kill()
    assert server.exit_status == -signal.SIGKILL
    assert not server.is_healthy()
    server.start()
    server.await_healthy()


def test_a_server_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = Server("broken server", "http://127.0.0.1:9", "/", tmp_path / "log", ("no_such_module",))
    broken.start()
    with pytest.raises(LabFailed, match=r"(?s)broken server ended with status 1.*no_such_module"):
        broken.await_healthy()


def test_a_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    port = free_ports().azure
    script = (
        "from pathlib import Path; from tests.lab.test_servers import web_server; import time\n"
        f"server = web_server(Path({str(tmp_path)!r}), {port}); server.start(); server.await_healthy(); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    orphan = web_server(tmp_path, port)
    assert wait_until(orphan.is_healthy)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: not orphan.is_healthy())


def test_a_port_in_use_is_named_with_the_variable_that_chooses_another() -> None:
    free = free_ports()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = busy.getsockname()[1]
        with pytest.raises(LabFailed, match=rf"^port {taken} is in use .* LAB_HOST_PORT$"):
            require_free(Ports(free.azure, taken))


def test_nobody_at_the_port_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        call_server(f"http://127.0.0.1:{free_ports().azure}", "GET", "/")


def test_five_crashes_in_a_minute_are_a_loop() -> None:
    loop = CrashLoop(limit=5, window=60)
    assert [loop.note_crash(now) for now in (0, 10, 20, 30, 40)] == [False, False, False, False, True]


def test_five_crashes_in_an_hour_are_not() -> None:
    loop = CrashLoop(limit=5, window=60)
    assert not any(loop.note_crash(now * 720) for now in range(10))


def test_the_environment_chooses_ports_state_and_speed(tmp_path: Path) -> None:
    environment = {"LAB_AZURE_PORT": "1", "LAB_HOST_PORT": "2", "LAB_STATE": str(tmp_path), "LAB_SPEED": "90"}
    found = LabSettings.read_environment(environment)
    assert found == LabSettings(Ports(1, 2), tmp_path, "default", 90, telemetry=f"file:{tmp_path}/telemetry.jsonl")


def test_without_an_environment_the_lab_is_where_the_readme_says() -> None:
    settings = LabSettings.read_environment({})
    assert (settings.ports, settings.scenario, settings.speed) == (Ports(7080, 7071), "default", 60)
    assert settings.state == Path(".lab/up").absolute()


def test_a_port_that_is_no_number_is_named() -> None:
    with pytest.raises(LabFailed, match="LAB_AZURE_PORT must be a whole number: 'many'"):
        LabSettings.read_environment({"LAB_AZURE_PORT": "many"})
