"""The recovery points of protected items: whether one is fit, and the lists that are kept before a commit."""

from dataclasses import dataclass, field

from shared.obstacle import Obstacle
from shared.recovery.contract import CheckPoints, KeepPoints, PointsChecked, PointsKept
from shared.site_recovery.request_budget import Calls


@dataclass
class RecoveryPoints:
    """Stands for the vault's recovery points, 24 to a machine.

    Attributes:
        unfit_vms: Those of which no point is fit.
        kept: By file of the evidence, the machines whose points it lists.
    """

    unfit_vms: set[str] = field(default_factory=set)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def check_points(self, ask: CheckPoints) -> PointsChecked:
        unfit = [one.vm for one in ask.items if one.vm in self.unfit_vms]
        obstacles = tuple(Obstacle(vm=vm, code="recovery-point-too-old", detail=f"{vm}: too old") for vm in unfit)
        return PointsChecked(obstacles=obstacles, calls=Calls(reads=len(ask.items)))

    def keep_points(self, ask: KeepPoints) -> PointsKept:
        self.kept[ask.evidence_file] = tuple(one.vm for one in ask.items)
        return PointsKept(counts=dict.fromkeys(self.kept[ask.evidence_file], 24), calls=Calls(reads=len(ask.items)))
