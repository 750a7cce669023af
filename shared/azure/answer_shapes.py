"""Whether an answer to a GET can be what was asked for: a JSON object, and a list of objects where it is a list.

A proxy, a gateway or a service that has just started answers 200 with something else: null, a page of HTML, a body that
was cut. That is no answer, and above all it does not say that what was asked for is not there.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline import policies as core

from shared.redaction import redact_text

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest, PipelineResponse

PLAIN_TEXT = "plain_text"
"""Option of a request whose answer is no JSON."""
LONGEST_EXCERPT = 40


class UnusableAnswer(AzureError):
    """An answer that is none to what was asked."""


class JsonObjectsOnly(core.SansIOHTTPPolicy[Any, Any]):
    """Takes an answer to a GET only as 200 with a JSON object in it; errors from 400 on are read elsewhere."""

    def on_request(self, request: "PipelineRequest[Any]") -> None:
        """Take the option, which the transport does not know."""
        request.context[PLAIN_TEXT] = request.context.options.pop(PLAIN_TEXT, False)

    def on_response(self, request: "PipelineRequest[Any]", response: "PipelineResponse[Any, Any]") -> None:
        """Look at the answer.

        Raises:
            UnusableAnswer: it says nothing of what was asked for.
        """
        answer = response.http_response
        if request.http_request.method != "GET" or answer.status_code >= 400:
            return
        where = f"GET {urlsplit(request.http_request.url).path}"
        if answer.status_code != 200:
            raise UnusableAnswer(f"Azure answered {answer.status_code} to {where}")
        if not request.context[PLAIN_TEXT] and (fault := find_fault(answer)):
            raise UnusableAnswer(f"Azure's answer to {where} cannot be read: {fault}")


def find_fault(answer: Any) -> str:
    """What is wrong with a body, empty for nothing; read as the SDKs read it, by the character set that it names."""
    if not answer.content:
        return "it is empty"
    try:
        body = answer.json()
    except (ValueError, LookupError, AzureError):
        return f"it is no JSON but {_excerpt(answer.content)!r}"
    if not isinstance(body, dict) or not body:
        return f"it is no object but {redact_text(str(body))[:LONGEST_EXCERPT] if body is not None else 'null'}"
    entries = body.get("value", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry for entry in entries):
        return "its list does not hold objects"
    return ""


def _excerpt(content: bytes) -> bytes:
    return redact_text(content[:1000].decode(errors="replace")).encode()[:LONGEST_EXCERPT]
