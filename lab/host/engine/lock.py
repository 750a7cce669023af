"""One process a worker: hosts that share a task hub have names of their own, and a folder that they share."""

import fcntl
import os
from pathlib import Path


class FolderInUse(RuntimeError):
    """Another host of this name has this state folder."""


class FolderLock:
    """Held as long as the process lives: the system lets go of it however the process ends."""

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{worker}.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise FolderInUse(f"state folder {folder} is in use by another host (process {owner})") from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another process have the folder."""
        self._file.close()
