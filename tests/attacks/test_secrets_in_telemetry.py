"""Secrets that hooks, probes, scripts and Azure answer are looked for in all that leaves the process as telemetry."""

import logging
from contextlib import suppress
from typing import Any

import azure.durable_functions as df
import pytest

from activities.bindings import bind_activity
from shared.activity import Activity, Nothing
from shared.errors import Refused, SiteRecoveryError
from tests.activities.test_bindings import bound
from tests.attacks.secret_shapes import TEXTS
from tests.attacks.test_secrets_on_their_way import (
    SHAPES,
    TOLD_BY_AUTHORS,
    World,
    answers_of,
    by_azures_refusal,
    by_extension,
    by_node_script,
    text_of,
    world,
)
from tests.telemetry import recording

__all__ = ["world"]
WAYS = (*TOLD_BY_AUTHORS, by_node_script, by_azures_refusal, by_extension)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_no_secret_of_an_answer_is_in_a_span_a_metric_or_a_line(
    way: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = {"message_member": "message", "keep_output": True} if way in TOLD_BY_AUTHORS else {}
    with recording(monkeypatch) as recorded:
        for shape in SHAPES:
            for answer in answers_of(shape):
                with suppress(SiteRecoveryError):
                    await way(world, answer, mode)
        text = recorded.text()
    assert [shape.given for shape in SHAPES if shape.secret in text] == []


async def test_what_an_activity_raises_or_refuses_with_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the secret looks like none: the words of errors are no part of a span."""
    failures: list[Exception] = []

    async def fail(_request: Nothing) -> Nothing:
        raise failures[-1]

    blueprint = df.Blueprint()
    bind_activity(blueprint, Activity("fail", Nothing, Nothing), fail)
    function = bound(blueprint)["fail"].get_user_function()
    with recording(monkeypatch) as recorded:
        for kind in (lambda text: Refused("c", text), KeyError, SiteRecoveryError):
            failures.append(kind("sesame"))
            with suppress(Exception):
                await function(payload={})
        assert len(recorded.spans) == 3
        assert [span.name for span in recorded.spans if "sesame" in span.to_json()] == []


@pytest.mark.parametrize("shape", TEXTS, ids=text_of)
def test_no_secret_of_a_log_line_or_its_error_goes_out(shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("activities.test")
    with recording(monkeypatch) as recorded:
        log.warning("a hook said: %s", text_of(shape))
        log.error("it failed", exc_info=ValueError(text_of(shape)))
        assert len(recorded.lines) == 2
        assert shape.secret not in recorded.text()


def test_libraries_say_only_what_is_wrong_and_who_sends_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(monkeypatch) as recorded:
        for name in ("activities.x", "aiohttp.access", "azure.core.pipeline", "opentelemetry.sdk", "urllib3.pool"):
            logging.getLogger(name).info("info of %s", name)
            logging.getLogger(name).warning("warning of %s", name)
    told = [line for line in recorded.lines if " of " in line]
    assert told == ["info of activities.x", "warning of activities.x", "warning of aiohttp.access"]
