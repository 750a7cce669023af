"""An entity forgets itself when it is asked to, unless it keeps something, or was asked for something since."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.durable.entities import REGISTERED
from shared.operations import durable_names as names
from shared.operations.entity_messages import FORGET, EntityMessage, MessageStamp
from tests.orchestrators.entity_mail import START, Letter, Mailbox
from tests.orchestrators.test_entity_messages import CLAIM, OPEN, RELEASE, SETTLE

LATER = START + timedelta(days=2)


def forget(mailbox: Mailbox, unchanged_since: datetime = LATER, **changes: Any) -> Any:
    request = {"unchanged_since": unchanged_since.isoformat(), **changes}
    message = EntityMessage(stamp=MessageStamp(sender="retention", number=1), request=request)
    return mailbox.deliver(Letter(FORGET, message))


def mailbox_after(name: str, *letters: Letter) -> Mailbox:
    mailbox = Mailbox(name, REGISTERED[name])
    for letter in letters:
        mailbox.deliver(letter)
    return mailbox


@pytest.mark.parametrize(
    ("name", "letters"), [(names.LEASES, (CLAIM, RELEASE)), (names.OBLIGATIONS, (OPEN, SETTLE))], ids=("leases", "owed")
)
def test_one_that_keeps_nothing_any_more_is_gone_with_its_messages(name: str, letters: tuple[Letter, ...]) -> None:
    mailbox = mailbox_after(name, *letters)
    assert mailbox.state is not None
    assert forget(mailbox) is True
    assert mailbox.state is None
    assert forget(mailbox) is True, "the message may come twice"
    assert mailbox.state is None


def test_one_that_was_asked_for_something_since_stays_as_it_is() -> None:
    mailbox = mailbox_after(names.LEASES, CLAIM, RELEASE)
    state = mailbox.state
    assert RELEASE.at is not None
    assert forget(mailbox, unchanged_since=RELEASE.at) is False
    assert mailbox.state == state
    mailbox.deliver(CLAIM)
    assert mailbox.value is None, "it still knows that this came before its release"


def test_what_an_entity_keeps_is_removed_only_where_that_is_meant() -> None:
    mailbox = mailbox_after(names.OBLIGATIONS, OPEN)
    assert forget(mailbox) is False
    assert mailbox.value
    assert forget(mailbox, whatever_it_keeps=True) is True
    assert mailbox.state is None


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_every_entity_can_forget_itself_even_where_nothing_was(name: str) -> None:
    mailbox = Mailbox(name, REGISTERED[name])
    assert forget(mailbox) is True
    assert mailbox.state is None
    assert FORGET not in REGISTERED[name].operations
