"""The book: a change is accepted only from someone who saw what holds now."""

from datetime import UTC, datetime, timedelta

from shared.plans.versions import VERSIONS_KEPT, Declaration, VersionedDocument, declare_document, withdraw_document

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def wish(digest: str = "aaaa", if_match: str = "") -> Declaration:
    return Declaration(
        document_kind="plan",
        name="payroll",
        action="put",
        document={"d": digest},
        digest=digest,
        by="ann",
        at=NOW,
        if_match=if_match,
    )


def declared(digest: str = "aaaa") -> VersionedDocument:
    entry, _ = declare_document(None, wish(digest))
    assert entry
    return entry


def test_a_first_declaration_creates_version_one() -> None:
    entry, verdict = declare_document(None, wish())
    assert verdict.outcome == "created"
    assert entry
    assert (entry.version, entry.history[0].declared_by) == (1, "ann")


def test_the_same_content_again_changes_nothing() -> None:
    before = declared()
    entry, verdict = declare_document(before, wish().model_copy(update={"at": NOW + timedelta(hours=1)}))
    assert (entry, verdict.outcome, verdict.etag) == (before, "unchanged", before.etag)


def test_a_declaration_that_arrives_twice_is_answered_as_the_first_time() -> None:
    created, first = declare_document(None, wish())
    assert created
    assert declare_document(created, wish()) == (created, first)
    change = wish("bbbb", if_match=created.etag)
    changed, second = declare_document(created, change)
    assert second.outcome == "changed"
    assert declare_document(changed, change) == (changed, second)  # no conflict with what it did itself


def test_a_change_by_someone_who_saw_another_version_is_a_conflict() -> None:
    before = declared()
    entry, verdict = declare_document(before, wish("bbbb", if_match='"7-cccc"'))
    assert (entry, verdict.outcome, verdict.etag) == (before, "conflict", before.etag)
    assert declare_document(None, wish("bbbb", if_match="*"))[1].outcome == "conflict"


def test_a_change_by_someone_who_saw_this_version_is_a_new_version() -> None:
    before = declared()
    entry, verdict = declare_document(before, wish("bbbb", if_match=before.etag))
    assert entry
    assert (verdict.outcome, entry.version) == ("changed", 2)
    assert verdict.etag == entry.etag != before.etag


def test_the_history_of_changes_is_kept_and_bounded() -> None:
    entry: VersionedDocument | None = None
    for n in range(VERSIONS_KEPT + 5):
        entry, _ = declare_document(entry, wish(f"{n:04}"))
    assert entry
    assert len(entry.history) == VERSIONS_KEPT
    assert entry.history[-1].version == VERSIONS_KEPT + 5


def test_removing_what_is_not_there_says_so() -> None:
    assert withdraw_document(None, wish())[1].outcome == "missing"
    assert withdraw_document(declared(), wish())[0] is None
    assert withdraw_document(declared(), wish(if_match='"9-x"'))[1].outcome == "conflict"
