"""Index a function app in the worker library of Azure Functions, which checks more than the SDK alone.

Run as a script with the app's folder, it prints the names of the functions, or fails with the worker's own words.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class IndexingFailed(Exception):
    """The worker would load nothing of this app."""


def index_in_worker(function_app: Path, surroundings: Mapping[str, str] = os.environ, **settings: str) -> list[str]:
    """The names of the app's functions, as the worker reports them to the Functions host.

    Args:
        function_app: The path of function_app.py.
        surroundings: The environment beside the settings.
        settings: App settings that the app reads while it loads.

    Raises:
        IndexingFailed: with what the worker tells the host.
    """
    folder = function_app.resolve().parent
    done = subprocess.run(
        [sys.executable, Path(__file__), folder],
        cwd=folder,
        env={**surroundings, "PYTHONPATH": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise IndexingFailed(done.stderr.strip())
    return done.stdout.split()


class _Message(SimpleNamespace):
    """Stands for every protobuf message of the worker's protocol, and for the constants that it compares with."""

    Failure, Success = 0, 1
    undefined, out, inout = 0, 1, 2


class _Protos:
    def __getattr__(self, _name: str) -> type[_Message]:
        return _Message


async def _index(folder: str) -> list[str]:
    from azure_functions_runtime import functions_metadata_request, worker_init_request  # noqa: PLC0415 - a script's

    init = SimpleNamespace(capabilities={}, function_app_directory=folder)
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": _Protos()}
    )
    answer: Any = await worker_init_request(request)
    if answer.result.status != _Message.Success:
        raise IndexingFailed(answer.result.exception.message)
    metadata: Any = await functions_metadata_request(request)
    return [function.name for function in metadata.function_metadata_results]


if __name__ == "__main__":
    try:
        print("\n".join(asyncio.run(_index(sys.argv[1]))))  # noqa: T201 - this is its answer
    except IndexingFailed as failure:
        sys.exit(str(failure))
