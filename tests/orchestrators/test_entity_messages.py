"""Any message to any entity may arrive twice, late, and in another order: taken from what is registered, all of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestrators.durable.entities import ENTITIES, REGISTERED
from orchestrators.durable.entity_operations import Entity
from shared.operations import durable_names as names
from shared.operations.entity_messages import EntityMessage, MessageStamp, stamp_after
from shared.site_recovery.request_budget import READS, WRITES, Bucket, refill_bucket
from tests.orchestrators.entity_mail import (
    FAILED,
    START,
    ForgetfulMailbox,
    Letter,
    Mailbox,
    deliveries_to,
    is_late,
)

ALL = sorted(ENTITIES)
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


class Post:
    """Delivers letters to one entity, and checks after each what must hold."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.done: list[Letter] = []
        self.answers: dict[tuple[str, int], Any] = {}

    def deliver(self, letter: Letter) -> Any:
        before, state = self.mailbox.value, self.mailbox.state
        answer = self.mailbox.deliver(letter)
        changed = self.mailbox.state != state
        if self.mailbox.entity.operations[letter.operation].reads:
            assert not changed
        elif letter.key in self.answers:
            assert not changed, "a repeated message changed something"
            assert answer == self.answers[letter.key] or self._is_forgotten(answer), "it was answered otherwise"
        elif is_late(answer) or answer == FAILED:
            assert not changed, "a message that was not done changed something"
        else:
            self._take(letter, answer, before)
        return answer

    def _take(self, letter: Letter, answer: Any, before: Any) -> None:
        """A message was done for the first time."""
        assert not self._overtaken(letter), "a late message was done"
        self.done.append(letter)
        self.answers[letter.key] = answer
        INVARIANTS[self.mailbox.name](before or {}, letter, self.mailbox.value or {})

    def _overtaken(self, letter: Letter) -> list[Letter]:
        among_all = self.mailbox.entity.order == "entity"
        return [
            one
            for one in self.done
            if one.at and letter.at and one.at > letter.at and (among_all or one.stamp.sender == letter.stamp.sender)
        ]

    def _is_forgotten(self, answer: Any) -> bool:
        return is_late(answer) and len(self.done) > self.mailbox.entity.remembers

    def once_each(self) -> Any:
        """What the entity keeps if all that was done is done once, in that order, and nothing else happens."""
        plain = ForgetfulMailbox(self.mailbox.name, self.mailbox.entity)
        for letter in self.done:
            plain.deliver(letter)
        return plain.value


type Invariant = Callable[[Any, Letter, Any], None]


def _leases_have_one_holder(before: Any, letter: Letter, after: Any) -> None:
    """A lease passes on only when its holder released it, its time was up, or its holder is known to have ended."""
    request = letter.message.request
    for key, lease in before.items():
        holder = after.get(key, {}).get("owner")
        if holder == lease["owner"]:
            continue
        if letter.operation == "release":
            assert lease["owner"] == request
            assert holder is None
        else:
            assert letter.operation == "claim"
            assert holder == request["owner"]
            expired = datetime.fromisoformat(lease["until"]) <= datetime.fromisoformat(request["now"])
            assert expired or lease["owner"] in request["ended"]


def _declarations_are_versions(before: Any, letter: Letter, after: Any) -> None:
    """Each version follows the one before; what was put is there, unless it met a conflict."""
    versions = [one["version"] for one in after.get("history", ())]
    assert versions == sorted(set(versions))
    if before and after:
        assert after["version"] - before["version"] in {0, 1}
    if letter.operation == "put" and not letter.message.request["if_match"]:
        assert after["digest"] == letter.message.request["digest"]


def _what_is_owed_stays_until_settled(before: Any, letter: Letter, after: Any) -> None:
    """Of each machine each kind, and each lock: gone only by a message that settles it."""
    request, may_go = letter.message.request, set[tuple[str, str]]()
    if letter.operation == "settle":
        vms = None if request["machines"] is None else {vm.casefold() for vm in request["machines"]["vms"]}
        may_go = {(kind, vm) for kind, vm in debts(before) if kind in request["kinds"] and (vms is None or vm in vms)}
    elif letter.operation == "settle_by_person" and request["id"] in before:
        may_go = debts({"": before[request["id"]]})
    assert debts(before) - may_go <= debts(after)
    opened = {"open": [request], "open_found": request}.get(letter.operation, [])
    assert debts(after) - debts(before) <= debts(
        {number: {**one, "settled": None} for number, one in enumerate(opened)}
    )


def debts(owed: Any) -> set[tuple[str, str]]:
    """Each kind with each machine, and with each lock, that owes it."""
    kept = [one for one in owed.values() if not one.get("settled")]
    machines = {(one["kind"], vm.casefold()) for one in kept for vm in one.get("vms", ())}
    return machines | {
        (one["kind"], lock["id"].lower()) for one in kept if not one.get("home") for lock in one["locks"]
    }


def _each_run_is_recorded_once(_before: Any, letter: Letter, after: Any) -> None:
    runs = [one["run"] for one in after.get("past_runs", ())]
    assert len(runs) == len(set(runs))
    if letter.operation == "record_run":
        assert runs[-1] == letter.message.request["run"]


def _a_node_has_one_repair(before: Any, letter: Letter, after: Any) -> None:
    """A repair gives way only when it ends, or is known to have ended; episodes count repairs."""
    request = letter.message.request
    if before.get("run") and after["run"] != before["run"]:
        begun = letter.operation == "begin_repair" and before["run"] in request["ended"]
        assert begun or (letter.operation == "end_repair" and request["last"]["run"] == before["run"])
    assert after["episode"] - before.get("episode", 0) in {0, 1}


def _a_queue_keeps_its_order(before: Any, letter: Letter, after: Any) -> None:
    before, after = list(before), list(after)  # an empty value is no list
    runs = [turn["run"] for turn in after]
    assert len(runs) == len(set(runs))
    assert [turn for turn in before if turn in after] == [turn for turn in after if turn in before]
    if letter.operation == "leave":
        assert letter.message.request not in runs


def _a_count_goes_up_by_one(before: Any, _letter: Letter, after: Any) -> None:
    assert sum(after.values()) == sum(before.values() if before else ()) + 1


def _known_plans_are_those_saved(before: Any, letter: Letter, after: Any) -> None:
    known, request = set(before.get("known_ids", ())), letter.message.request
    expected = {"saved": known | set(request), "removed": known - set(request), "checked": known}[letter.operation]
    assert set(after.get("known_ids", ())) == expected


def _a_grant_is_taken_once(before: Any, letter: Letter, after: Any) -> None:
    """What is there after a grant is what was there before, what came since, and what was given back or taken.

    A closure gives nobody anything, and takes nothing of what Azure counts in another bucket.
    """
    request = letter.message.request
    if letter.operation == "close":
        other = {"reads": "writes", "writes": "reads"}[request["kind"]]
        assert (after or {}).get(other) == (before or {}).get(other)
        return
    for kind, limit in (("reads", READS), ("writes", WRITES)):
        had = Bucket.model_validate(before[kind]) if before.get(kind) else None
        there = refill_bucket(had, limit, datetime.fromisoformat(request["now"])).level
        most = min(limit.size, there + request[f"unused_{kind}"]) - request[kind]
        assert after[kind]["level"] <= most
        assert after[kind]["level"] == most or (kind == "writes" and request["shut_until"])


def _a_look_is_entered_once(before: Any, letter: Letter, after: Any) -> None:
    """A look adds one to what still fails, and the last one is never an older one."""
    counts = {(one["duty"], one["about"]): one["looks"] for one in before.get("failures", ())}
    for one in after.get("failures", ()):
        assert one["looks"] - counts.get((one["duty"], one["about"]), 0) in {0, 1}
    ends = [looks.get("last_ended_at") for looks in (before, after) if looks.get("last_ended_at")]
    assert [datetime.fromisoformat(end) for end in ends] == sorted(map(datetime.fromisoformat, ends))
    assert letter.operation == "expect" or ends


def _a_hold_stays_until_it_is_lifted_or_over(before: Any, letter: Letter, after: Any) -> None:
    """One of a site; what another change is not about stays, and a changed one began when the first did."""
    request = letter.message.request
    gone = {key for key in before if key not in after}
    if letter.operation == "end_past":
        assert gone == {key for key, one in before.items() if one["until"] and is_past(one["until"], request)}
        return
    key = request["site"] or "*"
    assert gone <= ({key} if letter.operation == "lift" else set())
    assert {k: one for k, one in after.items() if k != key} == {k: one for k, one in before.items() if k != key}
    if letter.operation == "set":
        assert after[key]["reason"] == request["reason"]
        assert key not in before or after[key]["since"] == before[key]["since"]


def _a_lost_node_stays_lost_by_the_first_word(before: Any, letter: Letter, after: Any) -> None:
    node = letter.message.request["node"]
    if letter.operation == "declare":
        assert {**after, node: None} == {**before, node: None}
        assert after[node] == before.get(node, after[node])
    else:
        assert after == {name: lost for name, lost in before.items() if name != node}


def _what_was_done_for_a_lost_run_stays_done(before: Any, letter: Letter, after: Any) -> None:
    request = letter.message.request
    if letter.operation == "drop":
        assert after == {run: note for run, note in before.items() if run not in request}
        return
    run = request["run"]
    assert {**after, run: None} == {**before, run: None}
    old = before.get(run, request)
    assert datetime.fromisoformat(after[run]["published_at"]) == datetime.fromisoformat(old["published_at"])
    assert after[run]["sealed"] == (old["sealed"] or request["sealed"])


def is_past(until: str, at: str) -> bool:
    return datetime.fromisoformat(until) <= datetime.fromisoformat(at)


def _the_last_reading_of_a_cluster_is_kept(before: Any, letter: Letter, after: Any) -> None:
    """Of what was named before only that stays which runs on a node that says nothing now."""
    request = letter.message.request
    assert after.get("unread", {}) == request["unread"]
    new, kept = len(request["vms"]), after.get("vms", [])
    older = kept[new:]
    assert [vm["name"] for vm in kept[:new]] == [vm["name"] for vm in request["vms"]]
    assert all(vm in before.get("vms", ()) and vm["node"] in request["unread"] for vm in older)


def _each_notification_counts_once(before: Any, letter: Letter, after: Any) -> None:
    """An admission counts in its hour or as left out, and what became of one counts where it belongs."""
    totals = {name: (before.get(name, 0), after.get(name, 0)) for name in ("sent", "given_up", "left_out")}
    grown = {name for name, (then, now) in totals.items() if now == then + 1}
    assert all(now - then in {0, 1} for then, now in totals.values())
    if letter.operation == "note":
        outcome = letter.message.request["outcome"].replace("-", "_")
        assert grown == {outcome}
        assert all(before.get(name, {}) == after.get(name, {}) for name in ("waits", "others"))
        return
    assert grown <= {"left_out"}
    counted = [sum(after.get(name, {}).values()) for name in ("waits", "others")]
    assert grown or sum(counted) >= 1


INVARIANTS: Mapping[str, Invariant] = {
    names.CLUSTER_QUEUE: _a_queue_keeps_its_order,
    names.CLUSTER_VMS: _the_last_reading_of_a_cluster_is_kept,
    names.DOCUMENTS: _declarations_are_versions,
    names.EVENT_COUNTS: _a_count_goes_up_by_one,
    names.HOLDS: _a_hold_stays_until_it_is_lifted_or_over,
    names.LEASES: _leases_have_one_holder,
    names.LOST_NODES: _a_lost_node_stays_lost_by_the_first_word,
    names.LOST_RUNS: _what_was_done_for_a_lost_run_stays_done,
    names.NODES: _a_node_has_one_repair,
    names.NOTIFICATIONS: _each_notification_counts_once,
    names.OBLIGATIONS: _what_is_owed_stays_until_settled,
    names.PLAN_HISTORY: _each_run_is_recorded_once,
    names.RECOVERY_PLAN_MIRRORS: _known_plans_are_those_saved,
    names.REQUEST_BUDGET: _a_grant_is_taken_once,
    names.TIMER_LOOKS: _a_look_is_entered_once,
}


def test_every_entity_is_registered_with_its_operations_and_has_an_invariant() -> None:
    assert set(ENTITIES) == set(REGISTERED) == set(INVARIANTS)
    assert all(entity.operations for entity in REGISTERED.values())


def test_only_where_senders_do_not_overwrite_each_other_their_order_is_free() -> None:
    """Who comes first is served first there, and each changes only what is its own, or what it has leased.

    All others have one order.
    """
    free = {name for name, entity in REGISTERED.items() if entity.order == "sender"}
    shared_by_many = {names.CLUSTER_QUEUE, names.EVENT_COUNTS, names.LEASES, names.NOTIFICATIONS, names.OBLIGATIONS}
    assert free == shared_by_many | {names.REQUEST_BUDGET}


@pytest.mark.parametrize("name", ALL)
@MANY
@given(data=st.data())
def test_messages_may_come_twice_late_and_in_another_order(name: str, data: st.DataObject) -> None:
    post = Post(Mailbox(name, REGISTERED[name]))
    for letter in data.draw(deliveries_to(REGISTERED[name])):
        post.deliver(letter)
    assert post.mailbox.value == post.once_each()


@pytest.mark.parametrize("name", ALL)
@MANY
@given(data=st.data())
def test_what_is_forgotten_is_not_done_again(name: str, data: st.DataObject) -> None:
    """With a memory of two messages: what fell out of it is late, and the state does not grow.

    A message without a time cannot be late: once it is forgotten, it is done again.
    """
    entity = replace(REGISTERED[name], remembers=2)
    post = Post(Mailbox(name, entity))
    for letter in data.draw(deliveries_to(entity, timeless=False)):
        post.deliver(letter)
        assert len((post.mailbox.state or {}).get("memory", {}).get("done", ())) <= entity.remembers
    assert post.mailbox.value == post.once_each()


@pytest.mark.parametrize("name", ALL)
@MANY
@given(data=st.data())
def test_a_sender_whose_message_was_late_is_heard_with_a_new_stamp(name: str, data: st.DataObject) -> None:
    post = Post(Mailbox(name, REGISTERED[name]))
    letters = data.draw(deliveries_to(REGISTERED[name]))
    late = [(letter, answer) for letter in letters if is_late(answer := post.deliver(letter))]
    for number, (letter, answer) in enumerate(late):
        after = datetime.fromisoformat(answer["late"])
        sent_anew = sent_after(letter, max([after, *(one.at for one in post.done if one.at)]), 100 + number)
        assert not is_late(post.deliver(sent_anew))


def sent_after(letter: Letter, at: datetime, number: int) -> Letter:
    last = MessageStamp(sender=letter.stamp.sender, number=number - 1, at=at)
    return Letter(letter.operation, EntityMessage(stamp=stamp_after(last, at), request=letter.message.request))


def letter(operation: str, request: Any, sender: str, number: int, after: int) -> Letter:
    stamp = MessageStamp(sender=sender, number=number, at=START + timedelta(seconds=after))
    return Letter(operation, EntityMessage(stamp=stamp, request=request))


UNTIL, NOW = (START + timedelta(days=1)).isoformat(), START.isoformat()
CLAIM = letter("claim", {"owner": "a", "keys": ["vm"], "until": UNTIL, "now": NOW}, "a", 1, 1)
RELEASE = letter("release", "a", "a", 2, 2)
HOME = {
    "site": "s",
    "vault": "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v",
    "fabrics": ["f"],
    "cluster": "c",
}
OWED = {"kind": "commit", "plan": "p", "owner": "a", "opened": NOW, "due": UNTIL, "vms": ["vm"], "home": HOME}
OPEN = letter("open", OWED, "a", 1, 1)
SETTLE = letter("settle", {"kinds": ["commit"], "machines": {"home": HOME, "vms": ["VM"]}}, "b", 1, 2)
OLD_PUT, NEW_PUT = (
    letter(
        "put",
        {"document_kind": "plan", "name": "p", "action": "put", "document": {"n": n}, "digest": str(n), "at": NOW},
        sender,
        1,
        n,
    )
    for n, sender in ((1, "a"), (2, "b"))
)
TAKE = letter("take", {"now": NOW, "reads": 2}, "a", 1, 1)
COUNT = letter("add", "repaired", "event", 1, 1)
STORIES = {
    "a counter counts twice": (names.EVENT_COUNTS, [COUNT, COUNT], {"repaired": 1}),
    "a claim comes once more after its release": (names.LEASES, [CLAIM, RELEASE, CLAIM], None),
    "a claim comes only after its release": (names.LEASES, [RELEASE, CLAIM], None),
    "what was settled is opened again": (names.OBLIGATIONS, [OPEN, SETTLE, OPEN], None),
    "an old declaration overwrites a new one": (names.DOCUMENTS, [NEW_PUT, OLD_PUT], {"n": 2}),
    "a budget is granted twice": (names.REQUEST_BUDGET, [TAKE, TAKE], READS.size - 2),
}


def shown(name: str, value: Any) -> Any:
    """Of a value what a story is about."""
    match name:
        case names.DOCUMENTS:
            return value["document"]
        case names.REQUEST_BUDGET:
            return value["reads"]["level"]
    return value


@pytest.mark.parametrize("story", STORIES)
def test_what_went_wrong_without_a_memory_does_not_any_more(story: str) -> None:
    name, letters, expected = STORIES[story]
    mailbox, forgetful = (kind(name, REGISTERED[name]) for kind in (Mailbox, ForgetfulMailbox))
    for one in letters:
        mailbox.deliver(one)
        forgetful.deliver(one)
    assert shown(name, mailbox.value) == expected
    assert shown(name, forgetful.value) != expected


def test_the_property_finds_an_entity_that_remembers_nothing() -> None:
    def break_it(name: str, entity: Entity) -> None:
        @settings(MANY, phases=[Phase.generate])
        @given(deliveries_to(entity))
        def check(letters: list[Letter]) -> None:
            post = Post(ForgetfulMailbox(name, entity))
            for one in letters:
                post.deliver(one)

        check()

    for name in ALL:
        with pytest.raises((AssertionError, ExceptionGroup)):
            break_it(name, REGISTERED[name])
