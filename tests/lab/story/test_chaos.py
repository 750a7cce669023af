"""Hosts killed fifty times at random instants, while Azure loses answers: every proof of the story holds."""

import subprocess
import sys

import pytest

from lab.servers import ROOT
from tests.deep import run_deep

KILLS = 25


@run_deep
@pytest.mark.parametrize(("seed", "hosts"), [(6, 1), (7, 2)])
def test_a_story_full_of_crashes_and_lost_answers_reaches_every_proof(seed: int, hosts: int) -> None:
    """Nothing is sent twice, nothing is left behind, no result of an activity is lost: the story itself checks it."""
    command = [sys.executable, "-m", "lab", "story", "--speed", "240", "--faults"]
    command += ["--kills", str(KILLS), "--seed", str(seed), "--hosts", str(hosts)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("starting it again") == KILLS
