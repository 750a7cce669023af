"""What the checks come to, and the table of them."""

from shared.onboarding.preflight.check import CheckResult
from shared.onboarding.preflight.findings import WIDTH, count_by_state, overall_state, results_table, run_checks
from tests.shared.preflight.samples import azure, cluster, seen

WELL = CheckResult(id="a-check", title="A thing is so", state="pass", evidence=("it is",), link="https://x")


def test_a_preflight_fails_by_a_failure_only() -> None:
    states = {state: overall_state([WELL, WELL.model_copy(update={"state": state})]) for state in count_by_state([])}
    assert states == {"fail": "failed", "unknown": "succeeded", "warn": "succeeded", "pass": "succeeded"}


def test_the_table_says_what_to_do_and_sums_up() -> None:
    text = results_table(run_checks(seen(azure(cluster=cluster(principal="")))))
    assert "FAIL     cluster-identity" in text
    assert "-> Repair the registration" in text
    assert text.splitlines()[-1].startswith("FAILED: 2 fail, 0 unknown, 0 warn, ")
    assert all(len(line) <= WIDTH for line in text.splitlines() if "https://" not in line)


def test_a_check_that_passes_asks_for_nothing() -> None:
    assert results_table([WELL]).splitlines() == [
        "PASS     a-check  A thing is so",
        "                  it is",
        "",
        "SUCCEEDED: 0 fail, 0 unknown, 0 warn, 1 pass",
    ]
