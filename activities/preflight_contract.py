"""What orchestrators see of the activity that reads a site."""

from activities.contract import Activity
from shared.messages import Message
from shared.preflight.facts import AzureFacts
from shared.sites import SiteDocument


class ReadSite(Message):
    """Read all that Azure shows of a site; what is not there yet is absent, what may not be read is named."""

    site: SiteDocument


READ_SITE = Activity("read_site", ReadSite, AzureFacts)
