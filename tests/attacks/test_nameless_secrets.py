"""Output that a plan has kept: a password that nothing names is taken out by its look, and what people need stays."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.kept_answers import LONGEST_OUTPUT, kept_output
from shared.nameless_secrets import is_password_like, without_nameless
from shared.secret_formats import REDACTED
from tests.attacks.secret_shapes import HARMLESS, HARMLESS_OUTPUT, JSONS, NAMELESS, TEXTS, Shape
from tests.attacks.test_secrets import text_of

FRAMES = ["{}", "before {} after", "line\n{}\nline", "[{}]"]
every_shape = pytest.mark.parametrize("shape", [*NAMELESS, *TEXTS, *JSONS], ids=lambda shape: text_of(shape)[:40])


@every_shape
@pytest.mark.parametrize("frame", FRAMES)
def test_no_secret_is_in_output_that_is_kept(shape: Shape, frame: str) -> None:
    if "\n" in text_of(shape) and frame != "line\n{}\nline":
        frame = "{}"  # a table begins at the beginning of a line
    kept = kept_output(frame.format(text_of(shape)), is_wanted=True)
    assert shape.secret not in kept
    assert kept_output(kept, is_wanted=True) == kept


def test_there_are_many_shapes() -> None:
    assert len({text_of(shape) for shape in (*NAMELESS, *TEXTS)}) >= 120
    assert len({text_of(shape) for shape in JSONS}) >= 50
    assert all(shape.secret in text_of(shape) for shape in NAMELESS)


@pytest.mark.parametrize("text", [*HARMLESS, *HARMLESS_OUTPUT])
def test_what_people_need_of_an_output_stays(text: str) -> None:
    assert without_nameless(text) == text


@pytest.mark.parametrize("word", ["winter", "Winter2026", "horse", "Administrator1", "Welcome1!", "12345678"])
def test_a_plain_word_cannot_be_told_from_a_name(word: str) -> None:
    """What docs/security.md says cannot be found."""
    assert not is_password_like(word)


def test_names_that_are_known_stay() -> None:
    name = "x7Kq2mPw9Zt4"
    assert kept_output(f"{name} is up", is_wanted=True) == f"{REDACTED} is up"
    assert kept_output(f"{name.lower()}: {name} is up", is_wanted=True, known=(name,)).endswith(f"{name} is up")


ALPHABETS = {
    "letters and digits": string.ascii_letters + string.digits,
    "with symbols": string.ascii_letters + string.digits + "!@#$%^*",
}


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@pytest.mark.parametrize(("length", "least"), [(12, 0.9), (16, 0.95), (24, 0.96)])
def test_most_passwords_that_a_machine_made_are_found(alphabet: str, length: int, least: float) -> None:
    rng = random.Random(7)
    words = ["".join(rng.choices(alphabet, k=length)) for _ in range(2000)]
    found = sum(word not in without_nameless(f"it is {word} now") for word in words)
    assert found / len(words) >= least


@given(st.text())
def test_any_output_can_be_read_and_twice_changes_nothing(text: str) -> None:
    once = without_nameless(text)
    assert without_nameless(once) == once


@given(st.text(alphabet="ab1-_.:@!/\\ \n[]=%", max_size=300))
def test_odd_output_takes_no_time_and_twice_changes_nothing(text: str) -> None:
    once = kept_output(text, is_wanted=True)
    assert len(once) <= LONGEST_OUTPUT
    assert without_nameless(once) == once


PIECES = ("a1B", "net use \\\\x ", "a:b@", "pass:", "-- ", "Ab1!", "QUJD", "app:x!", "ldap -w ")
COMMANDS = (
    "mysql ",
    "certutil -x ",
    "setx ",
    "net user ",
    "htpasswd -c ",
    "echo a:",
    "machine ",
    "bitsadmin ",
    "sudo ",
)
LONG_WORDS = ("/" * 8_000 + "\n", "a" * 198 + "!\n", "1." * 99 + "!\n")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("word", ["pass", "b", "x ", "/", "a,", "</", "@:!"])
def test_a_command_with_a_long_tail_takes_no_long_time(command: str, word: str) -> None:
    assert len(kept_output(command + word * (100_000 // len(word)), is_wanted=True)) <= LONGEST_OUTPUT


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [*PIECES, *LONG_WORDS, *COMMANDS])
def test_long_output_takes_no_long_time(piece: str) -> None:
    assert len(kept_output(piece * (200_000 // len(piece)), is_wanted=True)) <= LONGEST_OUTPUT
