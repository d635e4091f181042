"""Write rows of predictions as they come; the table appears under its name when it is complete."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TextIO

from gender_tfds.atomic_files import atomic_path, write_text
from gender_tfds.command_line import UserError
from gender_tfds.run_folder import Prediction

COLUMNS = [field.name for field in dataclasses.fields(Prediction)]


class CsvWriter:
    """A CSV file of predictions: a context manager.

    Rows go to `PATH.partial`, which stays when the run is interrupted and becomes PATH when `finish` is called. File
    names that are no UTF-8 are written as the bytes they are.

    Args:
      path: of the complete table.
      resume: take over the rows of an interrupted run.
      overwrite: replace a complete table, and throw away an interrupted one.
      begun_with: what decides the rows, such as the model; a table begun with something else is not gone on with.

    Attributes:
      done: paths of the rows that an interrupted run had written, in their order.

    Raises:
      UserError: the table is there and neither `resume` nor `overwrite` is given, or can't be written, or what is to
        be taken over is no table of predictions.
    """

    def __init__(self, path: pathlib.Path, *, resume: bool, overwrite: bool, begun_with: str = "") -> None:
        if path.is_dir():
            raise UserError(f"--output={path} is a directory; give the path of a table in it")
        self.path = path
        self.partial = path.with_name(f"{path.name}.partial")
        self._settings = path.with_name(f"{path.name}.partial.settings")  # outlives a kill, as the rows do
        for present in (path, self.partial):
            if present.exists() and not (resume or overwrite):
                go_on = ", go on with it by --resume" if present == self.partial else ""
                raise UserError(f"--output={path}: {present} exists already{go_on}, or replace it by --overwrite")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = read_rows(self.partial) if resume and self.partial.exists() else []
            if rows and self._settings.is_file() and self._settings.read_text() != begun_with:
                raise UserError(
                    f"--resume: {self.partial} was begun with {self._settings.read_text()}, not with {begun_with}; give"
                    " that, or start again by --overwrite"
                )
            with atomic_path(self.partial) as fresh, _open(fresh, "w") as file:
                _writer(file).writerows([COLUMNS, *rows])
            # after the rows: killed in between, there are none that these settings would not be true of
            write_text(self._settings, begun_with)
            self._file = _open(self.partial, "a")
        except OSError as error:
            raise UserError(f"--output={path} can't be written ({error.strerror}); give another path") from error
        self._writer = _writer(self._file)
        self._empty = not rows
        self.done = [row[0] for row in rows]
        self.errors = sum(bool(row[-1]) for row in rows)

    def write(self, prediction: Prediction) -> None:
        """Appends a row."""
        self._writer.writerow(dataclasses.astuple(prediction))
        self._empty = False
        self.errors += prediction.error is not None

    def flush(self) -> None:
        """Hands the rows so far to the operating system: they outlive a kill."""
        self._file.flush()

    def finish(self) -> None:
        """Gives the complete table its name."""
        self._file.close()
        self.partial.replace(self.path)
        self._settings.unlink(missing_ok=True)

    def __enter__(self) -> "CsvWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        if self._empty:
            # nothing to go on with: it would only be in the way of the next, corrected command
            self.partial.unlink(missing_ok=True)
            self._settings.unlink(missing_ok=True)


class _LineFeeds:
    """Ends each row of `csv.writer` in a line feed alone.

    Asked to do so itself, `csv` leaves a name with a carriage return unquoted, and nobody can read that row again.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        self._file.write(row.removesuffix("\r\n") + "\n")


def _writer(file: TextIO) -> Any:
    return csv.writer(_LineFeeds(file), lineterminator="\r\n")


def _open(path: pathlib.Path, mode: str) -> TextIO:
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")


def read_rows(path: pathlib.Path) -> list[Sequence[str]]:
    """Returns the rows of a table, also of an interrupted one: without its header and without a torn last row.

    Raises:
      UserError: it is no table of predictions.
    """
    with _open(path, "r") as file:
        text = file.read()
    header = ",".join(COLUMNS) + "\n"
    if header.startswith(text):
        return []
    try:
        # not splitlines(): it also splits at a form feed, a U+2028 and more, which names may hold
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        rows = []
    # a row that was cut inside a quoted name, or before its end, is not complete
    if rows and (not text.endswith("\n") or len(rows[-1]) != len(COLUMNS)):
        rows.pop()
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise UserError(f"{path} is not a table of predictions; move it away or start again by --overwrite")
    return rows[1:]
