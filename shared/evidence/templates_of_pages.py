"""The templates of the pages that the app renders: whatever comes from outside is text in them."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shared.evidence.report_sections import time_text
from shared.wording import format_duration

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def load_page(name: str) -> "Template":
    """A template, ready to be rendered."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # only reports need it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = format_duration
    environment.filters["moment"] = time_text
    return environment.get_template(name)
