"""Run the simulated Azure: python -m lab.azure --port 7080 --state DIR [--speed N] [--host-url URL] [--scenario X]."""

import argparse
import asyncio
import logging
import resource
import signal
from pathlib import Path

from lab.azure import scenario_loader
from lab.azure.server import Server
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.waits import choose_seconds
from lab.clock import LabClock
from lab.scenarios import SCENARIOS


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m lab.azure", description="Azure, as far as the product sees it.")
    parser.add_argument("--port", type=int, default=7080, help="0 takes any free one; printed as `listening on URL`")
    parser.add_argument("--state", type=Path, required=True, help="a folder; what it holds is gone on with")
    parser.add_argument("--speed", type=float, help="simulated seconds a real second (an existing clock keeps its own)")
    parser.add_argument("--host-url", help="the product's host: events go there, and a reset declares its documents")
    parser.add_argument("--host-keys", type=Path, help="the keys of that host, where it asks for them")
    parser.add_argument("--scenario", default="default", choices=sorted(SCENARIOS), help="for a folder that is empty")
    parser.add_argument(
        "--job-seconds", type=_parse_bounds, help="LEAST,USUAL,MOST seconds of every job, instead of recorded ones"
    )
    parser.add_argument("--log", default="WARNING", help="DEBUG, INFO, WARNING")
    return parser.parse_args(arguments)


def _parse_bounds(text: str) -> tuple[float, float, float]:
    least, usual, most = (float(number) for number in text.split(","))
    if not 0 < least <= usual <= most:
        raise argparse.ArgumentTypeError("three numbers of seconds, the least first")
    return least, usual, most


async def run_server(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    options.state.mkdir(parents=True, exist_ok=True)
    if options.job_seconds:
        choose_seconds(options.job_seconds)
    clock = LabClock.open(options.state, speed=options.speed or 1.0)
    if options.speed is not None:
        clock.set_speed(options.speed)
    lab = Lab(clock, options.state, options.host_url)
    lab.place.host_keys = options.host_keys
    if lab.store.get("lab", "scenario") is None:
        scenario_loader.load_scenario(lab, options.scenario)
    server = Server(lab, options.port)
    base = await server.start()
    print(f"listening on {base}", flush=True)  # noqa: T201 - whoever started it with port 0 reads this
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()


def main() -> None:
    """Start; a VM of the fleet takes a file descriptor for each port that answers in it."""
    options = parse_arguments()
    logging.basicConfig(level=options.log, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run_server(options))


if __name__ == "__main__":
    main()
