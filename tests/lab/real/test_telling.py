"""Several stories side by side: whoever reads only the end has to find there why one of them is not proven."""

from pathlib import Path

import pytest

from lab.real.__main__ import main


def test_what_is_not_proven_says_at_the_end_once_more_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = tmp_path / "engine"
    breaks.write_text("#!/bin/sh\necho no engine here\nexit 1\n")
    breaks.chmod(0o755)
    monkeypatch.setenv("DURABLE_HOST", str(breaks))
    monkeypatch.setenv("AZURITE", str(breaks))
    assert main(["story", "bare"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-1].startswith("not proven: story, bare")
    again = told[next(at for at, line in enumerate(told) if line.startswith("story, once more")) :]
    assert any("no engine here" in line for line in again if line.startswith("story "))
    assert any("no engine here" in line for line in again if line.startswith("bare "))
