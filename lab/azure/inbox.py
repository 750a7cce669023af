"""Where notifications of the product arrive: a workflow of Teams, signed webhooks, and Azure Communication Services.

Each is as strict as the service, and what it takes is read under /lab/inbox.

Source: "Create incoming webhooks with Workflows for Microsoft Teams" (type message, one or more adaptive cards), the
schema of adaptive cards 1.4; Standard Webhooks, signatures v1; Azure Communication Services, Email - Send and Get Send
Result, api-version 2023-03-31. Inferred: the sentences of the refusals, and that a message to Teams has 28 kB.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from lab.azure.arm import tokens
from lab.azure.key_vault import find_secret
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_simulated
from lab.azure.simulator.lab import Lab, to_iso
from lab.clock import LabClock

KIND, COMMUNICATION = "inbox", "communication-service"
MOST_BYTES = 28_000
CARD = "application/vnd.microsoft.card.adaptive"
CARD_VERSIONS = frozenset({"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"})
ELEMENTS: Mapping[str, frozenset[str]] = {
    "TextBlock": frozenset({"type", "text", "wrap", "size", "weight"}),
    "RichTextBlock": frozenset({"type", "inlines"}),
    "TextRun": frozenset({"type", "text", "size", "weight"}),
    "Action.OpenUrl": frozenset({"type", "title", "url"}),
}
"""Elements of a card that the lab knows, with their properties."""
MAIL_API, MAIL_AUDIENCE = "2023-03-31", "https://communication.azure.com"
TOLERANCE = timedelta(minutes=5)
_WORKFLOW = re.compile(r"/inbox/teams/(?P<vault>[^/]+)/(?P<secret>[^/]+)")
_WEBHOOK = re.compile(r"/inbox/webhooks/(?P<vault>[^/]+)/(?P<secret>[^/]+)")
_SEND = re.compile(r"/communication/(?P<name>[^/]+)/emails:send")
_OPERATION = re.compile(r"/communication/(?P<name>[^/]+)/emails/operations/(?P<id>[^/]+)")
_ADDRESS = re.compile(r"[^@\s<>\"]+@(?P<domain>[^@\s<>\"]+)")
PAGE_HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Inbox of the lab</title><style>body{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "article{border:1px solid #888;padding:1rem;margin:1rem 0}</style><h1>Inbox of the lab</h1>"
)


def answer_call(lab: Lab, method: str, path: str, query: dict[str, str], headers: dict[str, str], raw: bytes) -> Answer:
    """Answer a call to one of the three.

    Raises:
        ArmError: as each of them refuses; 501 for what is not simulated.
    """
    lab.catch_up()
    found = _OPERATION.fullmatch(path)
    if found and method == "GET":
        return _get_operation(lab, found, query, headers)
    if method == "POST" and (found := _WORKFLOW.fullmatch(path)):
        return _take_card(lab, found, query, raw)
    if method == "POST" and (found := _WEBHOOK.fullmatch(path)):
        return _take_webhook(lab, found, headers, raw)
    if method == "POST" and (found := _SEND.fullmatch(path)):
        return _take_mail(lab, found["name"], query, headers, raw)
    raise not_simulated(f"{method} {path}")


def add_communication_service(lab: Lab, name: str, domain: str) -> None:
    """Make a service that sends mail from this domain."""
    lab.store.put(COMMUNICATION, name.lower(), {"domain": domain})


def list_messages(lab: Lab) -> list[Json]:
    """What has arrived, oldest first: {at, channel, id, subject, text, links, body}."""
    return sorted(lab.store.all(KIND), key=lambda one: (one["at"], one["number"]))


def inbox_page(lab: Lab) -> bytes:
    """The same for people, newest first."""
    shown = "".join(map(_article, reversed(list_messages(lab)))) or "<p>Nothing has arrived yet."
    return (PAGE_HEAD + shown).encode()


def _article(message: Json) -> str:
    lines = "".join(f"<br>{escape(line)}" for line in message["text"])
    links = " ".join(f'<a href="{escape(link)}">{escape(link)}</a>' for link in message["links"])
    about = f"{escape(message['at'])}, {escape(message['channel'])}"
    return f"<article><h2>{escape(message['subject'])}</h2><small>{about}</small><p>{lines}<p>{links}</article>"


def _keep(lab: Lab, channel: str, message_id: str, texts: list[str], links: list[str], body: Json) -> None:
    number = lab.store.count(KIND)
    subject, text = (texts or [""])[0], texts[1:]
    message = {"channel": channel, "id": message_id, "subject": subject, "text": text, "links": links, "body": body}
    lab.store.put(KIND, lab.new_id("message"), {"at": to_iso(lab.now()), "number": number, **message})


def _parse(raw: bytes) -> Json:
    try:
        body = json.loads(raw)
    except ValueError:
        raise bad_request("InvalidRequestContent", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise bad_request("InvalidRequestContent", "the body is no JSON object")
    return body


def _take_card(lab: Lab, found: re.Match[str], query: dict[str, str], raw: bytes) -> Answer:
    """The trigger of a workflow: 202 with an empty body; only its own address, which is a secret, may post."""
    own = parse_qs(urlsplit(find_secret(lab, found["vault"], found["secret"])).query).get("sig", [""])[0]
    if not own or not hmac.compare_digest(query.get("sig", "").encode(), own.encode()):
        message = "The authentication credentials are not valid."
        raise ArmError(401, "DirectApiAuthorizationRequired", message)
    if len(raw) > MOST_BYTES:
        raise ArmError(413, "RequestEntityTooLarge", f"a message has at most {MOST_BYTES} bytes")
    body = _parse(raw)
    attachments = body.get("attachments")
    if body.get("type") != "message" or not isinstance(attachments, list) or not attachments:
        raise bad_request("BadRequest", "type message and attachments are required")
    for attachment in attachments:
        _check_card(attachment)
    texts = [text for one in attachments for text in _texts_of(one["content"])]
    links = [action["url"] for one in attachments for action in one["content"].get("actions", ())]
    _keep(lab, "teams", "", texts, links, body)
    return Answer(202)


def _check_card(attachment: Any) -> None:
    card = attachment.get("content") if isinstance(attachment, dict) else None
    if not isinstance(card, dict) or attachment.get("contentType") != CARD:
        raise bad_request("BadRequest", f"an attachment is a card: contentType {CARD}, and content")
    if card.get("type") != "AdaptiveCard" or card.get("version") not in CARD_VERSIONS or not card.get("body"):
        raise bad_request("BadRequest", "a card has type AdaptiveCard, a version up to 1.5, and a body")
    if "msteams" in card:
        raise not_simulated("a card with entities of Teams, such as mentions")
    for element in [*card["body"], *card.get("actions", ())]:
        _check_element(element)


def _check_element(element: Any) -> None:
    kind = str(element.get("type")) if isinstance(element, dict) else ""
    if kind not in ELEMENTS or set(element) - ELEMENTS[kind]:
        raise bad_request("BadRequest", f"no such element of a card: {json.dumps(element)[:200]}")
    if not all(isinstance(value, str) for name, value in element.items() if name not in {"inlines", "wrap"}):
        raise bad_request("BadRequest", f"the properties of {kind} are texts")
    if kind == "Action.OpenUrl" and urlsplit(element.get("url", "")).scheme not in {"https", "http"}:
        raise bad_request("BadRequest", "an action opens an absolute URL")
    for inline in element.get("inlines", ()):
        _check_element(inline)


def _texts_of(card: Json) -> Iterator[str]:
    for element in card["body"]:
        yield element.get("text") or "".join(inline["text"] for inline in element.get("inlines", ()))


def _take_webhook(lab: Lab, found: re.Match[str], headers: dict[str, str], raw: bytes) -> Answer:
    """A receiver as Standard Webhooks wants it: the signature, the age, and each id once."""
    key = find_secret(lab, found["vault"], found["secret"])
    message_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = b".".join((message_id.encode(), at.encode(), raw))
    expected = f"v1,{base64.b64encode(hmac.digest(_key_bytes(key), signed, hashlib.sha256)).decode()}"
    given = headers.get("webhook-signature", "").split(" ")
    if not message_id or not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given):
        raise ArmError(401, "Unauthorized", "the signature is not that of this message")
    if not at.isdigit() or abs(lab.now() - datetime.fromtimestamp(int(at), UTC)) > _tolerance(lab):
        raise ArmError(401, "Unauthorized", "the message is too old, or of a time to come")
    body = _parse(raw)
    if not isinstance(body.get("subject"), str) or body.get("id") != message_id:
        raise bad_request("BadRequest", "a notification has a subject, and the id that is signed")
    if not any(one["channel"] == "webhook" and one["id"] == message_id for one in list_messages(lab)):
        facts = [f"{fact['name']}: {fact['value']}" for fact in body.get("facts", ())]
        links = [link] if (link := body.get("link")) else []
        _keep(lab, "webhook", message_id, [body["subject"], *facts, body.get("nextStep", "")], links, body)
    return Answer(204)


def _key_bytes(key: str) -> bytes:
    return base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()


def _tolerance(lab: Lab) -> timedelta:
    """Five minutes of the wall clock: a fast clock must not make a message old that is under way."""
    return TOLERANCE * max(1.0, lab.clock.speed if isinstance(lab.clock, LabClock) else 1.0)


def _service_of(lab: Lab, name: str, query: dict[str, str], headers: dict[str, str]) -> Json:
    tokens.principal_of(headers.get("authorization", ""), (MAIL_AUDIENCE,))
    if query.get("api-version") != MAIL_API:
        raise bad_request("BadRequest", f"api-version {MAIL_API} is required")
    service = lab.store.get(COMMUNICATION, name.lower())
    if service is None:
        raise not_simulated(f"the communication service {name}, whose host there is not")
    return service


def _take_mail(lab: Lab, name: str, query: dict[str, str], headers: dict[str, str], raw: bytes) -> Answer:
    service = _service_of(lab, name, query, headers)
    operation = headers.get("operation-id") or lab.new_id("mail")
    try:
        UUID(operation)
    except ValueError:
        raise bad_request("BadRequest", "Operation-Id is a UUID") from None
    body = _parse(raw)
    content, recipients = _check_mail(service, body)
    if not _find_mail(lab, operation):
        links = re.findall(r"https?://\S+", content.get("plainText", ""))
        texts = [content["subject"], *content.get("plainText", "").splitlines()]
        texts += [f"to {one['address']}" for one in recipients]
        _keep(lab, "email", operation, texts, links, body)
    place = f"{lab.place.base}/communication/{name}/emails/operations/{operation}?api-version={MAIL_API}"
    return Answer(202, {"id": operation, "status": "Running", "error": None}, {"Operation-Location": place})


def _check_mail(service: Json, body: Json) -> tuple[Json, list[Json]]:
    allowed = {"senderAddress", "content", "recipients", "userEngagementTrackingDisabled", "headers", "replyTo"}
    content, recipients = body.get("content"), (body.get("recipients") or {}).get("to")
    if set(body) - allowed or not isinstance(content, dict) or not isinstance(recipients, list) or not recipients:
        raise bad_request("BadRequest", "senderAddress, content and recipients.to are required, and nothing unknown")
    subject = content.get("subject")
    if not isinstance(subject, str) or not subject or "\n" in subject or not (content.keys() & {"plainText", "html"}):
        raise bad_request("BadRequest", "content has a subject on one line, and plainText or html")
    for one in recipients:
        if not isinstance(one, dict) or not _ADDRESS.fullmatch(str(one.get("address"))):
            raise bad_request("BadRequest", f"Invalid email address: {one}")
    sender = _ADDRESS.fullmatch(str(body.get("senderAddress")))
    if sender is None or sender["domain"].lower() != service["domain"].lower():
        raise ArmError(404, "DomainNotLinked", "The specified sender domain has not been linked.")
    return content, recipients


def _find_mail(lab: Lab, operation: str) -> Json | None:
    sent = (one for one in list_messages(lab) if one["channel"] == "email" and one["id"] == operation)
    return next(sent, None)


def _get_operation(lab: Lab, found: re.Match[str], query: dict[str, str], headers: dict[str, str]) -> Answer:
    _service_of(lab, found["name"], query, headers)
    if _find_mail(lab, found["id"]) is None:
        raise ArmError(404, "NotFound", f"There is no operation {found['id']}.")
    return Answer(200, {"id": found["id"], "status": "Succeeded", "error": None})
