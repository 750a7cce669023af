"""The page lists every attribute that the product records, and none that it does not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAME = re.compile(r'"((?:hci|az)\.[a-z_.]+[a-z{}]*)"')


def recorded_names() -> set[str]:
    """Attributes of our own, as the code spells them."""
    folders = ("activities", "shared", "triggers")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {name for source in sources for name in NAME.findall(source)}


def test_every_attribute_is_listed_and_every_listed_one_is_recorded() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    spans = page.partition("## Spans")[2].partition("## Metrics")[0]
    listed = set(re.findall(r"`((?:hci|az)\.[a-z_.{}]+)`", spans))
    metrics = set(re.findall(r"^\| `(hci\.[a-z_.]+)`", page.partition("## Metrics")[2], re.MULTILINE))
    assert recorded_names() - metrics - listed == set()
    assert listed - recorded_names() == set()
