"""What may be removed in Azure of machines that came home."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.failback.leftovers import Leftover, is_removable

FAILED_OVER = datetime(2026, 1, 5, 8, tzinfo=UTC)
CARD = Leftover(
    id="/nic", type="Microsoft.Network/networkInterfaces", loose=True, created=FAILED_OVER + timedelta(minutes=5)
)


@pytest.mark.parametrize("kind", ["Microsoft.Network/networkInterfaces", "microsoft.compute/disks"])
def test_a_loose_card_or_disk_of_the_failover_may_go(kind: str) -> None:
    assert is_removable(CARD.model_copy(update={"type": kind}), FAILED_OVER)


@pytest.mark.parametrize(
    "change",
    [
        {"loose": False},
        {"created": FAILED_OVER - timedelta(seconds=1)},
        {"created": None},
        {"type": "Microsoft.Compute/virtualMachines"},
        {"type": "Microsoft.Network/publicIPAddresses"},
    ],
)
def test_what_is_in_use_or_older_or_of_another_kind_stays(change: dict[str, object]) -> None:
    assert not is_removable(CARD.model_copy(update=change), FAILED_OVER)
