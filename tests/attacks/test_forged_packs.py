"""Packs of evidence that somebody invented, cut, merged or exchanged: none of them verifies as sealed."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.servers import ROOT
from shared.evidence import verify
from shared.evidence.verify import (
    MANIFEST,
    UnreadablePack,
    canonical_json,
    check_pack,
    first_previous,
    load_pack,
    main,
    seal_of,
    sha256_of,
)
from tests.shared.evidence.test_chain import RUN, head_of, pack

type Files = dict[str, bytes]
HONEST = pack(5)
HEAD = head_of(HONEST)


def sealed(files: Files, **changes: Any) -> Files:
    """With a manifest that fits the records that are there: whoever can write can do this as well."""
    names = sorted(name for name in files if name.startswith("records/"))
    content: dict[str, Any] = {
        "pack": RUN,
        "records": [{"name": name, "sha256": sha256_of(files[name])} for name in names],
        "head": sha256_of(files[names[-1]]) if names else HEAD,
        **changes,
    }
    return {**files, MANIFEST: canonical_json({**content, "seal": seal_of(content)})}


def chained(*bodies: tuple[str, Any], run: str = RUN) -> Files:
    """Records that follow one another, with these kinds and bodies."""
    files: Files = {}
    previous = first_previous(run)
    for seq, (kind, body) in enumerate(bodies, 1):
        record = {"seq": seq, "kind": kind, "at": "", "previous": previous, "attachments": {}, "body": body}
        files[f"records/{seq:06}-{kind}.json"] = content = canonical_json(record)
        previous = sha256_of(content)
    return files


INVENTED = chained(("request", {"by": "Carol"}), ("job", {}), ("outcome", {"state": "succeeded"}))


def cut(count: int) -> Files:
    """Without the last records."""
    names = sorted(name for name in HONEST if name.startswith("records/"))[-count:]
    gone = {*names, *(f"attachments/job-{int(name[8:14])}.json" for name in names)}
    return {name: content for name, content in HONEST.items() if name not in gone}


def renumbered(files: Files, name: str, other: str) -> Files:
    return {other if one == name else one: content for one, content in files.items()}


FORGED: dict[str, Files] = {
    "invented, with the head that was told": sealed(INVENTED, head=HEAD),
    "invented": sealed(INVENTED),
    "cut, with the head that was told": sealed(cut(2), head=HEAD),
    "cut": sealed(cut(2)),
    "cut to its last record": sealed({name: HONEST[name] for name in HONEST if name.endswith("outcome.json")}),
    "of another run": pack(5, "drill-2"),
    "of another run, called ours": sealed(pack(5, "drill-2")),
    "merged": sealed({**pack(3, "drill-2"), **HONEST}),
    "empty": sealed({}),
    "empty, and sealed with the head": sealed({}, records=[], head=HEAD),
    "without a manifest": {name: content for name, content in HONEST.items() if name != MANIFEST},
    "with nothing at all": {},
    "a record twice": sealed({**HONEST, "records/000007-outcome.json": HONEST["records/000006-outcome.json"]}),
    "a record under another kind": sealed(renumbered(HONEST, "records/000002-job.json", "records/000002-verb.json")),
    "a record beside": {**HONEST, "records/note.txt": b"x"},
    "a record in a folder": {**HONEST, "records/more/000001-job.json": b"{}"},
    "an attachment beside": {**HONEST, "attachments/job-9.json": b"{}"},
    "a file beside": {**HONEST, "README.txt": b"as they were sealed"},
    "a manifest that lists nothing": sealed(HONEST, records=[]),
    "a manifest that lists a record twice": sealed(
        HONEST, records=json.loads(HONEST[MANIFEST])["records"][:1] + json.loads(HONEST[MANIFEST])["records"]
    ),
    "a manifest without a run": sealed(HONEST, pack=None),
    "a manifest of a list": {**HONEST, MANIFEST: b"[]"},
    "names that are lists": sealed(HONEST, records=[{"name": [], "sha256": HEAD}]),
    "numbers for digests": sealed(HONEST, records=[{"name": "records/000001-job.json", "sha256": 1}]),
}
"""Each is checked with the head of the honest pack, and as the run's."""


@pytest.mark.parametrize("files", FORGED.values(), ids=FORGED)
def test_no_forged_pack_verifies_with_the_head_that_was_told(files: Files) -> None:
    assert check_pack(HONEST, HEAD, RUN) == []
    assert check_pack(files, HEAD, RUN) != []


@pytest.mark.parametrize("changes", [{"state": "failed"}, {"kind": "drill"}, {"planDigest": "x"}])
def test_a_manifest_that_says_otherwise_than_the_records_is_found(changes: dict[str, str]) -> None:
    told = chained(("plan", {"digest": "d1"}), ("outcome", {"state": "succeeded", "kind": "failover"}))
    facts = {"state": "succeeded", "kind": "failover", "planDigest": "d1"}
    assert check_pack(sealed(told, **facts)) == []
    assert [one.file for one in check_pack(sealed(told, **facts | changes))] == [MANIFEST]


NEEDS_HEAD = {"invented", "of another run"}
"""What only the head tells, which was told elsewhere: a pack that was made anew as a whole, and one that is true."""


@pytest.mark.parametrize("name", sorted(FORGED.keys() - NEEDS_HEAD))
def test_what_was_cut_or_mixed_does_not_even_verify_by_itself(name: str) -> None:
    assert check_pack(FORGED[name]) != []


RAW: dict[str, bytes] = {
    "a member twice": b'{"seq": 9, "seq": 1}',
    "depth": b"[" * 200_000,
    "depth of objects": b'{"a":' * 200_000,
    "no number": b'{"seq": NaN}',
    "infinite": b'{"seq": 1e999}',
    "a huge number": b'{"seq": ' + b"9" * 10_000 + b"}",
    "half a character": b'{"pack": "\\ud800"}',
    "no utf-8": b'{"pack": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "nothing": b"",
    "zeros": b"\x00" * 100,
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
@pytest.mark.parametrize("name", [MANIFEST, "records/000002-job.json", "records/000006-outcome.json"])
def test_json_that_others_read_otherwise_is_told_and_not_stumbled_over(name: str, raw: bytes) -> None:
    assert check_pack({**HONEST, name: raw}, HEAD) != []
    if name != MANIFEST:
        assert check_pack(sealed({**HONEST, name: raw}), HEAD) != []


def json_values(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    """JSON with these numbers beside integers."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=6,
    )


JSON, FINITE = json_values(st.floats(allow_nan=False)), json_values(st.floats(allow_nan=False, allow_infinity=False))
CONTENT = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode())
NAMES = st.sampled_from([*HONEST, "records/000007-job.json", "records/", "attachments/", "x", ""])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(NAMES, CONTENT | st.none(), min_size=1, max_size=4), st.booleans())
def test_whatever_is_changed_is_found_and_nothing_is_stumbled_over(changes: dict[str, Any], reseal: bool) -> None:
    files = {name: content for name, content in {**HONEST, **changes}.items() if content is not None}
    found = check_pack(sealed(files) if reseal else files, HEAD, RUN)
    same_records = {**files, MANIFEST: b""} == {**HONEST, MANIFEST: b""}
    assert (found == []) == (same_records and (reseal or files.get(MANIFEST) == HONEST[MANIFEST]))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["pack", "records", "head", "seal"]), FINITE, min_size=1))
def test_a_manifest_of_anything_is_not_stumbled_over(changes: dict[str, Any]) -> None:
    told = json.loads(HONEST[MANIFEST]) | changes
    files = {**HONEST, MANIFEST: canonical_json(told)}
    assert (check_pack(files) == []) == (told == json.loads(HONEST[MANIFEST]))


def write_zip(place: Path, files: list[tuple[str, bytes]], **how: Any) -> Path:
    with zipfile.ZipFile(place, "w", **how) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return place


def test_an_archive_with_a_member_twice_is_not_read(tmp_path: Path) -> None:
    """Others would show the forged one."""
    with pytest.warns(UserWarning, match="Duplicate"):
        place = write_zip(tmp_path / "p.zip", [("records/000006-outcome.json", b"FORGED"), *HONEST.items()])
    with pytest.raises(UnreadablePack, match="twice"):
        load_pack(place)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LARGEST_FILE", 2**20)
    place = write_zip(tmp_path / "p.zip", [("manifest.json", b" " * 2**22)], compression=zipfile.ZIP_DEFLATED)
    assert place.stat().st_size < 10_000
    with pytest.raises(UnreadablePack, match="at most"):
        load_pack(place)
    monkeypatch.setattr(verify, "LARGEST_PACK", 2**19)
    many = write_zip(tmp_path / "q.zip", [(f"records/{at}", b" " * 2**17) for at in range(9)])
    with pytest.raises(UnreadablePack, match="at most"):
        load_pack(many)


def test_a_size_that_the_archive_lies_about_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LARGEST_FILE", 1000)
    place = write_zip(tmp_path / "p.zip", [("manifest.json", b" " * 5000)], compression=zipfile.ZIP_DEFLATED)
    raw = place.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    place.write_bytes(raw)
    with pytest.raises(UnreadablePack):
        load_pack(place)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_archive_is_refused_or_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    place = tmp_path_factory.getbasetemp() / "damaged.zip"
    raw = bytearray(write_zip(place, sorted(HONEST.items()), compression=zipfile.ZIP_DEFLATED).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    place.write_bytes(bytes(raw[: data.draw(st.integers(len(raw) - 50, len(raw)))]))
    try:
        files = load_pack(place)
    except UnreadablePack:
        return
    assert (check_pack(files, HEAD) == []) == (files == HONEST)


@pytest.mark.parametrize("make", [lambda p: p.symlink_to("/etc/passwd"), lambda p: p.symlink_to(p.parent)])
def test_links_in_a_folder_are_not_followed(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "records")
    with pytest.raises(UnreadablePack, match="is no file"):
        load_pack(tmp_path)


def test_nothing_in_a_pack_reaches_the_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "x\x1b[2K\r9 records, as they were sealed\x1b[8m\u202e\n"
    assert main([str(write_zip(tmp_path / "p.zip", [*HONEST.items(), (name, b"")])), HEAD]) == 1
    shown = capsys.readouterr().out
    assert all(" " <= one <= "~" or one == "\n" for one in shown)
    assert [line for line in shown.splitlines() if line.endswith("as they were sealed")] == [
        "6 records, NOT as they were sealed"
    ]


def test_the_verifier_is_one_file_that_needs_nothing_but_python(tmp_path: Path) -> None:
    """Alone in a folder, without our environment, as it comes with a pack."""
    (tmp_path / "verify.py").write_bytes((ROOT / "shared/evidence/verify.py").read_bytes())
    write_zip(tmp_path / "p.zip", [*HONEST.items(), ("verify.py", b"")])
    for head, status in ((HEAD, 0), (HEAD.upper(), 0), ("0" * 64, 1), ("null", 1)):
        command = [sys.executable, "-I", "-S", "verify.py", "p.zip", head]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (status, ""), done.stdout
