"""What a handler gives back: an answer, or an error in ARM's envelope."""

from dataclasses import dataclass, field
from typing import Any

type Json = dict[str, Any]


@dataclass
class Answer:
    """An HTTP answer; a `body` of None is an empty one."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class ArmError(Exception):
    """A refusal that becomes {"error": {"code", "message", "details"?}}; nothing that the handler did before is undone.

    Attributes:
        details: items of error.details, where Site Recovery keeps the code that matters.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: list[Json] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details, headers or {}

    def to_answer(self) -> Answer:
        """The envelope that ARM and its providers share."""
        error: Json = {"code": self.code, "message": self.message}
        if self.details is not None:
            error["details"] = self.details
        return Answer(self.status, {"error": error}, dict(self.headers))


def bad_request(code: str, message: str) -> ArmError:
    """400: the request itself is wrong."""
    return ArmError(400, code, message)


def not_found(arm_id: str) -> ArmError:
    """404 ResourceNotFound, worded as ARM words it: the type and names, and the resource group."""
    tail = arm_id[arm_id.lower().rfind("/providers/") + len("/providers/") :]
    group = arm_id.split("/")[4] if arm_id.count("/") > 3 else ""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{tail}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def not_simulated(what: str) -> ArmError:
    """501: never an empty 200 for what the lab does not know."""
    return ArmError(501, "NotSimulated", f"The lab does not simulate {what}.")
