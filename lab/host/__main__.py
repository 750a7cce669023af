"""`python -m lab.host`: run a function app without Azure."""

import argparse
import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

from lab.host.app import BadApp
from lab.host.engine.lock import FolderInUse
from lab.host.host import running_host
from lab.host.ncrontab import BadSchedule
from lab.host.routes import BadRoute
from lab.host.settings import Options
from lab.host.sign_in import UnauthenticatedAction

COLLECT = (20_000, 50, 100)
"""When Python looks for circles of objects: some tens of times more seldom than it comes.

Each replay of a run of many VMs makes and drops a hundred thousand objects, none of them in circles; looking through
them took a sixth of the host's time.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 2 if it cannot start."""
    options, level = _parse_arguments(arguments)
    gc.set_threshold(*COLLECT)
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_run_host(options))
    except (BadApp, BadRoute, BadSchedule, FolderInUse, OSError) as error:
        print(f"lab.host: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 2
    return 0


async def _run_host(options: Options) -> None:
    loop = asyncio.get_running_loop()
    async with running_host(options) as host:
        passing = asyncio.create_task(host.run_for_ever())
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, passing.cancel)
        print(f"lab.host: ready on {host.url}", flush=True)  # noqa: T201 - this is the command line
        try:
            await passing
        except asyncio.CancelledError:
            return


def _parse_arguments(arguments: list[str] | None) -> tuple[Options, str]:
    parser = argparse.ArgumentParser(prog="lab.host", description=__doc__)
    parser.add_argument("--port", type=int, default=Options.port)
    parser.add_argument("--state", type=Path, required=True, help="folder of the host's state and of the lab's clock")
    parser.add_argument("--app", type=Path, default=Path("function_app.py"))
    parser.add_argument("--azure-url", default=Options.azure_url, help="where the simulated Azure answers")
    parser.add_argument("--auth", action="store_true", help="ask for function keys, which are in keys.json")
    parser.add_argument("--trust-principal", action="store_true", help="pass X-MS-CLIENT-PRINCIPAL headers on")
    parser.add_argument(
        "--sign-in",
        type=UnauthenticatedAction,
        choices=tuple(UnauthenticatedAction),
        help="read tokens of the lab's persons, and allow or refuse callers without one; no header is trusted then",
    )
    parser.add_argument("--worker", default=Options.worker, help="its name among the hosts that share the state folder")
    parser.add_argument(
        "--hop-seconds",
        type=float,
        default=Options.hop_seconds,
        help="how long by the lab's clock each message of the engine waits for a poll of its queue",
    )
    parser.add_argument(
        "--blob-bytes-per-second",
        type=float,
        default=Options.blob_bytes_per_second,
        help="how fast by the lab's clock inputs and outputs above 45 KB go through a blob; 0 for at once",
    )
    parser.add_argument(
        "--disorder-entity-messages",
        type=int,
        metavar="SEED",
        help="deliver each message to an entity twice, and in another order",
    )
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    given = vars(parser.parse_args(arguments))
    level = str(given.pop("log_level")).upper()
    return Options(**given), level


if __name__ == "__main__":
    sys.exit(main())
