"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

from shared.messages import Message
from shared.operations.kinds import Kind
from shared.sites.site import SiteDocument


class SiteOperation(Message):
    """What every runbook on a site starts from; each adds what it needs.

    Attributes:
        document: The site as it was when the run was asked for.
    """

    id: str
    kind: Kind
    site: str
    requested_by: str
    document: SiteDocument
