"""The simulated Azure in this process, and as a process of its own, as other tests have them."""

from tests.activities.conftest import lab, server
from tests.lab.azure.conftest import cloud

__all__ = ["cloud", "lab", "server"]
