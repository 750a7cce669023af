"""Starts the export of spans, metrics and log lines, where a setting asks for it; else nothing of it is loaded.

What is exported is taken at once and sent from threads of its own: whoever receives it may be away, slow or silent, and
no request or run waits for that. Queues have ends; what does not fit is dropped, the oldest first.
"""

import atexit
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread

from shared.settings import TelemetrySettings, WrongSettings

_LOG = logging.getLogger(__name__)
LAST_SENDING = 2.0
"""Seconds for what is still in the queues when the process ends."""
_started: list[bool] = []


def start_telemetry(environ: Mapping[str, str]) -> None:
    """Start the export as the settings say, once a process; what is wrong with them is logged, and nothing else."""
    try:
        settings = TelemetrySettings.from_environment(environ)
    except WrongSettings as wrong:
        _LOG.critical("wrong settings, nothing is exported: %s", wrong)
        return
    if settings.target == "none" or _started:
        return
    _started.append(True)
    try:
        from shared.telemetry.providers import install_providers  # noqa: PLC0415 - only when used

        shut_down = install_providers(settings)
    except Exception:  # noqa: BLE001 - runs and callers do not wait for those who look on
        _LOG.exception("telemetry-not-started: the app goes on without it")
        return
    atexit.register(_end_within, shut_down)


def _end_within(shut_down: Callable[[], None]) -> None:
    def end_quietly() -> None:
        with suppress(Exception):  # there is nobody left to hear of it
            shut_down()

    ending = Thread(target=end_quietly, daemon=True)
    ending.start()
    ending.join(LAST_SENDING)
