"""Write rows as they come; the table appears under its name when it is complete."""

import fcntl
import itertools
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, BinaryIO

from export.records import CsvRecords, is_parquet, no_table, parquet_row, parquet_schema, records_of, whole_rows
from gender_tfds.atomic_files import atomic_path
from gender_tfds.user_error import UserError

_PARQUET_ROWS = 50_000  # that are in memory at once
_NAMED = 3  # inputs in a message


def partial_of(path: pathlib.Path) -> pathlib.Path:
    """Returns where the rows of a table are until it is complete."""
    return path.with_name(f"{path.name}.partial")


class TableWriter:
    """A table of rows: a context manager.

    Rows go to `PATH.partial`, which stays when the run is interrupted and becomes PATH when `finish` is called. With
    `resume`, pass through `taken_over` before the first `write`.

    Args:
      path: of the complete table; its suffix, one of `FORMATS`, is the format.
      columns: column -> type, `str`, `int` or `float`; the first is `path`.
      resume: go on with an interrupted table.
      overwrite: replace a complete table, and throw away an interrupted one.
      begun_with: what decides the rows, such as the model; a table begun with something else is not gone on with.
      inputs: whose rows these are, paths; a table begun with others is not gone on with.

    Raises:
      UserError: the table is there and neither `resume` nor `overwrite` is given, it can't be written, another process
        is writing it, or it was begun with something else.
    """

    def __init__(
        self,
        path: pathlib.Path,
        columns: dict[str, type],
        *,
        resume: bool = False,
        overwrite: bool = False,
        begun_with: str = "",
        inputs: Sequence[str] = (),
    ) -> None:
        if path.is_dir():
            raise UserError(f"--output={path} is a directory; give the path of a table in it")
        self.path = path
        self.partial = partial_of(path)
        self._settings = path.with_name(f"{path.name}.partial.settings")  # outlives a kill, as the rows do
        self._columns = columns
        self._records = records_of(path, columns)
        for present in (path, self.partial):
            if present.exists() and not (resume or overwrite):
                go_on = ", go on with it by --resume" if present == self.partial else ""
                raise UserError(f"--output={path}: {present} exists already{go_on}, or replace it by --overwrite")
        try:
            self._file = self._open()
            if not resume or self._is_new():
                self._begin(begun_with, inputs)
            else:
                self._check_begun_with(begun_with, inputs)
        except OSError as error:
            raise UserError(f"--output={path} can't be written ({error.strerror}); give another path") from error
        self._end = len(self._records.header)  # of the rows that stay
        self._is_cut = False  # new ones follow

    def taken_over(
        self,
        begins: Callable[[dict[str, Any]], bool] = lambda row: True,
        is_whole: Callable[[list[dict[str, Any]]], bool] = lambda rows: True,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yields the whole rows of the interrupted run in order, those of a picture at a time.

        Those that were passed when the first new row is written stay; what lies behind them is cut off then, and with
        it a last picture of which not all rows are there.

        Args:
          begins: whether a row is the first one of its picture.
          is_whole: whether rows are all of their picture's.

        Raises:
          UserError: what is there is no table of these columns.
        """
        self._file.seek(self._end)
        rows: list[dict[str, Any]] = []
        size = 0
        for data in whole_rows(self._file, self._records):
            row = self._decode(data)
            if begins(row) and rows:
                yield rows
                self._end += size
                rows, size = [], 0
            rows.append(row)
            size += len(data)
        if rows and is_whole(rows):
            yield rows
            self._end += size

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Appends rows and hands them to the operating system: they outlive a kill of this process."""
        self._cut()
        self._file.write(self._records.encode(rows))
        self._file.flush()

    def finish(self) -> None:
        """Gives the complete table its name."""
        self._cut()
        os.fsync(self._file.fileno())
        if is_parquet(self.path):
            self._to_parquet()
            self.partial.unlink()
        else:
            self.partial.replace(self.path)
        self._settings.unlink(missing_ok=True)

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_new() and self.partial.exists():
            # nothing to go on with: it would only be in the way of the next, corrected command
            self.partial.unlink()
            self._settings.unlink(missing_ok=True)
        self._file.close()

    def _open(self) -> BinaryIO:
        """Opens the partial table, locked for as long as it is open."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # not by `exists` and a mode: two processes would both find nothing
        file = os.fdopen(os.open(self.partial, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UserError(f"{self.partial} is being written by another process; give another --output") from error
        return file

    def _is_new(self) -> bool:
        """Whether the partial table has no row, not even a torn one."""
        self._file.seek(0)
        beginning = self._file.read(len(self._records.header) + 1)
        return self._records.header.startswith(beginning)

    def _begin(self, begun_with: str, inputs: Sequence[str]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(self._records.header)
        self._file.flush()
        # after the rows: killed in between, there are none that these settings would not be true of
        with atomic_path(self._settings) as partial:
            # a model's name, and a path, may be of any bytes but zero
            partial.write_bytes(os.fsencode("\0".join([begun_with, *inputs])))

    def _check_begun_with(self, begun_with: str, inputs: Sequence[str]) -> None:
        self._file.seek(0)
        if self._file.read(len(self._records.header)) != self._records.header or not self._settings.is_file():
            raise no_table(self.partial)
        begun, *begun_inputs = os.fsdecode(self._settings.read_bytes()).split("\0")
        if begun != begun_with:
            raise UserError(
                f"--resume: {self.partial} was begun with {begun}, not with {begun_with}; give that, or start again by"
                " --overwrite"
            )
        if begun_inputs and begun_inputs != list(inputs):  # version 1.7 and those before kept none
            more = f" and {len(begun_inputs) - _NAMED} more" if len(begun_inputs) > _NAMED else ""
            raise UserError(
                f"--resume: {self.partial} was begun with other inputs, {', '.join(begun_inputs[:_NAMED])}{more}; give"
                " the same in the same order, or start again by --overwrite"
            )

    def _cut(self) -> None:
        if not self._is_cut:
            self._file.seek(self._end)
            self._file.truncate()
            self._is_cut = True

    def _decode(self, data: bytes) -> dict[str, Any]:
        try:
            return self._records.decode(data)
        except ValueError as error:
            raise no_table(self.partial) from error

    def _to_parquet(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        schema = parquet_schema(self._columns)
        self._file.seek(0)
        rows = (parquet_row(self._decode(data)) for data in whole_rows(self._file, self._records))
        with atomic_path(self.path) as partial, parquet.ParquetWriter(partial, schema) as writer:
            while some := list(itertools.islice(rows, _PARQUET_ROWS)):
                writer.write_table(pa.Table.from_pylist(some, schema))


class StdoutWriter:
    """CSV rows on standard output: like a `TableWriter` that has nothing to go on with."""

    def __init__(self, columns: dict[str, type]) -> None:
        self.partial = pathlib.Path("-")  # of which nothing is taken over
        self._records = CsvRecords(list(columns))
        self._begun = False

    def taken_over(self, *grouping: Callable) -> Iterator[list[dict[str, Any]]]:
        """Yields nothing."""
        return iter(())

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Prints rows. Ends the process quietly, as other filters do, when nobody reads them any more."""
        data = self._records.encode(rows)
        try:
            sys.stdout.buffer.write(data if self._begun else self._records.header + data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # else the interpreter complains when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(128 + signal.SIGPIPE) from None
        self._begun = True

    def finish(self) -> None:
        """Does nothing."""

    def __enter__(self) -> "StdoutWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Does nothing."""
