"""A notification rule: who is told of which turning points, of which sites and plans, and how often again."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from shared.documents import CHECKED, TEXT_OF_DURATION, Fault, Name, Whole, digest_of, hook_url_flaw, raise_faults
from shared.messages import Document
from shared.notifications.occasions import OCCASIONS, WAITS, About, Occasion
from shared.secret_references import HOW, parse_reference

MOST_RULES = 50
"""How many rules there may be: each event looks at all of them."""
MOST_CHANNELS = 5
MOST_RECIPIENTS = 20
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ENDPOINT = re.compile(rf"https://(?P<name>{_LABEL})(?:\.[a-z]+)?\.communication\.azure\.(?:com|us)")
"""Of a resource of Azure Communication Services; some have their data location in the name."""
_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
NO_ADDRESS = "must be a mail address alone, such as dr@contoso.example"
ReminderSpan = Annotated[timedelta, Field(ge=timedelta(minutes=5), le=timedelta(days=7)), TEXT_OF_DURATION]


class Covers(Document):
    """Which sites and plans; a plan is also covered by each of its sites."""

    sites: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    plans: Annotated[tuple[Name, ...], Field(max_length=200)] = ()


class Channel(Document):
    """Where notifications go.

    Attributes:
        kind: "teams" posts an adaptive card to a workflow of Teams, "webhook" signed JSON to a service of yours,
            "email" sends mail by Azure Communication Services.
        url: Of a workflow a reference to a secret, @kv:…, as its address is all that it takes to post there; of a
            webhook its https address.
        secret: Of a webhook: reference to the key that both sides know, @kv:…
        endpoint: Of Azure Communication Services: https://<name>.communication.azure.com.
        sender: Of mail, in JSON `from`: an address of a domain that is linked there.
        to: Of mail: who gets it.

    Raises:
        ValidationError: with each field that is wrong.
    """

    kind: Literal["teams", "webhook", "email"]
    url: Annotated[str, Field(max_length=2000)] = ""
    secret: Annotated[str, Field(max_length=500)] = ""
    endpoint: Annotated[str, Field(max_length=200)] = ""
    sender: Annotated[str, Field(max_length=254, alias="from")] = ""
    to: Annotated[tuple[Annotated[str, Field(max_length=254)], ...], Field(max_length=MOST_RECIPIENTS)] = ()

    @model_validator(mode="after")
    def _check_fields(self, info: ValidationInfo) -> Self:
        if info.context is CHECKED:
            return self
        if wrong := [*_misplaced_fields(self), *_CHECKS[self.kind](self)]:
            raise_faults(type(self).__name__, wrong, None)
        return self


_FIELDS: Mapping[str, frozenset[str]] = {
    "teams": frozenset({"url"}),
    "webhook": frozenset({"url", "secret"}),
    "email": frozenset({"endpoint", "sender", "to"}),
}


def _misplaced_fields(channel: Channel) -> Iterator[Fault]:
    for name, info in Channel.model_fields.items():
        if name != "kind" and name not in _FIELDS[channel.kind] and getattr(channel, name):
            field = info.alias or name
            yield Fault((field,), f"{name}_unfit", f"a channel of the kind {channel.kind} has none")


def _teams_faults(channel: Channel) -> Iterator[Fault]:
    if not _is_reference(channel.url):
        yield Fault(("url",), "url_unfit", f"the address of a workflow is a secret: {HOW}")


def _webhook_faults(channel: Channel) -> Iterator[Fault]:
    if flaw := hook_url_flaw(channel.url):
        yield Fault(("url",), "url_unfit", flaw)
    if not _is_reference(channel.secret):
        yield Fault(("secret",), "secret_unfit", f"a webhook is signed, and its key is not written into a rule: {HOW}")


def _email_faults(channel: Channel) -> Iterator[Fault]:
    if not ENDPOINT.fullmatch(channel.endpoint):
        detail = (
            "must be of Azure Communication Services, https://<name>.communication.azure.com: no other gets a token"
        )
        yield Fault(("endpoint",), "endpoint_unfit", detail)
    if not _ADDRESS.fullmatch(channel.sender):
        yield Fault(("from",), "address_unfit", NO_ADDRESS)
    if not channel.to:
        yield Fault(("to",), "nothing", "name at least one address")
    for place, address in enumerate(channel.to):
        if not _ADDRESS.fullmatch(address):
            yield Fault(("to", place), "address_unfit", NO_ADDRESS)


_CHECKS: Mapping[str, Callable[[Channel], Iterator[Fault]]] = {
    "teams": _teams_faults,
    "webhook": _webhook_faults,
    "email": _email_faults,
}


def _is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except ValueError:
        return False
    return True


class NotificationRule(Document):
    """Whom to notify of what.

    Attributes:
        covers: Which sites and plans; None: everything, also what belongs to none of them.
        occasions: Of what; by default of everything that asks something of a person.
        channels: Where to; each gets every notification.
        remind: After this time people are reminded, while a run still waits for them; None: never.
        reminders: How often at the most.
    """

    covers: Covers | None = None
    occasions: tuple[Occasion, ...] = OCCASIONS
    channels: Annotated[tuple[Channel, ...], Field(max_length=MOST_CHANNELS)]
    remind: ReminderSpan | None = None
    reminders: Annotated[Whole, Field(ge=1, le=20)] = 3

    @model_validator(mode="after")
    def _check_rule(self, info: ValidationInfo) -> Self:
        if info.context is CHECKED:
            return self
        if wrong := list(_faults_of_rule(self)):
            raise_faults(type(self).__name__, wrong, None)
        return self

    @property
    def digest(self) -> str:
        """Names this content."""
        return digest_of(self)

    @property
    def tells_approvers(self) -> bool:
        """Whether people hear by it that a run waits for their approval."""
        return "waiting-for-approval" in self.occasions

    def matches(self, occasion: Occasion, about: About, sites_of_plan: Collection[str]) -> bool:
        """Whether people are notified of such an event.

        Args:
            occasion: What the event is.
            about: The plan and the site that it is about.
            sites_of_plan: Names of the sites of that plan.
        """
        if occasion not in self.occasions:
            return False
        if self.covers is None:
            return True
        sites = {about.site, *sites_of_plan} - {""}
        return (about.plan != "" and about.plan in self.covers.plans) or not sites.isdisjoint(self.covers.sites)


def _faults_of_rule(rule: NotificationRule) -> Iterator[Fault]:
    if rule.covers is not None and not (rule.covers.sites or rule.covers.plans):
        detail = "name at least one site or plan, or leave it out for everything"
        yield Fault(("covers",), "nothing", detail)
    if not rule.channels:
        yield Fault(("channels",), "nothing", "name at least one channel")
    if not rule.occasions:
        yield Fault(("occasions",), "nothing", "name at least one occasion, or leave it out for all of them")
    if rule.remind is not None and WAITS.isdisjoint(rule.occasions):
        yield Fault(("remind",), "never", "a run that waits for a person is reminded of: none of the occasions is one")
    if "reminders" in rule.model_fields_set and rule.remind is None:
        yield Fault(("reminders",), "never", "say in remind after what time, or leave this out")
    seen: list[dict[str, Any]] = []
    for place, channel in enumerate(rule.channels):
        content = channel.model_dump()
        if content in seen:
            yield Fault(("channels", place), "twice", "this channel is named twice")
        seen.append(content)
