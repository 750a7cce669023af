"""What every runbook on a site starts from."""

from shared.messages import Message
from shared.operations.kinds import Kind
from shared.sites.site import SiteDocument


class SiteOperation(Message):
    """An operation on one site; each kind adds what it needs.

    Attributes:
        requested_by: The name of who asked, or what did.
        requester_id: Who asked, as Entra knows them; empty for a key, a timer or an event.
        document: The site as it was when the run was asked for.
    """

    id: str
    kind: Kind
    site: str
    requested_by: str
    requester_id: str = ""
    document: SiteDocument
