"""Reading a stated part of a source: the same objects each time, and every number says that it is of a part."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

import flowkit as fk
from flowkit.cli import main
from flowkit.errors import ParameterError
from flowkit.ledger import Part
from flowkit.opening.part import part_read
from flowkit.review import review
from flowkit.sources import Object, resolve
from tests.reading import V2, lines

NOTEBOOKS = Path(__file__).parent / "notebooks"
T = 1_700_000_000


def made(uri: str, name: str = "", refused: tuple[str, str] | None = None) -> Object:
    return Object(uri=uri, name=name or uri, opener=lambda: pytest.fail("opened"), refused=refused)


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Forty files of one record each, and a cache folder for one test."""
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "logs"
    folder.mkdir()
    for n in range(40):
        record = f"2 123456789012 eni-1 10.0.0.{n} 10.0.0.1 {40000 + n} 443 6 10 1000 {T} {T + 59} ACCEPT OK"
        (folder / f"{n}.log").write_text(lines(V2, record))
    return folder


def chosen(objects: list[Object], fraction: float) -> list[str]:
    return [each.uri for each in part_read(objects, fraction)[0]]


def test_the_choice_depends_on_names_alone_and_grows_with_the_fraction():
    objects = [made(f"s3://b/{n}") for n in range(1000)]
    tenth, fifth = chosen(objects, 0.1), chosen(objects, 0.2)
    assert 60 <= len(tenth) <= 140
    assert set(tenth) < set(fifth) < set(chosen(objects, 0.9))
    assert set(chosen(objects[::-1], 0.1)) == set(tenth)
    assert set(chosen(objects[:500], 0.1)) == set(tenth) & {each.uri for each in objects[:500]}


def test_a_file_is_chosen_by_its_path_below_the_source(logs, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path in logs.iterdir():
        (tmp_path / "elsewhere" / path.name).write_bytes(path.read_bytes())
    names = [{each.name for each in part_read(resolve(str(top)), 0.3)[0]} for top in (logs, tmp_path / "elsewhere")]
    assert names[0] == names[1]
    assert 0 < len(names[0]) < 40


def test_a_part_is_never_empty_and_one_is_the_whole():
    objects = [made(f"s3://b/{n}") for n in range(3)]
    kept, part = part_read(objects, 0.000001)
    assert (len(kept), part) == (1, Part(0.000001, 1, 3))
    assert part_read(objects, 1) == (objects, None)
    assert part_read(objects, 1.0)[1] is None


def test_what_the_source_refuses_stays_and_is_not_counted():
    objects = [made("s3://b/1"), made("s3://b/denied/", refused=("unreadable", "no"))]
    kept, part = part_read(objects, 0.5)
    assert [each.uri for each in kept][-1] == "s3://b/denied/"
    assert part == Part(0.5, 1, 1)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan"), True, "0.1"])
def test_a_fraction_is_above_0_and_at_most_1(logs, fraction):
    with pytest.raises(ParameterError) as error:
        fk.open(str(logs), fraction=fraction, progress=False)
    assert str(error.value) == (f"fraction is {fraction!r}, which is not above 0 and at most 1. Write 0.1 for a tenth.")


def test_every_view_of_flows_says_that_it_is_a_part(logs):
    with fk.open(str(logs), fraction=0.3, progress=False) as flows:
        count = flows.records
        said = f"Read 30 % of the objects ({count} of 40): every total is of that part."
        assert 0 < count < 40
        assert flows.part == flows.ledger.part == Part(0.3, count, 40)
        assert flows.notes[0] == said
        assert said in repr(flows)
        assert said in repr(flows.ledger)
        assert said in str(fk.show.overview(flows))
        assert said in str(fk.show.ledger(flows))
        assert said in fk.show.overview(flows).html
        told = review(flows, "security").as_dict()
        assert said in [one["text"] for one in told["summary"]]
        assert told["notes"][0] == said
    with fk.open(str(logs), progress=False) as flows:
        assert (flows.records, flows.part, flows.notes) == (40, None, ())
        assert repr(flows.ledger) == "<Ledger: 40 objects, 80 lines, 40 records>"


def test_a_part_and_the_whole_are_kept_apart_and_each_is_read_once(logs, monkeypatch):
    from flowkit import store

    counts = []
    for fraction in (0.3, 1.0, 0.31):
        with fk.open(str(logs), fraction=fraction, progress=False) as flows:
            counts.append((flows.records, flows.part and flows.part.fraction))
    assert counts[0][0] <= counts[2][0] < counts[1][0] == 40
    monkeypatch.setattr(store, "read_objects", lambda *_, **__: pytest.fail("read again"))
    for fraction, before in zip((0.3, 1.0, 0.31), counts, strict=True):
        with fk.open(str(logs), fraction=fraction, progress=False) as flows:
            assert (flows.records, flows.part and flows.part.fraction) == before


def test_a_store_takes_no_part(logs, tmp_path, capsys):
    store = str(tmp_path / "store")
    assert main(["ingest", str(logs), "--store", store, "--fraction", "0.1"]) == 2
    assert capsys.readouterr().err == (
        "flowkit ingest: a store takes whole sources, for it could not say later that it holds a part; "
        "use --since and --until, or --fraction in a report without --store. See flowkit ingest --help\n"
    )
    assert not Path(store).exists()
    assert main(["report", "security", str(logs), "--store", store, "--fraction", "0.1"]) == 1
    assert capsys.readouterr().err == (
        "flowkit: A store takes whole sources, for it could not say later that it holds a part. "
        "Leave out --store or --fraction.\n"
    )
    assert main(["ingest", str(logs), "--store", store]) == 0
    with pytest.raises(ParameterError, match="fraction is of the objects of a source, and a store has read them"):
        fk.open(store, fraction=0.5, progress=False)


def test_the_commands_label_what_they_print(logs, tmp_path, capsys):
    def ran(*arguments: str) -> tuple[str, str]:
        assert main([arguments[0], str(logs), *arguments[1:], "--fraction", "0.3"]) == 0
        captured = capsys.readouterr()
        return captured.out, captured.err

    said = re.compile(r"Read 30 % of the objects \(\d+ of 40\): every total is of that part\.")
    assert said.search(ran("inspect")[0])
    told = json.loads(ran("inspect", "--json")[0])
    assert said.fullmatch(told["part"]["note"])
    assert told["totals"]["objects"] == told["part"]["objects"]
    out, err = ran("findings")
    assert json.loads(out)["part"] == told["part"]
    assert said.search(err)
    assert said.search(ran("findings", "--format", "csv")[1])
    assert said.search(ran("convert", str(tmp_path / "out.jsonl"))[0])
    assert json.loads(ran("plan", "--json")[0])["part"] == told["part"]
    assert "That is 30 % of the objects (" in ran("plan")[0]


def test_a_report_of_a_part_says_so_on_its_page_in_its_json_and_in_the_index(logs, tmp_path):
    out = tmp_path / "out"
    assert main(["report", str(NOTEBOOKS / "tiny.ipynb"), str(logs), "--fraction", "0.3", "--out", str(out)]) == 0
    (file,) = out.glob("*/tiny.json")
    record = json.loads(file.read_text())
    part = record["reading"]["part"]
    assert (part["fraction"], part["of"]) == (0.3, 40)
    assert record["records"] == part["objects"] < 40  # the notebook read the same part
    assert record["parameters"]["source"] == record["source"] == str(logs)
    assert (out / "index.html").read_text().count(part["note"]) == 1
    page = file.with_suffix(".html").read_text()
    banner, _, rest = page.partition("</header>")
    assert part["note"] in banner
    assert part["note"] in rest  # what was read
    assert f"<dd>{logs}</dd>" in rest


def test_the_manifest_of_a_store_knows_no_part(logs, tmp_path):
    """What is refused on the command line cannot be asked for in Python: `ingested` has no such parameter."""
    from flowkit.opening import ingested

    with pytest.raises(TypeError):
        ingested(str(logs), str(tmp_path / "s"), fraction=0.5)  # type: ignore[call-arg]
    ingested(str(logs), str(tmp_path / "s"), progress=False)
    with sqlite3.connect(tmp_path / "s" / "manifest.sqlite") as manifest:
        assert manifest.execute("SELECT count(*) FROM sources").fetchone() == (40,)
