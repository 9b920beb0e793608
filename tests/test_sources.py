"""Where bytes come from: files, folders, globs, standard input."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from flowkit import sources
from flowkit.errors import SourceError
from flowkit.parse import read_object
from tests.reading import LINE, V2, lines

NAME = "123456789012_vpcflowlogs_us-east-1_fl-0a1b2c_20241214T1625Z_0000002d.log.gz"


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(V2, LINE), encoding="utf-8")
    return folder


def names_of(source: str | list[str]) -> list[str]:
    return [each.name for each in sources.resolve(source)]


def test_a_folder_is_read_to_its_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    filled(tmp_path, "b.log", "a/z.log", "a/b/c.log", "a.log")
    assert names_of(str(tmp_path)) == ["a.log", "a/b/c.log", "a/z.log", "b.log"]


def test_hidden_files_and_flowkits_own_files_at_the_top_are_left_out(tmp_path: Path) -> None:
    filled(tmp_path, ".hidden", ".git/config", "inventory.json", "truth.json", "bill.csv", "a.log", "deep/bill.csv")
    assert names_of(str(tmp_path)) == ["a.log", "deep/bill.csv"]


def test_an_object_knows_its_size_its_identity_and_what_its_key_says(tmp_path: Path) -> None:
    filled(tmp_path, f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/12/14/{NAME}")
    (found,) = sources.resolve(str(tmp_path))
    assert found.size == len(lines(V2, LINE))
    assert found.hints is not None
    assert found.hints.flow_log_id == "fl-0a1b2c"
    with found.open() as file:
        assert file.read() == lines(V2, LINE).encode()
    etag = found.etag
    path = Path(found.uri)
    path.write_text(lines(V2, LINE, LINE), encoding="utf-8")
    assert sources.resolve(str(tmp_path))[0].etag != etag


def test_a_glob_finds_files_of_any_depth_and_folders(tmp_path: Path) -> None:
    filled(tmp_path, "x/a.log", "x/y/b.log", "x/c.txt", "[z].log")
    assert names_of(f"{tmp_path}/**/*.log") == ["[z].log", "x/a.log", "x/y/b.log"]
    assert names_of(f"{tmp_path}/x*") == ["x/a.log", "x/c.txt", "x/y/b.log"]
    assert names_of(f"{tmp_path}/[z].log") == ["[z].log"]


def test_several_sources_come_sorted_and_a_file_named_twice_comes_once(tmp_path: Path) -> None:
    filled(tmp_path, "b.log", "a.log")
    several = [str(tmp_path / "b.log"), str(tmp_path), str(tmp_path / "a.log")]
    assert names_of(several) == names_of(several[::-1]) == ["a.log", "b.log"]


def test_a_link_out_of_the_folder_is_not_followed_and_says_so(tmp_path: Path) -> None:
    filled(tmp_path, "out/secret.log", "in/a.log")
    (tmp_path / "in/link.log").symlink_to(tmp_path / "out/secret.log")
    (tmp_path / "in/linked").symlink_to(tmp_path / "out")
    (tmp_path / "in/again.log").symlink_to(tmp_path / "in/a.log")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    found = sources.resolve(str(tmp_path / "in"))
    assert [each.name for each in found] == ["a.log", "link.log", "linked"]
    row = read_object(found[1], lambda _: None)
    assert (row.status, row.message) == ("foreign", "It is a symbolic link out of the folder; not followed.")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (found,) = sources.resolve(str(tmp_path))
    row = read_object(found, lambda _: None)
    assert (row.status, row.message) == ("foreign", "It is not a regular file; name it by itself to read it.")


def test_file_names_may_hold_anything(tmp_path: Path) -> None:
    hostile = ["<script>.log", "a b\tc.log", "-.log", "$(x).log", "new\nline.log", "ünï.log", "'\".log"]
    filled(tmp_path, *hostile)
    with open(os.fsencode(tmp_path) + b"/\xff.log", "wb") as file:  # noqa: PTH123 - a Path cannot be made of these bytes
        file.write(lines(V2, LINE).encode())
    found = sources.resolve(str(tmp_path))
    assert {each.name for each in found} == {*hostile, "\\xff.log"}
    assert all(read_object(each, lambda _: None).records == 1 for each in found)


def test_standard_input_is_an_object_without_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(V2, LINE).encode())))
    (found,) = sources.resolve("-")
    assert (found.uri, found.size, found.etag) == ("-", None, "")
    assert read_object(found, lambda _: None).records == 1


def test_an_object_that_vanished_is_unreadable(tmp_path: Path) -> None:
    filled(tmp_path, "a.log")
    (found,) = sources.resolve(str(tmp_path))
    (tmp_path / "a.log").unlink()
    row = read_object(found, lambda _: None)
    assert (row.status, row.message) == ("unreadable", "It cannot be opened: No such file or directory.")


def test_a_source_that_names_nothing_says_what_to_do(tmp_path: Path) -> None:
    expected = {
        f"{tmp_path}": f"{tmp_path} is a folder without any file to read. Name the folder that holds the logs.",
        f"{tmp_path}/none": f"{tmp_path}/none does not exist. "
        "Name a file, a folder, a glob, or sample: for the bundled logs.",
        f"{tmp_path}/*.gz": f"Nothing matches {tmp_path}/*.gz. "
        "Quote the pattern, and write ** for folders of any depth.",
        "athena:logs.flows": "athena:logs.flows cannot be read directly yet. Unload the table to files first "
        "and name their folder.",
    }
    for source, message in expected.items():
        with pytest.raises(SourceError) as error:
            sources.resolve(source)
        assert str(error.value) == message
    with pytest.raises(SourceError, match="No source was given"):
        sources.resolve([])


def test_the_bundled_logs_come_from_whoever_knows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, "a.log")
    monkeypatch.setattr(sources, "sample", lambda: str(tmp_path))
    assert names_of("sample:") == ["a.log"]
