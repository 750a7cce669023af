"""Runs a module as a program that dies with its parent: `python -m lab.tether PARENT MODULE ARGS...`.

`python -m lab.tether PARENT -- PROGRAM ARGS...` runs another program so.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Be killed when the parent has gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        watch_parent(parent)
    if os.getppid() != parent:  # it went before we were tied
        os._exit(1)


def watch_parent(parent: int) -> None:
    """Be gone within half a second after the parent has gone; for children that a passing thread of it started."""
    threading.Thread(target=_end_without_parent, args=(parent,), daemon=True).start()


def _end_without_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    if sys.argv[2] == "--":
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - the tie holds over an exec
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
