"""How long jobs take: drawn from what was recorded, the same for the same seed, item, scenario and count."""

import random
from collections.abc import Mapping
from datetime import timedelta

from lab.azure.simulator.waits import chosen_seconds

HOST_SILENT, LOSS_NOTICED, DISCOVERY = "HostSilent", "LossNoticed", "Discovery"
"""No jobs: how long it takes until a lost host is noticed, by a job that needs it and by the vault, and until the
machines of a host that has registered are listed."""

RECORDED: Mapping[str, tuple[float, float, float]] = {  # seconds: least, median, most; tiny machines, 2017 and 2023
    "AddProtectionProfile": (1, 2, 7),
    "AssociateProtectionProfile": (10, 60, 300),
    "ChangePit": (200, 330, 375),  # assumed: as long as a failover
    "CommitFailover": (2, 24, 139),
    "CreateSite": (1, 1.5, 2),
    "DisableDr": (11, 30, 60),
    "EnableDr": (39, 53, 110),
    "FinalizeFailback": (65, 66, 67),
    "InitialReplication": (300, 600, 1800),  # assumed: not a job, grows with the disk
    "IrCompletion": (9, 20, 38),
    "Failback": (359, 554, 688),
    "PlannedFailover": (204, 380, 437),
    "PurgeVm": (1, 3, 6),
    "CancelFailover": (10, 30, 60),  # assumed
    "RepairVMReplication": (120, 300, 900),  # assumed: grows with what differs
    "ReprotectReplicationGroup": (27, 120, 123),
    "ReverseInitialReplication": (30, 90, 240),  # assumed: deltas only
    HOST_SILENT: (60, 180, 300),  # assumed: how long a job waits for a host of whose loss the vault does not know
    LOSS_NOTICED: (900, 960, 1200),  # assumed: for the Arc agent 15 minutes and more are documented
    DISCOVERY: (60, 240, 900),  # assumed: "up to 15 minutes" is what people say
    "TestFailover": (492, 609, 680),
    "TestFailoverCleanup": (150, 170, 190),
    "UnplannedFailover": (326, 375, 805),
    "DissociateProtectionProfile": (30, 60, 90),
    "UnregisterDra": (7, 20, 44),
    "UpdateVmProperties": (2, 12, 39),
}
ADMINISTRATIVE = (1.0, 2.0, 5.0)
"""Seconds of the jobs that change a record in the vault and nothing else."""

BUSY_FAILS_AFTER = (5.0, 90.0, 200.0)
"""Seconds until a job on a busy item fails with 532; 3 min 20 s is the longest recorded."""

REFUSED_FAILS_AFTER = (3.0, 4.0, 8.0)
"""Seconds until a job on an item in the wrong state fails; 25038 took 4 to 5."""

STARTS_AFTER = (0.6, 1.5, 9.0)
"""Seconds between the 202 and the job's start; until then it shows nothing of itself."""


def bounds_of(scenario: str) -> tuple[float, float, float]:
    """Least, usual and most seconds of a scenario's jobs: as recorded, unless others are chosen."""
    return chosen_seconds() or RECORDED.get(scenario, ADMINISTRATIVE)


def draw_duration(bounds: tuple[float, float, float], *key: object) -> timedelta:
    """A duration between the bounds, most often near the middle one; the same for the same key."""
    least, middle, most = bounds
    generator = random.Random("/".join(str(part) for part in key))
    return timedelta(seconds=round(generator.triangular(least, most, middle), 3))


def draw_job_duration(seed: int, scenario: str, item: str, count: int) -> timedelta:
    """How long the `count`th job of a scenario takes for an item."""
    return draw_duration(bounds_of(scenario), seed, item.lower(), scenario, count)
