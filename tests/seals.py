"""The key by which tests have the app seal what it sends."""

import base64
from typing import Any

from shared.operations.contract import SealContent
from shared.operations.seals import compute_seal

MAC_KEY = base64.b64encode(b"0123456789abcdef" * 2).decode()
SEAL_KEY = base64.b64decode(MAC_KEY)
APP_SETTINGS = {"DOOR": "keys", "KEY_ROLES": "Dr.Read", "MAC_KEY": MAC_KEY}
"""What the app needs to let anybody in."""


class Forged(dict[str, object]):
    """Data of an event that the app has not sent: it comes without a seal, or with one that was made for another."""


def sealed_as_asked(ask: Any) -> dict[str, Any]:
    """What the activity `seal_content` answers."""
    request = SealContent.model_validate(ask)
    about = {**request.facts, "digest": request.digest}
    return {"seal": compute_seal(SEAL_KEY, request.target, request.name, about)}
