"""What every runbook on a site starts from."""

from shared.messages import Message
from shared.operations.kinds import Kind
from shared.sites.site import SiteDocument


class SiteOperation(Message):
    """An operation on one site; each kind adds what it needs.

    Attributes:
        document: The site as it was when the run was asked for.
    """

    id: str
    kind: Kind
    site: str
    requested_by: str
    document: SiteDocument
