"""How long things take, where nobody can wait as long as in Azure."""

from datetime import timedelta

_chosen: list[tuple[float, float, float]] = []


def choose_seconds(bounds: tuple[float, float, float]) -> None:
    """Have every job, and all else that takes minutes in Azure, last between these seconds in this process."""
    _chosen[:] = [bounds]


def chosen_seconds() -> tuple[float, float, float] | None:
    """Least, usual and most seconds that were chosen for everything; None where all is as in Azure."""
    return _chosen[0] if _chosen else None


def shortened_wait(usual: timedelta) -> timedelta:
    """How long something takes that is no job: as usual, or as long as any job where that was chosen."""
    return timedelta(seconds=_chosen[0][1]) if _chosen else usual
