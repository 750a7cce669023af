"""Scenarios: what the simulated Azure holds after a reset, and what is declared to the product then.

Each module has `build_scenario(vms, clusters, of_nodes)`, which gives a plain JSON object: its shape is in README.md
beside it.
"""

from collections.abc import Callable
from typing import Any

from lab.scenarios import bare, certificate_race, default, fleet

SCENARIOS: dict[str, Callable[[int, int, int], dict[str, Any]]] = {
    "default": default.build_scenario,
    "fleet": fleet.build_scenario,
    "bare": bare.build_scenario,
    "certificate-race": certificate_race.build_scenario,
}
