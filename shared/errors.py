"""The two ways a call to Azure ends badly: it may be asked again, or asking again would change nothing."""

from typing import Literal

type CallKind = Literal["reads", "writes"]
"""Which of a subscription's buckets a request draws on."""


class SiteRecoveryError(Exception):
    """Anything that this product raises on purpose."""


class Transient(SiteRecoveryError):
    """Azure did not answer this time: 429, 5xx, a lost connection.

    Attributes:
        retry_after: Seconds that Azure asked us to wait, or None when it did not say.
    """

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Throttled(Transient):
    """Azure, or the pacer before it, takes no more requests of a kind in a subscription for some seconds.

    What was to be sent was not taken in: it can be sent again then.
    """

    def __init__(self, detail: str, retry_after: int, subscription: str, kind: CallKind) -> None:
        super().__init__(detail, retry_after)
        self.wait, self.subscription, self.kind = retry_after, subscription.lower(), kind


class Refused(SiteRecoveryError):
    """Azure, or this app, declined; asking again unchanged would change nothing."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class UnexpectedFailure(Exception):
    """An error of the app itself, in words without secrets: the engine keeps them."""
