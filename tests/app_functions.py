"""The app's functions as they are registered. The library lists them once only: it adds its own each time."""

from functools import cache
from typing import Any

from function_app import app


@cache
def registered_functions() -> tuple[Any, ...]:
    """All of them."""
    return tuple(app.get_functions())
