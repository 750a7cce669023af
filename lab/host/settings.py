"""The host's settings: its command line, host.json, and the app settings it gives to the app."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from lab.host.engine.engine import EngineSettings
from lab.host.engine.versions import Versions
from lab.host.keys import keep_mac_key
from lab.host.sign_in import ENTRA, KEYS, UnauthenticatedAction

DEFAULTS = {
    "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
    "IDENTITY_HEADER": "lab-identity",
    "RECONCILE_SCHEDULE": "0 */5 * * * *",
}
FROM_AZURE_URL = {
    "AZURE_RESOURCE_MANAGER_URL": "",
    "IDENTITY_ENDPOINT": "/msi/token",
    "EVENTGRID_TOPIC_ENDPOINT": "/eventgrid/topics/hci-site-recovery/api/events",
}


@dataclass(frozen=True)
class Options:
    """The command line. With `auth` keys are asked for; with `trust_principal` the caller's identity is believed.

    Attributes:
        sign_in: What happens to callers without a token; None where nobody signs in, as without Easy Auth.
        worker: The host's own name among those that share the state folder, and with it the task hub.
        hop_seconds: How long by the lab's clock each message of the engine waits for a poll of its queue.
        blob_bytes_per_second: How fast what is larger than a queue message gets there; 0 for at once.
        disorder_entity_messages: A seed; with one each message to an entity arrives twice, and in another order.
    """

    app: Path
    state: Path
    worker: str = "host"
    port: int = 7071
    azure_url: str = "http://127.0.0.1:7080"
    auth: bool = False
    trust_principal: bool = False
    sign_in: UnauthenticatedAction | None = None
    disorder_entity_messages: int | None = None
    hop_seconds: float = 0
    blob_bytes_per_second: float = 5e6

    @property
    def door(self) -> Mapping[str, str]:
        """The app's settings for who lets callers in: keys where they are asked for and nobody signs in."""
        return KEYS if self.auth and self.sign_in is None and not self.trust_principal else ENTRA


@dataclass(frozen=True)
class HostFile:
    """What of host.json matters here."""

    route_prefix: str = "api"
    task_hub: str = "TestHubName"
    engine: EngineSettings = field(default_factory=EngineSettings)


def read_host_file(folder: Path) -> HostFile:
    """Read host.json, or take the defaults of Functions."""
    extensions = _read_json(folder / "host.json").get("extensions", {})
    durable_task = extensions.get("durableTask", {})
    return HostFile(
        route_prefix=extensions.get("http", {}).get("routePrefix", HostFile.route_prefix),
        task_hub=durable_task.get("hubName", HostFile.task_hub),
        engine=_read_engine_settings(durable_task),
    )


def _read_engine_settings(durable_task: Mapping[str, Any]) -> EngineSettings:
    usual, storage = EngineSettings(), durable_task.get("storageProvider", {})
    return EngineSettings(
        entity_window=durable_task.get("entityMessageReorderWindowInMinutes", usual.entity_window),
        max_message_bytes=durable_task.get("maxGrpcMessageSizeInBytes", usual.max_message_bytes),
        visibility_timeout=_span_of(storage.get("controlQueueVisibilityTimeout"), usual.visibility_timeout),
        polling_interval=_span_of(storage.get("maxQueuePollingInterval"), usual.polling_interval),
        versions=Versions(
            default=durable_task.get("defaultVersion", usual.versions.default),
            match=durable_task.get("versionMatchStrategy", usual.versions.match),
            failure=durable_task.get("versionFailureStrategy", usual.versions.failure),
        ),
    )


def _span_of(text: str | None, usual: timedelta) -> timedelta:
    """A .NET TimeSpan, "hh:mm:ss"."""
    if text is None:
        return usual
    hours, minutes, seconds = (float(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def give_app_settings(
    folder: Path, azure_url: str, state: Path, pace: float = 1, door: Mapping[str, str] = ENTRA
) -> None:
    """Set what is not set: first by local.settings.json, then as the lab has it, evidence beside the host's state."""
    ours = (
        DEFAULTS
        | {"ARM_PACE": str(pace)}
        | dict(door)
        | {"MAC_KEY": keep_mac_key(state)}
        | {"EVIDENCE_STORE": f"folder:{evidence_of(state)}"}
        | {name: azure_url.rstrip("/") + path for name, path in FROM_AZURE_URL.items()}
    )
    for name, value in (*_read_json(folder / "local.settings.json").get("Values", {}).items(), *ours.items()):
        os.environ.setdefault(name, str(value))


def evidence_of(state: Path) -> Path:
    """The folder for the app's evidence, unless a setting of the app names another place."""
    return state.resolve() / "evidence"


def _read_json(path: Path) -> Mapping[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}
