"""Whether a network is fit for a drill: not production's, not joined to it, empty unless the plan says else. Pure."""

from collections.abc import Collection, Iterator

from shared.messages import Document
from shared.plans import DrillSettings


class Flaw(Document):
    """Why a drill must not happen in a network."""

    code: str
    detail: str


def flaws(
    settings: DrillSettings,
    production: Collection[str],
    *,
    found: bool,
    peered: Collection[str],
    cards: Collection[str],
) -> Iterator[Flaw]:
    """What speaks against rehearsing there.

    Args:
        settings: The plan's.
        production: ARM ids of the sites' own networks.
        found: Whether the drill's network is there at all.
        peered: Networks that it is peered to, in whatever state: a peering that is not up today may be tomorrow.
        cards: Network cards in it.
    """
    network, real = settings.network, {one.lower() for one in production if one}
    if network.lower() in real:
        detail = f"{network} is the production network: a drill there would meet the real machines"
        yield Flaw(code="drill-in-production", detail=detail)
    if not found:
        yield Flaw(code="drill-network-missing", detail=f"there is no network {network}")
    for other in peered:
        if other.lower() in real:
            yield Flaw(code="drill-network-peered", detail=f"{network} is peered to the production network {other}")
    if cards and not settings.shared_network:
        detail = (
            f"{network} holds {len(cards)} network cards already, {min(cards)} among them; sharedNetwork lets that be"
        )
        yield Flaw(code="drill-network-in-use", detail=detail)
