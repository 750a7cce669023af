"""The two ways a call to Azure ends badly: it may be asked again, or asking again would change nothing."""


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


class Refused(SiteRecoveryError):
    """Azure, or this app, declined; asking again unchanged would change nothing."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail
