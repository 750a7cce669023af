"""What a verb needs and what proves its end, along the recorded states of a protected item."""

from typing import NamedTuple

import pytest

from shared.obstacle import Obstacle
from shared.site_recovery.verb_rules import RULES, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb
from tests.shared.samples import view

AFTER_FAILOVER = ("CompleteMigration", "Commit", "DisableProtection", "ChangePit")
AFTER_COMMIT = ("CompleteMigration", "DisableProtection", "Failback")


class State(NamedTuple):
    """A row of the recorded states: what the item shows, which verbs it may take, and whose end it shows."""

    item: ItemView
    takes: frozenset[Verb]
    shows: frozenset[Verb]


def state(takes: set[Verb], shows: set[Verb], item: ItemView) -> State:
    return State(item, frozenset(takes), frozenset(shows))


FRESH: set[Verb] = {"TestFailover", "PlannedFailover", "UnplannedFailover", "UpdateVmProperties"}
CALM: set[Verb] = {"TestFailoverCleanup", "Commit", "ReverseReplicate", "CancelFailover"}

STATES = {
    "initial replication": state(
        set(),
        {"TestFailoverCleanup", "Commit", "CancelFailover"},
        view(protection_state="InitialReplicationInProgress", allowed_operations=("DisableProtection",)),
    ),
    "completing the first replication": state(set(), set(), view(allowed_operations=(), scenario="EnableProtection")),
    "replicating": state(FRESH, CALM, view()),
    "test failover under way": state(set(), set(), view(allowed_operations=(), scenario="TestFailover")),
    "test failover waits for its cleanup": state(
        {"TestFailoverCleanup"},
        {"TestFailover"},
        view(
            test_failover_state="WaitingForCompletion",
            allowed_operations=("TestFailoverCleanup",),
            scenario="TestFailover",
        ),
    ),
    "test failover waits, idle face": state(
        {"TestFailoverCleanup"},
        {"TestFailover"},
        view(test_failover_state="WaitingForCompletion", allowed_operations=("TestFailoverCleanup",)),
    ),
    "cleanup under way": state(
        set(),
        {"TestFailover"},
        view(
            test_failover_state="WaitingForCompletion",
            allowed_operations=("TestFailoverCleanup",),
            scenario="TestFailoverCleanup",
        ),
    ),
    "cleaned up": state(FRESH, CALM, view(test_failover_state="MarkedForDeletion")),
    "planned failover under way": state(
        {"CancelFailover"}, set(), view(allowed_operations=(), scenario="PlannedFailover")
    ),
    "failed over": state(
        {"Commit", "CancelFailover", "ChangePit"},
        {"PlannedFailover", "UnplannedFailover", "TestFailoverCleanup", "ChangePit"},
        view(
            protection_state="PlannedFailoverCommitRequired",
            active_location="Recovery",
            allowed_operations=AFTER_FAILOVER,
        ),
    ),
    "failover committed": state(
        {"Failback"},
        {"PlannedFailover", "UnplannedFailover", "Commit", "TestFailoverCleanup", "CancelFailover"},
        view(
            protection_state="PlannedFailoverStatesBegin",
            active_location="Recovery",
            allowed_operations=AFTER_COMMIT,
            test_failover_state="MarkedForDeletion",
        ),
    ),
    "failback under way": state(
        {"CancelFailover"},
        set(),
        view(active_location="Recovery", allowed_operations=("CancelFailover", "Failback"), scenario="PlannedFailover"),
    ),
    "failed back": state(
        {"Commit"},
        {"Failback", "TestFailoverCleanup", "CancelFailover"},
        view(protection_state="?", allowed_operations=("FinalizeFailback", "DisableProtection")),
    ),
    "failed back, the other reading": state(
        {"Commit"},
        {"Failback", "TestFailoverCleanup", "CancelFailover"},
        view(protection_state="?", allowed_operations=("Commit", "DisableProtection")),
    ),
    "failback committed": state(
        {"ReverseReplicate"},
        {"Failback", "Commit", "TestFailoverCleanup", "CancelFailover"},
        view(protection_state="?", allowed_operations=("ReverseReplicate", "DisableProtection")),
    ),
    "re-protect under way": state(
        set(), set(), view(protection_state="?", allowed_operations=(), scenario="ReverseReplicate")
    ),
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("verb", RULES)
def test_each_state_takes_its_verbs_and_no_other(name: str, verb: Verb) -> None:
    refusal = find_refusal(verb, STATES[name].item)
    assert (refusal is None) == (verb in STATES[name].takes)


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("verb", RULES)
def test_each_state_shows_the_end_of_its_verbs_and_no_other(name: str, verb: Verb) -> None:
    assert has_settled(verb, STATES[name].item) == (verb in STATES[name].shows)


@pytest.mark.parametrize("name", STATES)
def test_a_busy_item_may_be_asked_again_and_an_idle_one_says_what_it_allows(name: str) -> None:
    item = STATES[name].item
    refusals = {verb: refusal for verb in RULES if (refusal := find_refusal(verb, item))}
    under_way = "under way" in name or "completing" in name
    pending = "TestFailoverCleanup" in item.allowed_operations
    assert all(refusal.passing == under_way for verb, refusal in refusals.items() if not pending)


def test_a_refusal_says_what_stands_in_the_way_in_words() -> None:
    refusal = find_refusal("Commit", view())
    assert refusal is not None
    assert refusal.code == "commit-not-allowed"
    assert refusal.detail == "sql-01 runs on premises and is protected: fail it over first"
    assert not refusal.passing


def test_a_pending_test_failover_has_to_be_cleaned_up_first() -> None:
    refusal = find_refusal("PlannedFailover", STATES["test failover waits for its cleanup"].item)
    assert refusal == Obstacle(
        vm="sql-01",
        code="test-failover-pending",
        detail="a test failover of sql-01 is not cleaned up: have it cleaned up first",
    )


def test_a_protected_item_that_is_busy_is_not_ready_although_it_lists_the_verb() -> None:
    refusal = find_refusal("TestFailover", view(scenario="PlannedFailover"))
    assert refusal == Obstacle(
        vm="sql-01",
        code="item-busy",
        detail="a failover or failback runs on sql-01: wait until it has ended",
        passing=True,
    )


def test_hyper_v_is_never_re_protected_before_its_failback() -> None:
    for name in ("failed over", "failover committed"):
        refusal = find_refusal("ReverseReplicate", STATES[name].item)
        assert refusal is not None
        assert refusal.code == "reverse-replicate-not-allowed"


def test_what_cannot_be_undone_is_said_of_the_verbs_that_do_it() -> None:
    silent = {verb for verb, rule in RULES.items() if not rule.irreversible}
    assert silent == {"TestFailover", "TestFailoverCleanup", "ReverseReplicate", "ChangePit", "UpdateVmProperties"}
