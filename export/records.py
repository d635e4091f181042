"""The formats of a table: rows as bytes, and where in bytes that were cut anywhere the last whole row ends."""

import csv
import io
import json
import os
import pathlib
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    import pyarrow

_PARQUET = ".parquet"


class Records(Protocol):
    """A format of rows that can be appended to and, cut anywhere, read up to its last whole row.

    Attributes:
      header: bytes before the first row.
    """

    header: bytes

    def encode(self, rows: Iterable[dict[str, Any]]) -> bytes:
        """Returns the bytes of rows; each maps columns to text, numbers or None."""

    def is_whole(self, data: bytes) -> bool:
        """Whether bytes that end where a line ends, or where the file ends, are whole rows."""

    def decode(self, data: bytes) -> dict[str, Any]:
        """Returns the row of one row's bytes, with None for empty; raises ValueError if it has other columns."""


class CsvRecords:
    """Comma-separated rows that end in a line feed. Names that are no UTF-8 are the bytes they were."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self.header = self.encode([dict(zip(columns, columns, strict=True))])

    def encode(self, rows: Iterable[dict[str, Any]]) -> bytes:
        lines: list[str] = []
        # asked to end rows in a line feed itself, `csv` leaves a name with a carriage return unquoted, and nobody can
        # read that row again; it writes a row at a time
        writer = csv.writer(types.SimpleNamespace(write=lines.append), lineterminator="\r\n")
        writer.writerows([row.get(column) for column in self._columns] for row in rows)
        return "".join([line.removesuffix("\r\n") + "\n" for line in lines]).encode("utf-8", "surrogateescape")

    def is_whole(self, data: bytes) -> bool:
        return data.endswith(b"\n") and data.count(b'"') % 2 == 0

    def decode(self, data: bytes) -> dict[str, Any]:
        text = data.decode("utf-8", "surrogateescape").removesuffix("\n")
        try:
            (values,) = csv.reader(io.StringIO(text, newline=""))
            return {c: v or None for c, v in zip(self._columns, values, strict=True)}
        except csv.Error as error:
            raise ValueError(str(error)) from error


class JsonRecords:
    r"""JSON Lines. A byte of a name that is no UTF-8 is written `\udcXX`, as Python's `os.fsencode` takes it."""

    header = b""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)

    def encode(self, rows: Iterable[dict[str, Any]]) -> bytes:
        return "".join(
            [json.dumps({column: row.get(column) for column in self._columns}) + "\n" for row in rows]
        ).encode()

    def is_whole(self, data: bytes) -> bool:
        return data.endswith(b"\n")

    def decode(self, data: bytes) -> dict[str, Any]:
        row = json.loads(data)
        if not isinstance(row, dict) or list(row) != self._columns:
            raise ValueError(f"not a row of {self._columns}")
        return row


# suffix of the table -> what its rows are while they are written; a Parquet file can't be appended to after a kill
FORMATS: dict[str, Callable[[Sequence[str]], Records]] = {
    ".csv": CsvRecords,
    ".jsonl": JsonRecords,
    _PARQUET: JsonRecords,
}


def records_of(path: pathlib.PurePath, columns: Iterable[str]) -> Records:
    """Returns the format of a table by its suffix.

    Raises:
      UserError: a suffix that is none of `FORMATS`.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(
            f"--output={path} ends in none of {', '.join(FORMATS)}; give such a path, or - for CSV on stdout"
        )
    return FORMATS[path.suffix.lower()](list(columns))


def read_table(path: pathlib.Path, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a complete table.

    Raises:
      UserError: it is no table of these columns.
    """
    records = records_of(path, columns)
    try:
        if is_parquet(path):
            from pyarrow import parquet

            with parquet.ParquetFile(path) as file:
                if file.schema_arrow.names != list(columns):
                    raise ValueError("other columns")
                for batch in file.iter_batches():
                    yield from batch.to_pylist()
            return
        with path.open("rb") as file:
            if file.read(len(records.header)) != records.header:
                raise ValueError("other columns")
            for data in whole_rows(file, records):
                yield records.decode(data)
    except ValueError as error:  # pyarrow's is one, too
        raise no_table(path) from error


def whole_rows(file: BinaryIO, records: Records) -> Iterator[bytes]:
    """Yields the bytes of each whole row from where a file stands; what is torn at its end is left out."""
    pending = b""
    for line in file:
        pending += line
        if records.is_whole(pending):
            yield pending
            pending = b""


def parquet_schema(columns: dict[str, type]) -> "pyarrow.Schema":
    """Returns Parquet's schema of the columns."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    return pa.schema([(column, types[kind]) for column, kind in columns.items()])


def is_parquet(path: pathlib.PurePath) -> bool:
    """Whether a table is written as Parquet in the end."""
    return path.suffix.lower() == _PARQUET


def parquet_row(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as Parquet takes it."""
    return row | {"path": as_unicode(row["path"])}


def as_unicode(name: str) -> str:
    r"""Spells the bytes of a name that are no UTF-8 as `\xff`: Parquet's text has no other place for them."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def no_table(path: pathlib.Path) -> UserError:
    """Returns what to raise where a table of certain columns was expected."""
    return UserError(f"{path} is not a table that was begun like this; move it away or start again by --overwrite")
