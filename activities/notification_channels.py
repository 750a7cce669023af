"""Sending one notification to one channel: a workflow of Teams, a webhook, or mail."""

import json
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import aiohttp

from activities.call_authentication import signed_headers
from activities.http_calls import call_url, encode_json, is_in_lab, read_azure_settings
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.azure.key_vault import read_secret
from shared.errors import Refused, Transient
from shared.network_addresses import find_host_flaw
from shared.notifications.contract import NotificationSent, SendNotification
from shared.notifications.mail import API_VERSION, AUDIENCE, mail_body
from shared.notifications.rule import ENDPOINT
from shared.notifications.teams_card import teams_message
from shared.notifications.text import NotificationText, write_notification
from shared.notifications.webhook_body import webhook_body
from shared.request_ids import client_request_id


async def send_notification(request: SendNotification) -> NotificationSent:
    """Send a notification to its channel.

    Raises:
        Refused: notification-refused: the channel does not take it, or its address is one that is not asked;
            secret-unread: its address or its key cannot be read.
        Transient: it did not answer; it may have taken it, and knows it again by its id.
    """
    base_url = read_azure_settings().public_url
    text = write_notification(request.occasion, request.event, request.awaited, request.reminder, base_url)
    return await _CHANNELS[request.channel.kind](request, text)


async def _post_webhook(request: SendNotification, text: NotificationText) -> NotificationSent:
    content = encode_json(webhook_body(request, text))
    headers = await signed_headers(request.channel.secret, request.id, request.at, content)
    return await _post(request.channel.url, content, dict(headers))


async def _post_card(request: SendNotification, text: NotificationText) -> NotificationSent:
    url = (await read_secret(request.channel.url)).strip()
    if flaw := _address_flaw(url):
        raise Refused("notification-refused", f"the address in {request.channel.url} {flaw}")
    content = json.dumps(teams_message(text)).encode()
    return await _post(url, content, {"x-ms-client-tracking-id": request.id})


def _address_flaw(url: str) -> str:
    """Why what a secret holds is not asked, as the end of a sentence; nothing of it is said."""
    try:
        address = urlsplit(url)
        is_https = address.scheme == "https" or (address.scheme == "http" and is_in_lab())
        if not is_https or not address.hostname or address.username or address.password:
            return "is no https URL"
        return "leads to the app's own machine" if find_host_flaw(url, is_own_allowed=is_in_lab()) else ""
    except ValueError:
        return "is no https URL"


async def _send_mail(request: SendNotification, text: NotificationText) -> NotificationSent:
    """Have mail sent, unless the service has this operation already."""
    base, operation = _mail_base(request.channel.endpoint), client_request_id(request.id, "", "SendMail", 1)
    with translate_errors():
        headers = {"Authorization": f"Bearer {await azure().token_for(AUDIENCE)}"}
    query = f"?api-version={API_VERSION}"
    found = await _call("GET", f"{base}/emails/operations/{operation}{query}", None, headers)
    if found == 200:
        return NotificationSent(status=found)
    content = json.dumps(mail_body(request.channel, text)).encode()
    return await _post(f"{base}/emails:send{query}", content, {**headers, "Operation-Id": operation})


def _mail_base(endpoint: str) -> str:
    """Where the service is; in the lab it is where Azure is.

    Raises:
        Refused: it is none that gets a token.
    """
    found = ENDPOINT.fullmatch(endpoint)
    if found is None:
        raise Refused("notification-refused", "the endpoint is none of Azure Communication Services")
    return f"{read_azure_settings().arm_url}/communication/{found['name']}" if is_in_lab() else endpoint


_CHANNELS: Mapping[str, Callable[[SendNotification, NotificationText], Awaitable[NotificationSent]]] = {
    "teams": _post_card,
    "webhook": _post_webhook,
    "email": _send_mail,
}


async def _post(url: str, content: bytes, headers: Mapping[str, str]) -> NotificationSent:
    """POST; nothing of an answer is kept but its status, and nothing of an error but its kind: it may name the URL."""
    status = await _call("POST", url, content, headers)
    if 200 <= status < 300:
        return NotificationSent(status=status)
    if status in {408, 425, 429} or status >= 500:
        raise Transient(f"it answered {status}")
    raise Refused("notification-refused", f"it answered {status}")


async def _call(method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> int:
    """The status of an answer.

    Raises:
        Transient: there is none.
    """
    try:
        return (await call_url(method, url, content, headers)).status
    except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
        raise Transient(f"no answer: {type(error).__name__}") from None
