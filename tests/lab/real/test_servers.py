"""Finding the tools, and ending what is ended on purpose."""

import stat
import sys
from pathlib import Path

from lab.real.servers import RealServer, Tools, find_tools, free_real_ports, real_servers
from lab.servers import wait_until

SLEEP = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


def program(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    for environment, part in (({}, "DURABLE_HOST names no"), ({"DURABLE_HOST": "/nowhere"}, "cannot be run")):
        missing = find_tools(environment)
        assert isinstance(missing, str)
        assert part in missing
        assert "\n" not in missing


def test_named_tools_are_taken(tmp_path: Path) -> None:
    durable_host, azurite = program(tmp_path, "durable-host"), program(tmp_path, "azurite")
    assert find_tools({"DURABLE_HOST": durable_host, "AZURITE": azurite}) == Tools(durable_host, azurite)


def test_each_host_of_a_hub_has_a_name_a_port_and_a_folder_of_its_own(tmp_path: Path) -> None:
    servers = real_servers(tmp_path, free_real_ports(2), Tools("durable-host", "azurite"))
    one, other = servers.hosts
    assert one.base != other.base
    assert [host.command[host.command.index("--worker") + 1] for host in (one, other)] == ["host1", "host2"]
    storages = {host.command[host.command.index("--storage") + 1] for host in (one, other)}
    assert len(storages) == 1
    assert [server.name for server in servers][:2] == ["storage emulator", "simulated Azure"]


def test_the_python_process_can_be_killed_without_its_host(tmp_path: Path) -> None:
    command = ("--", sys.executable, "-c", PARENT)
    server = RealServer("sleeper", "http://127.0.0.1:1", "/", tmp_path / "log", command)
    server.start()
    try:
        assert wait_until(lambda: bool(server.python_processes()))
        (child,) = server.python_processes()
        server.kill_python()
        assert wait_until(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "Z")
        assert server.exit_status is None
    finally:
        server.kill()
    assert server.exit_status is not None
