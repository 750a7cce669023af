"""What the worker needs that no setting of the app has to say."""

import logging
import os

CHATTY = ("azure", "durabletask")
"""Loggers that write down every request; the worker passes on what is INFO or more."""


def apply_worker_defaults() -> None:
    """Quieten the libraries, and let only plain JSON cross a durable boundary."""
    os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
