"""Rows as bytes: any file name survives, a torn end costs one row."""

import csv
import io
import pathlib

import pytest

from export.records import FORMATS, CsvRecords, JsonRecords, as_unicode, read_table, records_of, whole_rows
from gender_tfds.user_error import UserError

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
COLUMNS = {"path": str, "score": float, "error": str}
ROWS = [{"path": name, "score": None, "error": "torn"} for name in ODD_NAMES]
TEXT = [CsvRecords, JsonRecords]


@pytest.mark.parametrize("kind", TEXT)
def test_every_name_comes_back(kind):
    records = kind(list(COLUMNS))
    for row in ROWS:
        data = records.encode([row])
        assert records.decode(data) == row
        assert records.is_whole(data)
    data = records.encode(ROWS)
    assert [records.decode(one) for one in whole_rows(io.BytesIO(data), records)] == ROWS


@pytest.mark.parametrize("kind", TEXT)
def test_bytes_cut_anywhere_give_the_whole_rows_before_the_cut(kind):
    records = kind(list(COLUMNS))
    encoded = [records.encode([row]) for row in ROWS]
    data, found = b"".join(encoded), set()
    for cut in range(len(data) + 1):
        rows = list(whole_rows(io.BytesIO(data[:cut]), records))
        assert rows == encoded[: len(rows)], cut
        assert cut - sum(map(len, rows)) < len([*encoded, b"x"][len(rows)]), cut
        found.add(len(rows))
    assert found == set(range(len(ROWS) + 1))


def test_a_csv_is_what_the_csv_module_reads():
    records = CsvRecords(list(COLUMNS))
    data = records.header + records.encode(ROWS)
    text = data.decode("utf-8", "surrogateescape")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == ODD_NAMES
    assert records.encode([{"path": "a\udcff.jpg", "score": 0.5}]) == b"a\xff.jpg,0.5,\n"


def test_why_rows_are_not_left_to_csv_alone():
    """The planted failure: what `csv` writes for a name with a carriage return and a line feed as terminator."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow(["a\rb", "x"])
    assert '"' not in file.getvalue()
    assert CsvRecords(["path", "x"]).encode([{"path": "a\rb", "x": "x"}]) == b'"a\rb",x\n'


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (CsvRecords, b"a.jpg,1\n"),
        (CsvRecords, b"a.jpg,1,2,3\n"),
        (CsvRecords, b'"a"x"b",1,2\n'),
        (CsvRecords, b"a\rb,1,2\n"),
        (JsonRecords, b"precious\n"),
        (JsonRecords, b"[1, 2, 3]\n"),
        (JsonRecords, b'{"path": "a.jpg", "score": 1}\n'),
    ],
)
def test_what_is_no_row_is_a_value_error(kind, data):
    records = kind(list(COLUMNS))
    assert records.decode(records.encode(ROWS[:1])) == ROWS[0]
    if data.startswith(b'"a"x'):  # `csv` reads it leniently, and as other columns
        data += data
    with pytest.raises(ValueError, match=r".*"):
        records.decode(data)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_another_kind_is_no_table(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"some,other,table\n1,2,3\n")
    with pytest.raises(UserError, match="is not a table that was begun like this"):
        list(read_table(path, COLUMNS))


def test_the_suffix_is_the_format():
    assert isinstance(records_of(pathlib.Path("a.CSV"), COLUMNS), CsvRecords)
    with pytest.raises(UserError, match=r"ends in none of \.csv, \.jsonl, \.parquet"):
        records_of(pathlib.Path("a.txt"), COLUMNS)


def test_bytes_that_are_no_utf8_are_spelled_out():
    assert as_unicode("a\udcff\udc80ü.jpg") == "a\\xff\\x80ü.jpg"
