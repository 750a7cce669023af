"""A failover is made final, or given up, without a reason only while its machine in Azure is well."""

import pytest

from shared.plans.failed_over_vms import FailedOverVm, weigh_failed_over_vm
from shared.plans.preview_kinds import PreviewKind

BROKEN = FailedOverVm(power="running", failed_probes="port 7999: refused")


@pytest.mark.parametrize(
    ("kind", "azure_vm", "expected"),
    [
        ("commit", FailedOverVm(power="running"), []),
        ("commit", BROKEN, [("concern", "probes-failed")]),
        ("cancel", BROKEN, []),
        ("commit", FailedOverVm(power="gone"), [("concern", "azure-vm-gone")]),
        ("cancel", FailedOverVm(power="gone"), [("concern", "azure-vm-gone")]),
        ("commit", FailedOverVm(power="deallocated"), [("concern", "azure-vm-stopped")]),
        ("commit", FailedOverVm(), [("concern", "azure-vm-stopped")]),
        ("commit", FailedOverVm(unread="403"), [("warning", "azure-vm-unread")]),
        ("failback", FailedOverVm(unread="403"), [("warning", "azure-vm-unread")]),
        ("failback", FailedOverVm(power="deallocated"), []),
        ("failback", FailedOverVm(power="running", guest_agent="2.7"), [("warning", "guest-agent")]),
        (
            "commit",
            BROKEN.model_copy(update={"guest_agent": "2.7"}),
            [("warning", "guest-agent"), ("concern", "probes-failed")],
        ),
        ("cancel", FailedOverVm(power="running", guest_agent="2.7"), []),
    ],
)
def test_how_the_machine_in_azure_does_weighs(
    kind: PreviewKind, azure_vm: FailedOverVm, expected: list[tuple[str, str]]
) -> None:
    assert [(weight, one.code) for weight, one in weigh_failed_over_vm(kind, "sql-01", azure_vm)] == expected
