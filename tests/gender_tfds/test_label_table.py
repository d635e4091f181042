"""label_table: a csv file's rows, each with one picture; what does not fit is told or counted."""

import csv
import io
import re
from collections import Counter

import hypothesis
import pytest
from etils import epath
from hypothesis import strategies

from gender_tfds import label_table
from gender_tfds.face_listing import Face
from gender_tfds.faces import RejectedError
from gender_tfds.user_error import UserError
from tests.hostile import property_of

COLUMNS = ("filename", "gender")


def _table(folder, content):
    path = epath.Path(folder) / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "filename,gender\nü 1.jpg,male\n",
        "\ufefffilename,gender\r\nü 1.jpg,male\r\n",
        'gender,"filename"\nmale,"ü 1.jpg"',
        "Filename, GENDER\nü 1.jpg,male\n",
    ],
)
def test_rows_are_read(tmp_path, content):
    assert label_table.read_rows(_table(tmp_path, content), COLUMNS) == [{"filename": "ü 1.jpg", "gender": "male"}]


def test_a_value_may_hold_commas_and_odd_line_ends(tmp_path):
    content = 'filename,gender,note\n"a, b.jpg",male,"two\nlines"\nc\u2028d.jpg,female,\n'
    rows = label_table.read_rows(_table(tmp_path, content), COLUMNS)
    assert [row["filename"] for row in rows] == ["a, b.jpg", "c\u2028d.jpg"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"has the columns \(none\); it must have filename, gender"),
        ("filename;gender\na.jpg;male\n", "has the columns filename;gender; it must have .* separated by commas"),
        ("path,gender\na.jpg,male\n", "has the columns path, gender"),
        ("filename,gender,gender\na.jpg,male,male\n", "each once"),
        ("filename,gender,Gender\na.jpg,male,male\n", "each once"),
        ("filename,gender\n", "holds no row below its heading"),
        ("filename,gender\nä.jpg,male\n".encode("latin-1"), "save it as a csv file in UTF-8"),
        ("filename,gender\n".encode("utf-16"), "save it as a csv file in UTF-8"),
        ('filename,gender\n"a.jpg,male\n', "save it as a csv file in UTF-8"),
    ],
)
def test_another_table_is_told_in_one_sentence(tmp_path, content, said):
    path = _table(tmp_path, content)
    with pytest.raises(UserError, match=said) as error:
        label_table.read_rows(path, COLUMNS)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "name"), [("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("b/../a b.jpg", "a b.jpg"), ("b//c.jpg", "b/c.jpg")]
)
def test_a_path_is_written_in_one_way(given, name):
    assert label_table.picture_name({"filename": given}, "filename") == name


@pytest.mark.parametrize("given", ["", ".", "..", "/etc/a.jpg", "../a.jpg", "b/../../a.jpg", "//a.jpg"])
def test_a_path_out_of_the_folder_is_rejected(given):
    with pytest.raises(RejectedError, match="outside_the_folder"):
        label_table.picture_name({"filename": given}, "filename")


def test_a_value_is_looked_up_or_rejected_under_its_column():
    assert label_table.look_up({"a": 3}, {"age": "a"}, "age") == 3
    with pytest.raises(RejectedError, match="unknown_age"):
        label_table.look_up({"a": 3}, {"age": "b"}, "age")


def _row(filename, gender):
    return {"filename": filename, "gender": gender}


def _parse(row):
    name = label_table.picture_name(row, "filename")
    return Face(name, b"", label_table.look_up({"male": 0, "female": 1}, row, "gender"), name)


def _check(face):
    if face.filename == "damaged.jpg":
        raise RejectedError("damaged")
    return face


def test_every_row_and_file_is_a_face_or_counted():
    rows = [
        _row("a.jpg", "male"),
        _row("damaged.jpg", "male"),
        _row("b.jpg", "?"),
        _row("twice.jpg", "male"),
        _row("twice.jpg", "male"),
        _row("twice.jpg", "male"),
        _row("both.jpg", "male"),
        _row("both.jpg", "female"),
        _row("z.jpg", "female"),
        _row("short.jpg", None),
        _row("long.jpg", "male") | {None: ["surplus"]},
    ]
    files = ["a.jpg", "damaged.jpg", "b.jpg", "twice.jpg", "both.jpg", "z.jpg", "other.jpg"]
    found, skipped = label_table.faces_of_rows(rows, "filename", files, _parse, _check)
    assert [(face.filename, face.label) for face in found] == [("a.jpg", 0), ("twice.jpg", 0), ("z.jpg", 1)]
    # b.jpg has a row, though not one that can be used
    assert skipped == Counter(
        damaged=1, unknown_gender=1, named_twice=2, rows_contradict=2, wrong_number_of_values=2, not_in_csv=1
    )
    assert len(found) + skipped.total() == len(rows) + 1


def test_rows_that_all_fit_leave_nothing_to_count():
    found, skipped = label_table.faces_of_rows([_row("./a.jpg", "male")], "filename", ["a.jpg"], _parse, _check)
    assert ([face.filename for face in found], skipped) == (["a.jpg"], Counter())


def test_a_table_of_no_use_is_told_with_its_first_row():
    said = label_table.none_left([_row("a.jpg", "m")] * 3, [epath.Path("x/labels.csv")], {"unknown_gender": 3})
    assert said == (
        "none of the 3 rows of labels.csv can be used (3 unknown_gender); the first row says filename=a.jpg, gender=m"
    )


def _written(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


VALUES = strategies.one_of(
    strategies.text(max_size=20),
    strategies.sampled_from(["male", "female", "a.jpg", "../a.jpg", "", "\0", "x" * 140_000]),
)
TABLES = strategies.lists(strategies.lists(VALUES, max_size=4), max_size=5)


@property_of
@hypothesis.given(
    strategies.one_of(
        strategies.binary(max_size=400),
        TABLES.map(_written),
        TABLES.map(lambda rows: _written([["filename", "gender"], *rows])),
        TABLES.map(lambda rows: _written([["filename", "gender", "a\nb"], *rows])),
    )
)
def test_of_any_file_every_row_is_a_face_or_counted_or_the_file_is_told(tmp_path, content):
    path = _table(tmp_path, content)
    files = ["a.jpg", "b.jpg"]
    try:
        rows = label_table.read_rows(path, COLUMNS)
    except UserError as error:
        told = str(error)
    else:
        found, skipped = label_table.faces_of_rows(rows, "filename", files, _parse, _check)
        unlisted = skipped.pop("not_in_csv", 0)
        assert len(found) + skipped.total() == len(rows)
        assert unlisted <= len(files)
        assert {face.label for face in found} <= {0, 1}
        told = str(UserError(label_table.none_left(rows, [path], skipped)))
    assert "labels.csv" in told
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", told)
