"""What a fault rule does to a call, before and after its work."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import Lab
from lab.clock import sleep_until


class Lost(Exception):
    """The connection is dropped instead of an answer."""


async def before_work(lab: Lab, effects: list[Json]) -> Answer | None:
    """Apply what comes before the work; an answer means that the work is not done.

    Raises:
        Lost: the connection is dropped.
    """
    for effect in effects:
        if "slow" in effect:
            await sleep_until(lab.clock, lab.clock.now() + timedelta(seconds=effect["slow"]))
            lab.run_due()
        elif "clock" in effect:
            lab.clock.advance(timedelta(seconds=effect["clock"]))
            lab.run_due()
        elif "disconnect" in effect:
            disconnect_node(lab, effect["disconnect"])
        elif effect.get("reset") == "before":
            raise Lost
        elif "status" in effect:
            return _injected_answer(effect)
        elif "raw" in effect and not effect["raw"].get("worked"):
            return _raw_answer(effect["raw"])
    return None


def _raw_answer(raw: Json) -> Answer:
    """Bytes as they are, under a content type that need not fit them."""
    headers = {name: str(value) for name, value in raw.get("headers", {}).items()}
    headers["Content-Type"] = raw.get("type", "application/json; charset=utf-8")
    body = raw.get("text", "").encode(raw.get("encoding", "utf-8"))
    return Answer(raw.get("status", 200), body, headers)


def _injected_answer(effect: Json) -> Answer:
    headers = {name: str(value) for name, value in effect.get("headers", {}).items()}
    if "body" in effect:
        return Answer(effect["status"], effect["body"], headers)
    return ArmError(
        effect["status"], "InjectedFault", "A fault rule of the lab answered this call.", headers=headers
    ).to_answer()


def after_work(answer: Answer, effects: list[Json]) -> Answer:
    """Apply what comes after the work: lose the answer or keep it.

    Raises:
        Lost: the connection is dropped.
    """
    for effect in effects:
        if effect.get("reset") == "after" or effect.get("lose") == "connection":
            raise Lost
        if "lose" in effect:
            return ArmError(
                effect["lose"], "ServiceUnavailable", "The answer was lost after the work was done."
            ).to_answer()
        if "raw" in effect:
            return _raw_answer(effect["raw"])
    return answer


def disconnect_node(lab: Lab, what: str | Json) -> None:
    """Take the Arc agent of a node away, for so many simulated minutes if that is said."""
    target: Json = {"node": what} if isinstance(what, str) else what
    for hook in lab.on_disconnect:
        hook(lab, target["node"], target.get("minutes"))
