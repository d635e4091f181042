"""Faces whose labels stand in csv files: read the rows, and find one picture for each."""

import csv
import io
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from etils import epath

from gender_tfds.face_files import sort_out
from gender_tfds.face_listing import Face, listed
from gender_tfds.faces import RejectedError
from gender_tfds.user_error import UserError

Row = Mapping[str, str]
_DELIMITERS = {",": "commas", "\t": "tabs"}


def read_rows(path: epath.Path, columns: Sequence[str], delimiter: str = ",") -> list[Row]:
    """Returns the rows of a csv file: UTF-8, a heading, in which capitals don't matter, values between delimiters.

    Raises:
      UserError: it can't be read, lacks one of the `columns` or has one twice, or has no row.
    """
    try:
        # Excel begins a file with a byte order mark; epath's read_text knows no encoding
        text = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, strict=True, delimiter=delimiter)
        heading = reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        rows = list[Row](reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} can't be read ({error}); save it as a csv file in UTF-8") from error
    if not set(columns) <= set(heading) or len(set(heading)) < len(heading):
        raise UserError(
            f"{path} has the columns {', '.join(heading) or '(none)'}; it must have {', '.join(columns)}, each once,"
            f" separated by {_DELIMITERS[delimiter]}"
        )
    if not rows:
        raise UserError(f"{path} holds no row below its heading; each row names a picture")
    return rows


def picture_name(row: Row, column: str) -> str:
    """Returns the path that a row names, relative to the data set's folder, in the one way of writing it.

    Raises:
      RejectedError: `outside_the_folder`.
    """
    name = posixpath.normpath(row[column])
    if name in (".", "..") or name.startswith(("/", "../")):
        raise RejectedError("outside_the_folder")
    return name


def look_up(values: Mapping[str, int], row: Row, column: str) -> int:
    """Returns what the value in a column stands for.

    Raises:
      RejectedError: `unknown_COLUMN`: it is not among the keys of `values`.
    """
    try:
        return values[row[column]]
    except KeyError as error:
        raise RejectedError(f"unknown_{column}") from error


def faces_of_rows(
    rows: Sequence[Row],
    column: str,
    files: Iterable[str],
    parse: Callable[[Row], Face],
    check: Callable[[Face], Face],
) -> tuple[list[Face], Counter]:
    """Returns the faces that rows describe and pictures show, and how many rows and files were left out, by reason.

    Args:
      column: the column that names the picture.
      files: names of the pictures that are there; one that no row names is counted as `not_in_csv`.
      parse: makes a face of a row, or raises `RejectedError`.
      check: returns a face whose picture can be used, or raises `RejectedError`.
    """

    def parse_whole(row: Row) -> Face:
        # the csv module puts surplus values under None, and None where values lack
        if None in row or None in row.values():
            raise RejectedError("wrong_number_of_values")
        return parse(row)

    skipped: Counter[str] = Counter()
    named, repeated = _named_once(sort_out(rows, parse_whole, skipped))
    found = list(sort_out(named, check, skipped))
    unlisted = len(set(files) - {posixpath.normpath(row[column] or "") for row in rows})
    return found, skipped + repeated + Counter(not_in_csv=unlisted)


def _named_once(parsed: Iterable[Face]) -> tuple[list[Face], Counter]:
    """Keeps one of equal rows, and none of rows that say different things about one picture."""
    by_name: dict[str, list[Face]] = {}
    for face in parsed:
        by_name.setdefault(face.filename, []).append(face)
    skipped: Counter[str] = Counter()
    for name, same in list(by_name.items()):
        if any(face != same[0] for face in same):
            skipped["rows_contradict"] += len(by_name.pop(name))
        else:
            skipped["named_twice"] += len(same) - 1
    return [same[0] for same in by_name.values()], skipped


def none_left(rows: Sequence[Row], tables: Sequence[epath.Path], skipped: Mapping[str, int]) -> str:
    """Returns the beginning of a sentence about tables none of whose rows can be used: why, and what the first says."""
    first = ", ".join(f"{column}={value}" for column, value in rows[0].items())
    names = " and ".join(path.name for path in tables)
    return f"none of the {len(rows)} rows of {names} can be used ({listed(skipped)}); the first row says {first}"
