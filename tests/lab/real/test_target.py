"""A host that somebody else has started."""

import json
from pathlib import Path

import pytest

from lab.real.__main__ import main
from lab.real.target import RunningHost, settings_text, target_servers


def test_the_host_is_told_where_azure_will_be(tmp_path: Path) -> None:
    servers = target_servers(tmp_path, "http://127.0.0.1:7071/")
    settings = json.loads(settings_text(tmp_path))
    assert settings["AZURE_RESOURCE_MANAGER_URL"] == servers.azure.base
    assert servers.azure.command[servers.azure.command.index("--host-url") + 1] == "http://127.0.0.1:7071"


def test_the_host_is_neither_started_nor_ended(tmp_path: Path) -> None:
    host = target_servers(tmp_path, "http://127.0.0.1:7071").host
    assert isinstance(host, RunningHost)
    host.start()
    assert (host.pid, host.exit_status) == (None, None)
    host.stop()
    host.kill()


def test_only_the_story_is_told_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["chaos", "--target", "http://127.0.0.1:7071"])
    assert "only the story" in capsys.readouterr().err
