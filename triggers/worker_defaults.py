"""What the worker needs that no setting of the app has to say."""

import logging
import os

from shared.telemetry.start import start_telemetry

CHATTY = ("azure", "durabletask")
"""Loggers that write down every request; the worker passes on what is INFO or more."""


def apply_worker_defaults() -> None:
    """Quieten the libraries, let only plain JSON cross a durable boundary, and start what exports telemetry."""
    os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    start_telemetry(os.environ)
