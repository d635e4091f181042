"""The table of predictions has no name before it is complete, outlives a kill, and overwrites nothing unasked."""

import io
import os
import pathlib
import sys
import types

import pytest

from export.records import FORMATS, as_unicode, read_table
from export.writers import StdoutWriter, TableWriter
from gender_tfds.user_error import UserError
from tests.export.test_records import COLUMNS, ODD_NAMES

ROWS = [
    {"path": name, "score": None if index % 3 == 2 else index / 8, "error": "lost" if index % 3 == 2 else None}
    for index, name in enumerate(ODD_NAMES)
]
SUFFIXES = list(FORMATS)


def write(path: pathlib.Path, rows: list[dict], *, finish: bool = True, **options) -> list[dict]:
    """Returns the rows that were taken over."""
    with TableWriter(path, COLUMNS, **options) as writer:
        taken = [row for rows in writer.taken_over() for row in rows]
        for row in rows:
            writer.write([row])
        if finish:
            writer.finish()
    return taken


def read(path: pathlib.Path) -> list[dict]:
    return [row | {"score": None if row["score"] is None else float(row["score"])} for row in read_table(path, COLUMNS)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_has_no_name_before_it_is_complete(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write(path, ROWS[:3], finish=False)
    assert sorted(one.name for one in tmp_path.iterdir()) == [f"{path.name}.partial", f"{path.name}.partial.settings"]
    taken = write(path, ROWS[3:], resume=True)
    assert [row["path"] for row in taken] == ODD_NAMES[:3]
    assert list(tmp_path.iterdir()) == [path]
    spelled = as_unicode if suffix == ".parquet" else str
    assert read(path) == [row | {"path": spelled(row["path"])} for row in ROWS]


def test_a_parquet_file_has_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "table.parquet", ROWS)
    schema = parquet.read_schema(tmp_path / "table.parquet")
    assert {field.name: str(field.type) for field in schema} == {"path": "string", "score": "double", "error": "string"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_cut_at_any_byte_is_completed_to_the_same_bytes(tmp_path, suffix):
    path, partial = tmp_path / f"table{suffix}", tmp_path / f"table{suffix}.partial"
    write(path, ROWS)
    whole = path.read_bytes()
    path.unlink()
    write(path, ROWS[:1], finish=False)
    taken_over = set()
    for cut in range(len(whole), -1, -1 if suffix == ".csv" else -7):
        partial.write_bytes(whole[:cut])
        (tmp_path / f"{partial.name}.settings").write_text("")
        with TableWriter(path, COLUMNS, resume=True) as writer:
            done = [row["path"] for rows in writer.taken_over() for row in rows]
            assert done == ODD_NAMES[: len(done)], cut
            writer.write(ROWS[len(done) :])
            writer.finish()
        taken_over.add(len(done))
        assert path.read_bytes() == whole, cut
        path.unlink()
    # only the torn row was ever given up
    assert taken_over == set(range(len(ROWS) + 1))


def test_rows_in_front_of_which_the_reader_stops_are_written_anew(tmp_path):
    path = tmp_path / "table.csv"
    write(path, ROWS[:3], finish=False)
    with TableWriter(path, COLUMNS, resume=True) as writer:
        taken = writer.taken_over()
        next(taken), next(taken)
        writer.write(ROWS[3:5])
        writer.finish()
    assert [row["path"] for row in read(path)] == [ODD_NAMES[index] for index in (0, 3, 4)]


def test_a_picture_of_which_rows_are_missing_is_written_anew(tmp_path):
    path = tmp_path / "table.csv"
    rows = [{"path": name, "score": 1} for name in "aabbbcc"]
    sizes = {"a": 2, "b": 3, "c": 3}

    def taken(count):
        write(path, rows[:count], finish=False, overwrite=True)
        with TableWriter(path, COLUMNS, resume=True) as writer:
            before = [None]

            def begins(row):
                before.append(row["path"])
                return before[-1] != before[-2]

            groups = writer.taken_over(begins, lambda rows: len(rows) == sizes[rows[0]["path"]])
            found = ["".join(row["path"] for row in rows) for rows in groups]
            writer.write([{"path": "new"}])
        assert [row["path"] for row in write(path, [], finish=False, resume=True)] == [*"".join(found), "new"]
        return found

    assert taken(7) == ["aa", "bbb"]
    assert taken(5) == ["aa", "bbb"]
    assert taken(4) == ["aa"]
    assert taken(1) == []


@pytest.mark.parametrize("name", ["table.csv", "table.csv.partial"])
def test_what_is_there_stays_without_leave(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(UserError, match="--overwrite"):
        TableWriter(tmp_path / "table.csv", COLUMNS)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "precious"}


def test_overwrite_keeps_the_old_table_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    (tmp_path / "table.csv.partial").write_text("interrupted")
    with TableWriter(path, COLUMNS, overwrite=True) as writer:
        assert list(writer.taken_over()) == []
        writer.write(ROWS[:1])
        assert path.read_text() == "old"
        writer.finish()
    assert [row["path"] for row in read(path)] == ODD_NAMES[:1]


@pytest.mark.parametrize(
    "content",
    [
        b"some,other,table\n1,2,3\n",
        b"precious",
        bytes(range(256)) * 4,
        b"path,score,error\na.jpg,male\nb.jpg,1,\n",
        b"x" * 200_000 + b"\n",
    ],
    ids=["columns", "text", "binary", "short row", "long"],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("settings", [True, False])
def test_what_is_no_table_is_not_touched(tmp_path, content, suffix, settings):
    partial = tmp_path / f"table{suffix}.partial"
    partial.write_bytes(content)
    if settings and content.endswith(b"\n"):
        (tmp_path / f"{partial.name}.settings").write_text("")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="is not a table that was begun like this"):
        write(tmp_path / f"table{suffix}", ROWS, resume=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_table_begun_with_something_else_is_not_gone_on_with(tmp_path):
    path = tmp_path / "table.csv"
    write(path, ROWS[:2], finish=False, begun_with="one model")
    with pytest.raises(UserError, match="was begun with one model, not with another model"):
        write(path, ROWS[2:], resume=True, begun_with="another model")
    assert len(write(path, ROWS[2:], resume=True, begun_with="one model")) == 2


def test_a_table_begun_with_other_inputs_is_not_gone_on_with(tmp_path):
    path, inputs = tmp_path / "table.csv", [f"/photos/{name}" for name in ODD_NAMES[:5]]
    write(path, ROWS[:2], finish=False, begun_with="model", inputs=inputs)
    for others in (inputs[:4], inputs[::-1], ["-"], []):
        with pytest.raises(UserError, match=r"was begun with other inputs, .* and 2 more; give the same in the same"):
            write(path, ROWS[2:], resume=True, begun_with="model", inputs=others)
    with pytest.raises(UserError, match="was begun with model, not with another"):
        write(path, ROWS[2:], resume=True, begun_with="another", inputs=inputs)
    assert len(write(path, ROWS[2:3], finish=False, resume=True, begun_with="model", inputs=inputs)) == 2
    # an older version kept no inputs
    (tmp_path / "table.csv.partial.settings").write_text("model")
    assert len(write(path, ROWS[3:], resume=True, begun_with="model", inputs=["-"])) == 3


def test_a_model_may_have_a_name_of_any_bytes(tmp_path):
    path, name = tmp_path / "table.csv", os.fsdecode(b"model \xff.tflite")
    write(path, ROWS[:2], finish=False, begun_with=name)
    assert len(write(path, ROWS[2:], resume=True, begun_with=name)) == 2


def test_two_processes_do_not_write_one_table(tmp_path):
    path = tmp_path / "table.csv"
    with TableWriter(path, COLUMNS) as writer:
        writer.write(ROWS[:1])
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(UserError, match="is being written by another process"):
                TableWriter(path, COLUMNS, **options)
        writer.write(ROWS[1:2])
        writer.finish()
    assert len(read(path)) == 2


def test_a_table_without_a_row_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="no input"), TableWriter(tmp_path / "t.csv", COLUMNS):
        raise RuntimeError("no input")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "t.csv", ROWS[:1], finish=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv.partial", "t.csv.partial.settings"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_is_no_table(tmp_path, overwrite):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(UserError, match="is a directory"):
        TableWriter(tmp_path / "table.csv", COLUMNS, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_place_that_cannot_hold_a_table(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        TableWriter(tmp_path / "file" / "table.csv", COLUMNS)
    write(tmp_path / "new" / "folders" / "table.csv", ROWS)
    assert (tmp_path / "new" / "folders" / "table.csv").is_file()


def test_standard_output_gets_the_same_bytes(tmp_path, monkeypatch):
    write(tmp_path / "table.csv", ROWS)
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(buffer=buffer))
    with StdoutWriter(COLUMNS) as writer:
        assert list(writer.taken_over()) == []
        writer.write(ROWS[:4])
        writer.write(ROWS[4:])
        writer.finish()
    assert buffer.getvalue() == (tmp_path / "table.csv").read_bytes()
