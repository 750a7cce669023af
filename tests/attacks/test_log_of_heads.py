"""What somebody who can write, delete and copy does to the log of heads and its packs shows, but for the key."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.evidence.canonical import to_canonical_json
from shared.evidence.chain import build_manifest
from shared.evidence.log_of_heads import LogEnd, SealedPack, checkpoint_statement
from shared.evidence.verify import (
    LOG_ENTRY,
    MANIFEST,
    UnreadablePack,
    check_log,
    entry_name,
    main,
    read_json,
    sha256_of,
)
from tests.shared.evidence.signing import Signer, signer
from tests.shared.evidence.test_chain import pack

type Store = dict[str, bytes]
AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
KEY, ENEMY = signer(4711), signer(13)
PACKS = 4


def append(store: Store, run: str, key: Signer | None = KEY, size: int | None = None) -> None:
    """Seal a pack of this run after what the log is, or is said to be."""
    end = end_of(store, size)
    files = pack(1, run)
    listed = [(line["name"], line["sha256"]) for line in read_json(files[MANIFEST])["records"]]
    files[MANIFEST] = build_manifest(run, listed, {"state": "succeeded", "log": end.as_json()})
    sealed = SealedPack(run, listed[-1][1], len(listed), sha256_of(files[MANIFEST]))
    statement = sealed.to_statement(end, AT)
    content = key.sign(statement) if key else to_canonical_json({**statement, "unsigned": "no key"})
    store |= {f"{run}/{name}": one for name, one in files.items()}
    store[entry_name(end.size + 1)] = store[f"{run}/{LOG_ENTRY}"] = content


def end_of(store: Store, size: int | None = None) -> LogEnd:
    """How the log of a store ends."""
    size = sum(name.startswith("heads/") for name in store) if size is None else size
    return LogEnd(size, sha256_of(store[entry_name(size)])) if size else LogEnd()


def checkpoint_of(store: Store, size: int | None = None, key: Signer = KEY) -> dict[str, Any]:
    return read_json(key.sign(checkpoint_statement(end_of(store, size), AT)))


def grown(runs: int = PACKS, prefix: str = "drill") -> Store:
    store: Store = {}
    for number in range(1, runs + 1):
        append(store, f"{prefix}-{number}")
    return store


HONEST = grown()
OLDER, NEWEST = checkpoint_of(HONEST, 2), checkpoint_of(HONEST)


def write(folder: Path, store: Store) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "heads").mkdir(parents=True)
    for name, content in store.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def flaws(folder: Path, store: Store, checkpoint: dict[str, Any] | None = OLDER) -> list[str]:
    return [f"{one.file}: {one.detail}" for one in check_log(write(folder, store), checkpoint, [KEY.public])[0]]


def without(store: Store, *beginnings: str) -> Store:
    return {name: content for name, content in store.items() if not name.startswith(beginnings)}


def moved(store: Store, names: dict[str, str]) -> Store:
    """With files under the names of others."""
    return {**store, **{name: store[other] for name, other in names.items()}}


def rewritten(store: Store, number: int, **changes: Any) -> Store:
    """With an entry that says something else under the signature that it has."""
    content = to_canonical_json({**read_json(store[entry_name(number)]), **changes})
    return {**store, entry_name(number): content, f"drill-{number}/{LOG_ENTRY}": content}


def with_packs(store: Store, *packs: tuple[str, Signer | None], size: int | None = None) -> Store:
    changed = dict(store)
    for run, key in packs:
        append(changed, run, key, size)
    return changed


def made_anew(store: Store, gone: int, key: Signer | None) -> Store:
    """The log and its packs without one, as somebody without the app's key can make them."""
    made: Store = {}
    for number in range(1, PACKS + 1):
        if number != gone:
            append(made, f"drill-{number}", key)
    return made


ENTRY = {number: entry_name(number) for number in range(1, 10)}
OTHER = grown(3, "cleanup")
NEXT = read_json(HONEST[ENTRY[2]]) | {"seq": PACKS + 1, "previous": end_of(HONEST).head}
ATTACKS: dict[str, Store] = {
    "a deleted pack": without(HONEST, "drill-2/"),
    "the last pack deleted": without(HONEST, "drill-4/"),
    "a deleted entry": without(HONEST, ENTRY[2]),
    "a deleted entry and its pack": without(HONEST, ENTRY[3], "drill-3/"),
    "the first entry deleted": without(HONEST, ENTRY[1]),
    "the last entry deleted": without(HONEST, ENTRY[4]),
    "a deleted entry, closed up": without(
        moved(HONEST, {ENTRY[2]: ENTRY[3], ENTRY[3]: ENTRY[4]}), ENTRY[4], "drill-2/"
    ),
    "two entries exchanged": moved(HONEST, {ENTRY[2]: ENTRY[3], ENTRY[3]: ENTRY[2]}),
    "an entry replayed at the end": moved(HONEST, {ENTRY[5]: ENTRY[2]}),
    "an entry replayed, rewritten to fit": {**HONEST, ENTRY[5]: to_canonical_json(NEXT)},
    "an entry replayed, signed by another": {
        **HONEST,
        ENTRY[5]: ENEMY.sign({name: one for name, one in NEXT.items() if name not in {"key", "signature"}}),
    },
    "an entry planted that is nothing": {**HONEST, ENTRY[5]: b"{}"},
    "a file beside the entries": {**HONEST, "heads/note.txt": b"x"},
    "an entry far ahead": moved(HONEST, {"heads/00009999.json": ENTRY[4]}),
    "a pack planted, unsigned": with_packs(HONEST, ("drill-9", None)),
    "a pack planted, signed by another": with_packs(HONEST, ("drill-9", ENEMY)),
    "a pack planted, on which the app went on": with_packs(HONEST, ("drill-9", None), ("drill-10", KEY)),
    "a sealed pack without an entry": {**HONEST, **{f"x/{name}": one for name, one in pack(1, "x").items()}},
    "a pack in place of another": {**HONEST, **{f"drill-2/{name}": one for name, one in pack(1, "drill-2").items()}},
    "a pack under the name of another": {
        **without(HONEST, "drill-2/"),
        **{name.replace("drill-3/", "drill-2/"): one for name, one in HONEST.items() if name.startswith("drill-3/")},
    },
    "two logs, one after the other": {
        **HONEST,
        **without(OTHER, "heads/"),
        **{ENTRY[PACKS + number]: OTHER[ENTRY[number]] for number in (1, 2, 3)},
    },
    "two logs, one in the other": {**HONEST, **without(OTHER, "heads/"), ENTRY[2]: OTHER[ENTRY[2]]},
    "another log of the same key": OTHER,
    "made anew without a pack, by another key": made_anew(HONEST, 2, ENEMY),
    "made anew without a pack, unsigned": made_anew(HONEST, 2, None),
    "made anew as it was, unsigned": made_anew(HONEST, 0, None),
    "cut behind the checkpoint": without(HONEST, ENTRY[2], ENTRY[3], ENTRY[4], "drill-2", "drill-3", "drill-4"),
    "cut, and gone on with": with_packs(
        without(HONEST, ENTRY[2], ENTRY[3], ENTRY[4], "drill-2", "drill-3", "drill-4"),
        ("drill-5", KEY),
        ("drill-6", KEY),
    ),
    "cut before the checkpoint, gone on with, a later pack put back": {
        **with_packs(without(HONEST, ENTRY[3], ENTRY[4], "drill-3", "drill-4"), ("drill-5", KEY)),
        **{name: one for name, one in HONEST.items() if name.startswith("drill-4/") or name == ENTRY[4]},
    },
    "nothing left": {},
    "another time": rewritten(HONEST, 3, at="2027-03-02T03:00:00+00:00"),
    "another number of records": rewritten(HONEST, 3, records=7),
    "a member more": rewritten(HONEST, 3, note="x"),
    "another kind": rewritten(HONEST, 3, kind="checkpoint"),
    "a number that is none": rewritten(HONEST, 3, seq=True),
    "a run that is a path": rewritten(HONEST, 3, pack="../drill-3"),
    "a run that is the log": rewritten(HONEST, 3, pack="heads"),
    "a signature of another entry": rewritten(HONEST, 3, signature=read_json(HONEST[ENTRY[2]])["signature"]),
    "a signature that is a list": rewritten(HONEST, 3, signature=["x"]),
}
"""All are checked with the key, and a checkpoint from when two packs were there."""


def test_an_honest_store_is_whole(tmp_path: Path) -> None:
    for checkpoint in (None, OLDER, NEWEST):
        assert flaws(tmp_path / "s", HONEST, checkpoint) == []
    assert flaws(tmp_path / "s", with_packs(HONEST, ("drill-5", KEY)), NEWEST) == []


@pytest.mark.parametrize("store", ATTACKS.values(), ids=ATTACKS)
def test_whatever_is_done_to_the_log_shows(tmp_path: Path, store: Store) -> None:
    assert flaws(tmp_path / "s", store) != []


NEEDS_KEY = {name for name in ATTACKS if "signed" in name or "planted" in name or "made anew" in name} - {
    "an entry planted that is nothing"
} | {"another time", "a signature of another entry", "another log of the same key", "nothing left"}
NEEDS_CHECKPOINT = {"cut behind the checkpoint", "cut, and gone on with", "another log of the same key", "nothing left"}


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - NEEDS_CHECKPOINT))
def test_what_shows_without_a_checkpoint(tmp_path: Path, name: str) -> None:
    assert flaws(tmp_path / "s", ATTACKS[name], None) != []


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - NEEDS_CHECKPOINT - NEEDS_KEY))
def test_what_shows_without_a_key(tmp_path: Path, name: str) -> None:
    assert check_log(write(tmp_path / "s", ATTACKS[name]))[0] != []


CHECKPOINTS: dict[str, dict[str, Any]] = {
    "by another key": checkpoint_of(HONEST, 2, ENEMY),
    "with another size": {**OLDER, "size": 1},
    "with a size that is none": {**OLDER, "size": "2"},
    "of the future": checkpoint_of(grown(PACKS + 1)),
    "of another log": checkpoint_of(OTHER),
    "unsigned": {**checkpoint_statement(end_of(HONEST, 2), AT), "unsigned": "no key"},
    "without a signature": checkpoint_statement(end_of(HONEST, 2), AT),
    "below nothing": {**OLDER, "size": -1},
    "an entry": read_json(HONEST[ENTRY[2]]),
    "empty": {},
}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_that_is_not_of_this_log_and_key_shows(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    assert "checkpoint: " in flaws(tmp_path / "s", HONEST, checkpoint)[0]


def test_a_forged_checkpoint_vouches_for_no_unsigned_entry(tmp_path: Path) -> None:
    store = with_packs(HONEST, ("drill-9", None))
    found = flaws(tmp_path / "s", store, checkpoint_of(store, None, ENEMY))
    assert any(line.startswith(ENTRY[5]) for line in found)
    assert flaws(tmp_path / "s", store, checkpoint_of(store)) == []


NAMES = sorted(HONEST)
CHANGES: dict[str, Callable[[Store, str, str, int], None]] = {
    "delete": lambda store, one, _other, _at: store.update({one: b""}),
    "copy": lambda store, one, other, _at: store.update({one: HONEST[other]}),
    "flip": lambda store, one, _other, at: store.update({one: flipped(HONEST[one], at)}),
    "plant": lambda store, _one, other, at: store.update({entry_name(at % 12 + 1): HONEST[other]}),
    "plant in a pack": lambda store, _one, other, at: store.update(
        {f"drill-{at % 4 + 1}/{other.replace('/', '-')}": b"x"}
    ),
}


def flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at % len(content)] ^= 1 + at % 255
    return bytes(changed)


CHANGE = st.tuples(
    st.sampled_from(sorted(CHANGES)), st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 9999)
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CHANGE, min_size=1, max_size=3))
def test_any_change_of_any_file_shows(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str, str, int]]
) -> None:
    """But for the copy of an entry in its pack: the log has it."""
    store = dict(HONEST)
    for kind, one, other, at in changes:
        CHANGES[kind](store, one, other, at)
    left = {name: content for name, content in store.items() if content}
    copies = {name: HONEST[name] for name in HONEST if name.endswith(LOG_ENTRY)}
    folder = tmp_path_factory.getbasetemp() / "changed"
    assert (flaws(folder, left, NEWEST) == []) == ({**copies, **left} == HONEST)


def test_links_in_the_store_are_not_followed(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", HONEST)
    (folder / "heads").rename(tmp_path / "elsewhere")
    (folder / "heads").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadablePack):
        check_log(folder)
    folder = write(tmp_path / "t", HONEST)
    (folder / "drill-2").rename(tmp_path / "drill-2")
    (folder / "drill-2").symlink_to(tmp_path / "drill-2")
    assert check_log(folder)[0] != []


def test_the_command_checks_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write(tmp_path / "s", HONEST))
    key, checkpoint = tmp_path / "key.jwk", tmp_path / "checkpoint.json"
    key.write_text(json.dumps(KEY.public.jwk))
    checkpoint.write_text(json.dumps(OLDER))
    assert main(["--log", folder, "--key", str(key), "--checkpoint", str(checkpoint)]) == 0
    assert capsys.readouterr().out == "4 entries, the log and its packs are whole\n"
    assert main(["--log", folder]) == 0
    shown = capsys.readouterr().out
    assert "Give --key" in shown
    assert "Give --checkpoint" in shown
    (tmp_path / "s" / ENTRY[3]).unlink()
    assert main(["--log", folder, "--key", str(key)]) == 1
    assert "NOT whole" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["a", "b", "c"], ["--log", "x", "pack"], ["pack", "--checkpoint", "x"], ["--log", "nowhere"], ["--what"]],
)
def test_a_command_that_makes_no_sense_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    assert main(arguments) == 2
    write(tmp_path / "s", HONEST)
    (tmp_path / "key").write_bytes(KEY.private_pem())
    assert main(["--log", str(tmp_path / "s"), "--key", str(tmp_path / "key")]) == 2


def test_the_command_checks_a_signature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write(tmp_path / "s", HONEST) / "drill-2")
    (tmp_path / "key.pem").write_bytes(KEY.public_pem())
    (tmp_path / "enemy.pem").write_bytes(ENEMY.public_pem())
    assert main([folder, "--key", str(tmp_path / "enemy.pem"), "--key", str(tmp_path / "key.pem")]) == 0
    assert capsys.readouterr().out == "2 records, as they were sealed\n"
    assert main([folder, "--key", str(tmp_path / "enemy.pem")]) == 1
    assert main([folder]) == 0
    assert KEY.public.thumbprint in capsys.readouterr().out
