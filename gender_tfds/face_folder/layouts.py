"""The two ways a folder can say who is who: class folders, or a csv file."""

import functools
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from absl import logging
from etils import epath

from gender_tfds import faces
from gender_tfds.face_files import sort_out
from gender_tfds.face_folder.pictures import check
from gender_tfds.face_listing import Face, listed
from gender_tfds.faces import RejectedError
from gender_tfds.label_table import Row, faces_of_rows, look_up, none_left, picture_name, read_rows
from gender_tfds.user_error import UserError

HOW_TO = (
    "give a folder that holds pictures in male/ and female/, or one csv file with the columns filename (relative to the"
    f" folder), gender ({' or '.join(faces.GENDERS)}) and, if you know them, age (in years) and ethnicity"
    f" ({', '.join(faces.ETHNICITIES)})"
)
_REQUIRED, _OPTIONAL = ("filename", "gender"), ("age", "ethnicity")
_NOT_GIVEN = ("", str(faces.UNKNOWN))
_GENDERS = {name: number for number, name in enumerate(faces.GENDERS)}
_ETHNICITIES = {name: number for number, name in enumerate(faces.ETHNICITIES)} | dict.fromkeys(
    _NOT_GIVEN, faces.UNKNOWN
)
_AGE = re.compile(r"(1[01]\d|120|\d{1,2})(\.0)?", re.ASCII)  # pandas writes 30.0 where another row has no age


def from_class_folders(folder: epath.Path, files: Sequence[str]) -> tuple[list[Face], Counter]:
    """Returns the faces in `male/` and `female/`, and how many files were left out, by reason.

    Args:
      files: all files below `folder`, relative to it.

    Raises:
      UserError: one of the two folders is not there, or no file in them can be used.
    """
    missing = [f"{gender}/" for gender in faces.GENDERS if not (folder / gender).is_dir()]
    if missing:
        raise UserError(f"--manual_dir={folder} holds no csv file and no {' and no '.join(missing)}; {HOW_TO}")
    skipped: Counter[str] = Counter()
    found = list(sort_out(files, functools.partial(_in_class_folder, os.fspath(folder)), skipped))
    if not found:
        raise UserError(f"no file in {folder} can be used ({listed(skipped)}); {HOW_TO}")
    return found, skipped


def _in_class_folder(folder: str, name: str) -> Face:
    gender, *below = name.split("/")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise RejectedError("name_not_utf8") from error
    if any(part.startswith(".") for part in (gender, *below)):
        raise RejectedError("hidden")
    if gender not in faces.GENDERS or not below:
        raise RejectedError("not_in_male_or_female")
    return check(Face(name, folder, faces.GENDERS.index(gender), group=name))


def from_table(table: epath.Path, files: Sequence[str]) -> tuple[list[Face], Counter]:
    """Returns the faces that a csv file lists, and how many rows and files were left out, by reason.

    Args:
      files: all files below the table's folder but itself, relative to it.

    Raises:
      UserError: the table lacks a column or rows, or no row of it can be used.
    """
    rows = read_rows(table, _REQUIRED)
    unused = sorted(set(rows[0]) - {*_REQUIRED, *_OPTIONAL, None})
    if unused:
        logging.warning("Columns of %s that are not used: %s.", table, ", ".join(unused))
    found, skipped = faces_of_rows(rows, "filename", files, functools.partial(_in_row, os.fspath(table.parent)), check)
    if not found:
        raise UserError(f"{none_left(rows, [table], skipped)}; {HOW_TO}")
    return found, skipped


def _in_row(folder: str, row: Row) -> Face:
    name = picture_name(row, "filename")
    words = {column: value.strip().lower() for column, value in row.items()}
    return Face(
        filename=name,
        image=folder,
        label=look_up(_GENDERS, words, "gender"),
        group=name,
        age=_age(words),
        ethnicity=look_up(_ETHNICITIES, {"ethnicity": ""} | words, "ethnicity"),
    )


def _age(words: Mapping[str, str]) -> int:
    age = words.get("age", "")
    if age in _NOT_GIVEN:
        return faces.UNKNOWN
    match = _AGE.fullmatch(age)
    if not match:
        raise RejectedError("unknown_age")
    return int(match[1])
