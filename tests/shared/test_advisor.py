"""Both ways home, compared for a machine by what is known of it."""

from datetime import timedelta

from shared.plans.failback_advice import OVERHEAD, MachineFacts, advise_machine

SMALL = MachineFacts(vm="web", gb=40, away=timedelta(hours=6), churn=0.1, link=1000)
LARGE = SMALL.model_copy(update={"vm": "sql", "gb": 4000})


def test_a_large_machine_that_writes_little_is_down_for_less_with_its_changes_only() -> None:
    advice = advise_machine(LARGE)
    least, full = advice.options
    assert advice.recommended == "minimise-downtime"
    assert full.duration == full.downtime == OVERHEAD + timedelta(seconds=4000 * 1024 / 125)
    checksums, brought = timedelta(minutes=4000 / 3), timedelta(seconds=round(0.1 * 6 * 3600 / 125))
    assert least.downtime is not None
    assert least.downtime - OVERHEAD == timedelta(seconds=round(0.1 * (checksums + brought).total_seconds() / 125))
    assert "22 h" in advice.reasons[0]
    assert any("checksums of 3 GB" in text for text in advice.assumptions)


def test_a_small_machine_is_not_worth_the_wait_for_a_person() -> None:
    tiny = SMALL.model_copy(update={"gb": 2})
    assert advise_machine(tiny).recommended == "full-download"
    assert "waits for nobody" in advise_machine(tiny).reasons[1]


def test_after_a_month_all_is_brought_home() -> None:
    advice = advise_machine(LARGE.model_copy(update={"away": timedelta(days=45)}))
    assert advice.recommended == "full-download"
    assert "45 days" in advice.reasons[0]


def test_a_shared_link_is_slower() -> None:
    alone, shared = advise_machine(LARGE).options[1], advise_machine(LARGE.model_copy(update={"sharing": 4})).options[1]
    assert alone.duration is not None
    assert shared.duration is not None
    assert shared.duration - OVERHEAD == 4 * (alone.duration - OVERHEAD)


def test_never_more_than_the_disks_is_brought_home() -> None:
    busy = SMALL.model_copy(update={"churn": 500.0})
    least, full = advise_machine(busy).options
    assert least.downtime == full.downtime
    assert advise_machine(busy).recommended == "full-download"


def test_what_is_not_known_is_said_and_not_made_up() -> None:
    advice = advise_machine(MachineFacts(vm="web"))
    assert [way.duration for way in advice.options] == [None, None]
    assert len(advice.unknown_facts) == 4
    assert (advice.recommended, advice.assumptions) == ("minimise-downtime", ())
    without_churn = advise_machine(SMALL.model_copy(update={"churn": None}))
    assert [way.downtime is None for way in without_churn.options] == [True, False]
    assert without_churn.unknown_facts == (
        "how much it writes: declare capacity.churn or capacity.defaultChurn of the site",
    )
