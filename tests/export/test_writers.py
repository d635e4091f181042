"""The table of predictions: any file name survives, a torn end costs one row, nothing is overwritten unasked."""

import csv
import io
import pathlib

import pytest

from export import writers
from export.writers import COLUMNS, CsvWriter
from gender_tfds.command_line import UserError
from gender_tfds.run_folder import Prediction

ODD_NAMES = [
    "-rf.jpg",
    " space .jpg",
    '"quoted",comma.jpg',
    "new\nline.jpg",
    '\n",,,,\n.jpg',
    "return\r.jpg",
    "both\r\n.jpg",
    "\x0bvertical\x0cfeed.jpg",
    "\x1c\x1d\x1e\x85.jpg",
    "\u2028lines\u2029.jpg",
    b"\xff\xfeno utf-8 \xe2\x82.jpg".decode("utf-8", "surrogateescape"),
    "ünï/cödé 😀.JPG",
    "#comment.jpg",
    "=1+1.jpg",
    "\t.jpg",
    "'.jpg",
    "\\.jpg",
]
ROWS = [
    Prediction(name, error="No such file or directory") if index % 3 == 2 else Prediction.from_probability(name, 0.25)
    for index, name in enumerate(ODD_NAMES)
]


def write(path: pathlib.Path, rows: list[Prediction], *, resume: bool = False, finish: bool = True) -> CsvWriter:
    with CsvWriter(path, resume=resume, overwrite=False) as writer:
        for row in rows:
            writer.write(row)
        writer.flush()
        if finish:
            writer.finish()
    return writer


def read(path: pathlib.Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_a_table_is_what_the_csv_module_reads(tmp_path):
    write(tmp_path / "table.csv", ROWS)
    header, *rows = read(tmp_path / "table.csv")
    assert header == ["path", "gender", "confidence", "p_female", "error"]
    assert rows[:3] == [
        ["-rf.jpg", "male", "0.75", "0.25", ""],
        [" space .jpg", "male", "0.75", "0.25", ""],
        ['"quoted",comma.jpg', "", "", "", "No such file or directory"],
    ]
    assert [row[0] for row in rows] == ODD_NAMES
    assert list(tmp_path.iterdir()) == [tmp_path / "table.csv"]


def test_plain_rows_end_in_a_line_feed_and_names_are_the_bytes_they_were(tmp_path):
    write(tmp_path / "table.csv", [Prediction.from_probability("a\udcff.jpg", 0.75)])
    expected = b"path,gender,confidence,p_female,error\na\xff.jpg,female,0.75,0.75,\n"
    assert (tmp_path / "table.csv").read_bytes() == expected


def test_the_table_has_no_name_before_it_is_complete(tmp_path):
    write(tmp_path / "table.csv", ROWS, finish=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv.partial", "table.csv.partial.settings"]
    writer = write(tmp_path / "table.csv", [], resume=True)
    assert writer.done == ODD_NAMES
    assert writer.errors == sum(row.error is not None for row in ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_table_cut_at_any_byte_is_completed_to_the_same_bytes(tmp_path):
    path, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    write(path, ROWS)
    whole = path.read_bytes()
    path.unlink()
    taken_over = set()
    for cut in range(len(whole) + 1):
        partial.write_bytes(whole[:cut])
        with CsvWriter(path, resume=True, overwrite=False) as writer:
            done = len(writer.done)
            assert writer.done == ODD_NAMES[:done], cut
            assert writer.errors == sum(row.error is not None for row in ROWS[:done]), cut
            for row in ROWS[done:]:
                writer.write(row)
            writer.finish()
        taken_over.add(done)
        assert path.read_bytes() == whole, cut
        path.unlink()
    # only the torn row was ever given up
    assert taken_over == set(range(len(ROWS) + 1))


def test_the_number_of_rows_taken_over_is_that_of_the_complete_ones(tmp_path):
    partial = tmp_path / "table.csv.partial"
    ends = [0]
    for count in range(len(ROWS) + 1):
        write(tmp_path / "table.csv", ROWS[:count])
        ends.append((tmp_path / "table.csv").stat().st_size)
        whole = (tmp_path / "table.csv").read_bytes()
        (tmp_path / "table.csv").unlink()
    for count, end in enumerate(ends[1:]):
        for cut, expected in ((end, count), (end - 1, max(count - 1, 0))):
            partial.write_bytes(whole[:cut])
            with CsvWriter(tmp_path / "table.csv", resume=True, overwrite=False) as writer:
                assert len(writer.done) == expected, (count, cut)


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_each_odd_name_survives_an_interruption(tmp_path, name):
    rows = [Prediction.from_probability(path, 0.5) for path in (name, "last.jpg")]
    write(tmp_path / "table.csv", rows, finish=False)
    assert write(tmp_path / "table.csv", [], resume=True).done == [name, "last.jpg"]


def test_why_rows_are_not_left_to_csv_alone():
    """The planted failures: what `csv` writes for a line feed as terminator, and what `splitlines` makes of it."""

    def line(terminator: str, name: str) -> str:
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator=terminator).writerow([name, "x"])
        return file.getvalue()

    feed = line("\n", "a\x0cb")
    assert list(csv.reader(io.StringIO(feed, newline=""))) == [["a\x0cb", "x"]]
    assert list(csv.reader(feed.splitlines(keepends=True))) != [["a\x0cb", "x"]]
    carriage_return = line("\r\n", "a\rb")
    assert list(csv.reader(io.StringIO(carriage_return, newline=""))) == [["a\rb", "x"]]


@pytest.mark.parametrize("name", ["table.csv", "table.csv.partial"])
def test_what_is_there_stays_without_leave(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(UserError, match="--overwrite"):
        CsvWriter(tmp_path / "table.csv", resume=False, overwrite=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "precious"}


def test_overwrite_keeps_the_old_table_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    (tmp_path / "table.csv.partial").write_text("interrupted")
    with CsvWriter(path, resume=False, overwrite=True) as writer:
        assert writer.done == []
        writer.write(ROWS[0])
        assert path.read_text() == "old"
        writer.finish()
    assert [row[0] for row in read(path)] == ["path", ODD_NAMES[0]]


@pytest.mark.parametrize(
    "content",
    [
        b"some,other,table\n1,2,3\n",
        b"precious\n",
        bytes(range(256)) * 4,
        b"a\rb\nc\n",
        ",".join(COLUMNS).encode() + b"\na.jpg,male\nb.jpg,male,0.75,0.25,\n",
        b"x" * 200_000 + b"\n",
    ],
    ids=["columns", "text", "binary", "returns", "short_row", "long"],
)
def test_what_is_no_table_is_not_taken_over(tmp_path, content):
    partial = tmp_path / "table.csv.partial"
    partial.write_bytes(content)
    with pytest.raises(UserError, match="is not a table of predictions"):
        CsvWriter(tmp_path / "table.csv", resume=True, overwrite=False)
    assert partial.read_bytes() == content
    assert list(tmp_path.iterdir()) == [partial]


def test_a_table_without_a_row_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="no input"), CsvWriter(tmp_path / "t.csv", resume=False, overwrite=False):
        raise RuntimeError("no input")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "t.csv", ROWS[:1], finish=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv.partial", "t.csv.partial.settings"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_is_no_table(tmp_path, overwrite):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(UserError, match="is a directory"):
        CsvWriter(tmp_path / "table.csv", resume=False, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_place_that_cannot_hold_a_table(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        CsvWriter(tmp_path / "file" / "table.csv", resume=False, overwrite=False)
    write(tmp_path / "new" / "folders" / "table.csv", ROWS)
    assert (tmp_path / "new" / "folders" / "table.csv").is_file()


def test_columns_are_the_fields_of_a_prediction():
    assert writers.COLUMNS == ["path", "gender", "confidence", "p_female", "error"]
