"""What every body of ARM's must be: an object, whose well-known members have the types that ARM itself demands."""

from typing import Any

from lab.azure.simulator.answers import bad_request
from lab.azure.simulator.requests import ArmRequest

_OBJECTS = ("properties", "identity", "sku", "tags")
_TEXTS = ("location", "kind", "name", "id", "type")


def check_envelope(request: ArmRequest) -> None:
    """Refuse a body that no resource could be made of.

    Raises:
        ArmError: 400 InvalidRequestContent that names the member.
    """
    body = request.body
    if body is None or not request.is_mutating:
        return
    if not isinstance(body, dict):
        raise bad_request("InvalidRequestContent", "The request content was invalid: a JSON object is required.")
    for name in _OBJECTS:
        _require_type(body, name, dict)
    for name in _TEXTS:
        _require_type(body, name, str)
    for name, value in (body.get("tags") or {}).items():
        if not isinstance(value, str):
            raise bad_request("InvalidTagValue", f"The value of the tag '{name}' must be a text.")


def _require_type(body: dict[str, Any], name: str, kind: type) -> None:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        shown = "an object" if kind is dict else "a text"
        raise bad_request("InvalidRequestContent", f"The request content was invalid: '{name}' must be {shown}.")
