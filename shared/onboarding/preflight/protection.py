"""Checks of what is protected: VMs without a replica, and disks that are not in one."""

from collections.abc import Iterator

from shared.onboarding.preflight.check import GUIDE, MATRIX, Check, CheckLine, unread_lines
from shared.onboarding.preflight.facts import SiteFacts
from shared.replication.coverage import find_unprotected
from shared.replication.disks import unreplicated_disks


def check_protected(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "coverage")
    if facts.vault_vms is None:
        if "coverage" not in facts.azure.unread:
            yield CheckLine("pass", f"{facts.site.vault_name} protects nothing yet: that comes after prepare")
        return
    unprotected = find_unprotected(facts.site, *facts.vault_vms, facts.cluster_vms)
    for one in unprotected:
        yield CheckLine("warn", f"{one.vm}{f' on {one.node}' if one.node else ''} is not protected")
    if not unprotected:
        yield CheckLine("pass", f"each VM of the cluster is protected: {len(facts.vault_vms.items)} VMs are")


def check_disks_replicated(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "coverage")
    for vm, disks in unreplicated_disks(facts.site, facts.vault_vms):
        yield CheckLine("warn", f"{vm} has disks that are not replicated: {', '.join(disks)}")


CHECKS = (
    Check(
        "vm-protected",
        "Every VM of the cluster is protected",
        check_protected,
        "Register the node that a VM runs on, and enable its replication, or name it in the site's withoutVms.",
        GUIDE + "#step-2-enable-replication-of-vms",
    ),
    Check(
        "vm-disks-replicated",
        "Every disk of a protected VM is replicated",
        check_disks_replicated,
        "Disable the VM's replication and enable it again, or name the disks in the site's withoutDisks.",
        MATRIX + "#azure-vm-requirements",
    ),
)
