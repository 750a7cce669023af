"""The recording of the command line: one picture after the other, of text alone."""

import re
from xml.etree import ElementTree as ET

from rich.text import Text

from tests.release import ROOT
from tools.record_cli import Scene, draw, thin_out

SCENES = [Scene(Text("$ hcidr status"), 5), Scene(Text("<script>&\n"), 1.5), Scene(Text("end"), 3)]


def test_each_scene_has_its_time_and_its_text_is_text() -> None:
    drawn = draw(SCENES)
    tree = ET.fromstring(drawn)  # noqa: S314 - our own
    groups = [one for one in tree.iter("{http://www.w3.org/2000/svg}g") if (one.get("class") or "").startswith("s s")]
    assert len(groups) == 3
    assert len(re.findall(r"@keyframes k\d+", drawn)) == 3
    assert not [one for one in tree.iter() if one.tag.endswith("script")]


def test_of_a_run_that_is_followed_a_few_pictures_are_kept() -> None:
    followed = [Scene(Text(str(number)), 1.5) for number in range(100)]
    kept = thin_out([SCENES[0], *followed, SCENES[2]])
    assert (kept[0], kept[-1], len(kept)) == (SCENES[0], SCENES[2], 8)


def test_the_recording_in_the_repository_asks_nobody_for_anything() -> None:
    text = (ROOT / "docs" / "images" / "hcidr.svg").read_text()
    assert re.findall(r"https?://[^'\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text
    assert ET.fromstring(text) is not None  # noqa: S314 - our own
