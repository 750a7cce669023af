"""The keys of seals, as activities read them: what they are missing for waits, and is done again."""

import os

from shared.errors import Transient
from shared.settings import SealSettings, WrongSettings


def read_seal_settings() -> SealSettings:
    """The keys.

    Raises:
        Transient: there are none: a key vault is away.
    """
    try:
        return SealSettings.from_environment(os.environ)
    except WrongSettings as error:
        raise Transient(str(error)) from error
