"""A line of the log that alerts read stays one line, bounded and readable, whatever names are in it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.log_lines import LONGEST_VALUE, TURNING_POINT, log_line

NAMES = st.sampled_from(["id", "plan", "subject", "operation"])
FACTS = st.dictionaries(NAMES, st.text(max_size=2000) | st.integers(-(2**53), 2**53) | st.booleans())


@given(FACTS)
def test_nobody_can_write_a_second_line_or_another_fact(facts: dict[str, str | int | bool]) -> None:
    line = log_line(TURNING_POINT, facts)
    assert line.isascii()
    assert line.isprintable()
    mark, _, text = line.partition(" ")
    read = json.loads(text)
    assert (mark, set(read)) == (TURNING_POINT, set(facts))
    for name, value in facts.items():
        assert read[name] == (value[:LONGEST_VALUE] if isinstance(value, str) else value)
    assert len(line) < 20 + len(facts) * (12 * LONGEST_VALUE + 30)
