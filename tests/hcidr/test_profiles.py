"""Profiles: which app, and no secret in a file."""

from pathlib import Path

import pytest

from hcidr.profiles import Profile, WrongProfile, check_url, headers_of, load_profile, profiles_file, save_profile


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def test_the_last_one_is_used_and_others_by_name(home: dict[str, str]) -> None:
    save_profile("prod", Profile("https://prod", "entra", "api://a"), home)
    save_profile("lab", Profile("http://localhost:7071", "key"), home)
    assert load_profile("", home) == Profile("http://localhost:7071", "key")
    assert load_profile("prod", home).audience == "api://a"
    with pytest.raises(WrongProfile, match="no profile 'other'"):
        load_profile("other", home)


def test_no_secret_is_kept(home: dict[str, str]) -> None:
    save_profile("lab", Profile("https://lab", "token"), {**home, "HCIDR_TOKEN": "s3cret", "HCIDR_KEY": "s3cret"})
    assert "s3cret" not in profiles_file(home).read_text()


@pytest.mark.parametrize(
    ("environ", "headers"),
    [
        ({"HCIDR_KEY": "k"}, {"x-functions-key": "k"}),
        ({"HCIDR_TOKEN": "t"}, {"Authorization": "Bearer t"}),
        ({"HCIDR_TOKEN": "t", "HCIDR_KEY": "k"}, {"Authorization": "Bearer t"}),
        ({"HCIDR_TOKEN": "t", "HCIDR_KEY": "k", "HCIDR_SIGN_IN": "key"}, {"x-functions-key": "k"}),
    ],
)
def test_the_environment_alone_does(home: dict[str, str], environ: dict[str, str], headers: dict[str, str]) -> None:
    given = {**home, **environ, "HCIDR_URL": "https://app/api/"}
    assert load_profile("", given).url == "https://app"
    assert headers_of(load_profile("", given), given) == headers


@pytest.mark.parametrize("url", ["", "app", "ftp://app", "http://example.org", "https://"])
def test_a_token_goes_to_no_other_address(url: str) -> None:
    with pytest.raises(WrongProfile):
        check_url(url)


@pytest.mark.parametrize("sign_in", ["key", "token"])
def test_what_is_missing_is_named(sign_in: str, home: dict[str, str]) -> None:
    environ = {**home, "HCIDR_URL": "https://app", "HCIDR_SIGN_IN": sign_in}
    with pytest.raises(WrongProfile, match=f"HCIDR_{sign_in.upper()}"):
        headers_of(load_profile("", environ), environ)


def test_a_broken_file_is_told(home: dict[str, str]) -> None:
    profiles_file(home).parent.mkdir(parents=True)
    profiles_file(home).write_text("{")
    with pytest.raises(WrongProfile, match="is no JSON"):
        load_profile("", home)
