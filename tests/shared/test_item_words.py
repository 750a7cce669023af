"""What people are told of an item: where it stands and what to do next, nothing in the words of the service."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.site_recovery.item_words import describe_stand, state_words
from shared.site_recovery.verb_rules import RULES, find_refusal
from shared.site_recovery.views import ItemView, Verb
from tests.shared.samples import view

OPERATIONS = (
    "CancelFailover",
    "ChangePit",
    "Commit",
    "CompleteMigration",
    "DisableProtection",
    "Failback",
    "FinalizeFailback",
    "PlannedFailover",
    "ReverseReplicate",
    "SwitchProtection",
    "TestFailover",
    "TestFailoverCleanup",
    "UnplannedFailover",
    "RepairReplication",
)
STATES = (
    "Protected",
    "UnprotectedStatesBegin",
    "EnablingFailed",
    "InitialReplicationInProgress",
    "ResynchronizationInProgress",
    "PlannedFailoverCommitRequired",
    "PlannedFailoverStatesBegin",
    "UnplannedFailoverCommitPendingStatesBegin",
    "UnplannedFailoverStatesBegin",
    "FailbackStatesBegin",
    "FailbackCommitRequired",
    "ReverseReplicationInProgress",
    "ReverseInitialReplication",
    "DisableProtectionInProgress",
    "SomethingNewOfTheService",
)
SCENARIOS = (
    "None",
    "PlannedFailover",
    "UnplannedFailover",
    "TestFailover",
    "TestFailoverCleanup",
    "CommitFailover",
    "FinalizeFailback",
    "Failback",
    "ReprotectReplicationGroup",
    "CancelFailover",
    "EnableProtection",
    "DisableProtection",
    "UpdateVmProperties",
    "NeverSeenBefore",
)
TESTS = ("None", "", "InProgress", "WaitingForCompletion", "MarkedForDeletion")
OUR_VERBS = re.compile(
    r"\b(commit|fail (it|over)|failed (back|over)|fail it back|re-protect(ed)?|cleaned up|clean up|enable|disable|wait"
    r"|cancel)\b"
)
IDENTIFIER = re.compile(r"[a-z][A-Z]|\b(Primary|Recovery)\b")


def names_of_service(text: str) -> list[str]:
    """Its identifiers in a text; it is called Site Recovery itself."""
    return IDENTIFIER.findall(text.replace("Site Recovery", ""))


items: st.SearchStrategy[ItemView] = st.builds(
    lambda state, home, allowed, scenario, test: view(
        protection_state=state,
        active_location="Primary" if home else "Recovery",
        allowed_operations=tuple(allowed),
        scenario=scenario,
        test_failover_state=test,
    ),
    st.sampled_from(STATES),
    st.booleans(),
    st.lists(st.sampled_from(OPERATIONS), unique=True, max_size=5),
    st.sampled_from(SCENARIOS),
    st.sampled_from(TESTS),
)


@given(items, st.sampled_from(list(RULES)))
def test_a_refusal_names_the_next_thing_to_do_and_nothing_of_the_service(item: ItemView, verb: Verb) -> None:
    refusal = find_refusal(verb, item)
    if refusal is None:
        return
    assert not names_of_service(refusal.detail), refusal.detail
    assert OUR_VERBS.search(refusal.detail), refusal.detail
    assert item.vm in refusal.detail


@given(items)
def test_where_an_item_stands_is_said_in_words(item: ItemView) -> None:
    assert not names_of_service(describe_stand(item))
    assert not names_of_service(state_words(item.protection_state))


@pytest.mark.parametrize(
    ("verb", "allowed", "location", "sentence"),
    [
        ("Failback", ("CompleteMigration", "Commit"), "Recovery", "is failed over but not committed: commit it first"),
        ("PlannedFailover", ("Failback",), "Recovery", "fail it back, commit that, and re-protect it first"),
        ("ReverseReplicate", ("FinalizeFailback",), "Primary", "is failed back but not committed: commit it first"),
        (
            "PlannedFailover",
            ("ReverseReplicate",),
            "Primary",
            "is back on premises and does not replicate: re-protect it",
        ),
        ("Commit", ("Failback", "CompleteMigration"), "Recovery", "nothing is left to commit; fail it back when"),
        ("Commit", ("PlannedFailover",), "Primary", "runs on premises and is protected: fail it over first"),
        ("PlannedFailover", ("DisableProtection",), "Primary", "then enable it again"),
    ],
)
def test_it_says_where_the_vm_stands_and_what_comes_first(
    verb: Verb, allowed: tuple[str, ...], location: str, sentence: str
) -> None:
    item = view(protection_state="X", active_location=location, allowed_operations=allowed)
    refusal = find_refusal(verb, item)
    assert refusal is not None
    assert sentence in refusal.detail
