"""The story on a host that somebody else has started, for example `func start` of Azure Functions Core Tools."""

import json
from pathlib import Path
from time import monotonic, sleep
from typing import override

from lab.real.servers import simulated_azure
from lab.real.story import RealStory
from lab.scenarios import SCENARIOS
from lab.servers import LabFailed, Ports, Server, Servers, lab_settings
from lab.story.screen import Screen
from lab.story.tell import Options

WAITS = 600.0
"""Real seconds within which the host has to answer."""
AZURE_PORT = 7080
"""Where the simulated Azure listens: the settings of the host name it before either of them runs."""


class RunningHost(Server):
    """A host that is neither started nor ended by the story."""

    @override
    def start(self) -> None:
        """It is somebody else's."""

    @override
    def await_healthy(self) -> None:
        """Wait until it answers.

        Raises:
            LabFailed: it did not, all this time.
        """
        end = monotonic() + WAITS
        while not self.is_healthy():
            if monotonic() > end:
                raise LabFailed(f"{self.base}{self.health} did not answer 200 within {WAITS:.0f} s")
            sleep(1)


class TargetStory(RealStory):
    """The same story; the host is asked to take the scenario's documents as any user would."""

    def __init__(self, servers: Servers, screen: Screen, options: Options) -> None:
        super().__init__(servers, screen, options)
        self._scenario = options.scenario

    @override
    def _fill_lab(self) -> None:
        documents = SCENARIOS[self._scenario](0, 0, 0)["documents"]
        for kind in ("sites", "plans"):
            for name, document in documents[kind].items():
                self._product.declare_document(f"{kind}/{name}", document)


def target_servers(state: Path, target: str) -> Servers:
    """The simulated Azure, and the host that answers at this URL."""
    host = RunningHost("host", target.rstrip("/"), "/api/health", state / "none", ())
    return Servers(simulated_azure(state, AZURE_PORT, host.base), host)


def settings_text(state: Path) -> str:
    """What the host has to have in its environment, or in local.settings.json."""
    return json.dumps(lab_settings(state, Ports(AZURE_PORT, 0)), indent=2)
