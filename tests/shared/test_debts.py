"""Who of a run still owes a commit or a protection."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.messages import VaultRef
from shared.recovery.people import People
from shared.recovery.results import findings_on_skipped, uncommitted_vms, unprotected_vms
from shared.recovery.run import Run
from shared.recovery.run_item import ItemStep, RunItem
from shared.recovery.stage import Stage, StageProgress
from shared.site_recovery.views import Verb

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
WAY: tuple[Verb, ...] = ("PlannedFailover", "Commit", "Failback", "Commit", "ReverseReplicate")


def run_of(state: str, *verbs: Verb, **more: Any) -> Run:
    """A run of one machine that these verbs were done to."""
    steps = [ItemStep(verb=verb, job="j", outcome="succeeded") for verb in verbs]
    sql = RunItem.model_validate({"vm": "sql", "id": "/items/sql", "state": state, "steps": steps, **more})
    vault = VaultRef(subscription_id="s", resource_group="rg", vault="v")
    stages = tuple(Stage(verb=verb) for verb in WAY)
    return Run(
        operation="op-1", vaults=(vault,), items=(sql,), began=T0, progress=StageProgress(stages=stages, began=T0)
    )


@pytest.mark.parametrize(
    ("run", "commit", "protection"),
    [
        (run_of("done", *WAY), False, False),
        (run_of("blocked"), False, False),
        (run_of("blocked", "PlannedFailover"), True, True),
        (run_of("blocked", "PlannedFailover", "Commit"), False, True),
        (run_of("waiting", *WAY[:3]), True, True),
        (run_of("skipped", *WAY[:4]), True, True),
        (run_of("failed", since=T0, requested_verb="PlannedFailover"), True, True),
        (run_of("waiting", verbs_done_before=("PlannedFailover", "Commit")), False, True),
        (run_of("waiting", verbs_done_before=("PlannedFailover",)), True, True),
        (run_of("skipped", since=T0, requested_verb="UpdateVmProperties"), False, False),
        (run_of("done", "UpdateVmProperties", job="j", since=T0, requested_verb="UpdateVmProperties"), False, False),
        (run_of("blocked", "UpdateVmProperties"), False, False),
    ],
)
def test_a_machine_owes_a_commit_after_each_move_and_its_protection_until_it_replicates_again(
    run: Run, commit: bool, protection: bool
) -> None:
    assert (bool(uncommitted_vms(run)), bool(unprotected_vms(run))) == (commit, protection)


def test_only_a_run_that_went_on_without_a_machine_says_so() -> None:
    run = run_of("done")
    assert findings_on_skipped(run) == ()
    assert "skipped: sql" in findings_on_skipped(run.with_people(People(skipped_vms=("sql",))))[0]
