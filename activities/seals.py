"""Looks whether what came to a run was sent by the app: runs must not read the key, as their replays would."""

import os

from shared.operations.contract import CheckSeal, SealChecked
from shared.operations.seals import has_seal
from shared.settings import Settings


async def check_seal(request: CheckSeal) -> SealChecked:
    """Whether the app has sealed it, with the key that it has now."""
    key = Settings.from_environment(os.environ).seal_key
    return SealChecked(is_own=has_seal(key, request.run, request.name, request.payload))
