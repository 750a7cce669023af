"""The whole story, with the host killed in the middle of the failover: nothing is lost, nothing is done twice."""

import subprocess
import sys

from lab.servers import ROOT


def test_a_host_that_is_killed_during_the_failover_finishes_it_when_it_is_back() -> None:
    """Every proof of the story holds all the same: above all each verb once for each VM, in order."""
    command = [sys.executable, "-m", "lab", "story", "--speed", "400", "--kill-host-during", "failover"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "killing the local host in the middle of failover-payroll-" in finished.stdout
    assert "starting it again" in finished.stdout
