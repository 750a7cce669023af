"""What the checks come to, and the table of them."""

from shared.onboarding.preflight.check import Finding
from shared.onboarding.preflight.findings import WIDTH, as_table, counts, findings, state_of
from tests.shared.preflight.samples import azure, cluster, seen

WELL = Finding(id="a-check", title="A thing is so", state="pass", evidence=("it is",), link="https://x")


def test_a_preflight_fails_by_a_failure_only() -> None:
    states = {state: state_of([WELL, WELL.model_copy(update={"state": state})]) for state in counts([])}
    assert states == {"fail": "failed", "unknown": "succeeded", "warn": "succeeded", "pass": "succeeded"}


def test_the_table_says_what_to_do_and_sums_up() -> None:
    text = as_table(findings(seen(azure(cluster=cluster(principal="")))))
    assert "FAIL     cluster-identity" in text
    assert "-> Repair the registration" in text
    assert text.splitlines()[-1].startswith("FAILED: 2 fail, 0 unknown, 0 warn, ")
    assert all(len(line) <= WIDTH for line in text.splitlines() if "https://" not in line)


def test_a_check_that_passes_asks_for_nothing() -> None:
    assert as_table([WELL]).splitlines() == [
        "PASS     a-check  A thing is so",
        "                  it is",
        "",
        "SUCCEEDED: 0 fail, 0 unknown, 0 warn, 1 pass",
    ]
