"""Which app is spoken to, and how a caller shows who they are. A profile holds no secret."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

type SignIn = Literal["entra", "key", "token"]
SIGN_INS: tuple[SignIn, ...] = get_args(SignIn.__value__)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
KEY_VARIABLE, TOKEN_VARIABLE = "HCIDR_KEY", "HCIDR_TOKEN"


class WrongProfile(Exception):
    """A profile cannot be used; the message says why, and what to do."""


class Profile(NamedTuple):
    """One app.

    Attributes:
        sign_in: "entra" asks Entra for a token; "key" and "token" take theirs from the environment.
        audience: Of the token: the app registration's id or URI. Only for "entra".
    """

    url: str
    sign_in: SignIn = "entra"
    audience: str = ""


def profiles_file(environ: Mapping[str, str]) -> Path:
    """Where profiles are kept."""
    folder = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".config")
    return Path(folder) / "hcidr" / "profiles.json"


def check_url(url: str) -> str:
    """The address of an app, without /api.

    Raises:
        WrongProfile: it is none that a token may be sent to.
    """
    address = urlsplit(url)
    if address.scheme not in {"https", "http"} or not address.hostname:
        raise WrongProfile(f"not the URL of an app, such as https://func-x.azurewebsites.net: {url!r}")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise WrongProfile("http is for this very machine only: a token must not travel in clear")
    return url.rstrip("/").removesuffix("/api")


def save_profile(name: str, profile: Profile, environ: Mapping[str, str]) -> Path:
    """Keep a profile, and make it the one that is used: the file that holds it."""
    file = profiles_file(environ)
    kept = _read(file)
    kept["profiles"] = {**kept.get("profiles", {}), name: profile._asdict()}
    kept["current"] = name
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(kept, indent=2) + "\n")
    draft.replace(file)
    return file


def load_profile(name: str, environ: Mapping[str, str]) -> Profile:
    """The profile of that name; without a name what HCIDR_URL says, or else the one that was used last.

    Raises:
        WrongProfile: there is none.
    """
    if not name and (url := environ.get("HCIDR_URL")):
        given = environ.get("HCIDR_SIGN_IN") or _usual_sign_in(environ)
        return Profile(check_url(url), _checked_sign_in(given), environ.get("HCIDR_AUDIENCE", ""))
    kept = _read(profiles_file(environ))
    chosen = name or str(kept.get("current", ""))
    found = kept.get("profiles", {}).get(chosen)
    if found is None:
        what = f"there is no profile {chosen!r}" if chosen else "no app is known yet"
        raise WrongProfile(f"{what}: hcidr login URL, or set HCIDR_URL")
    return Profile(check_url(found["url"]), _checked_sign_in(found["sign_in"]), found.get("audience", ""))


def _usual_sign_in(environ: Mapping[str, str]) -> str:
    return "token" if environ.get(TOKEN_VARIABLE) else "key" if environ.get(KEY_VARIABLE) else "entra"


def _checked_sign_in(text: str) -> SignIn:
    found = next((one for one in SIGN_INS if one == text), None)
    if found is None:
        raise WrongProfile(f"sign-in is one of {', '.join(SIGN_INS)}, not {text!r}")
    return found


def headers_of(profile: Profile, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers by which the app knows the caller.

    Raises:
        WrongProfile: what they are made of is missing.
    """
    environ = os.environ if environ is None else environ
    match profile.sign_in:
        case "key":
            return {"x-functions-key": _needed(KEY_VARIABLE, environ)}
        case "token":
            return {"Authorization": f"Bearer {_needed(TOKEN_VARIABLE, environ)}"}
        case "entra":
            return {"Authorization": f"Bearer {_entra_token(profile.audience)}"}


def _needed(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise WrongProfile(f"{name} is not set: this profile takes what it signs in with from there")
    return environ[name]


def _entra_token(audience: str) -> str:
    if not audience:
        raise WrongProfile("this profile names no audience: hcidr login URL --audience api://CLIENT-ID")
    from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415 - slow, and only for this sign-in
    from azure.identity import CredentialUnavailableError, DefaultAzureCredential  # noqa: PLC0415

    try:
        credential = DefaultAzureCredential(exclude_interactive_browser_credential=False)
        return credential.get_token(f"{audience.rstrip('/')}/.default").token
    except (ClientAuthenticationError, CredentialUnavailableError) as refused:
        first = str(refused).splitlines()[0]
        raise WrongProfile(f"Entra gives no token: {first}. Sign in first: az login") from None


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text())
    except ValueError:
        raise WrongProfile(f"{file} is no JSON: remove it, and log in again") from None
    return dict(kept)
