"""An output appears whole or not at all: write beside the target, then rename."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

PARTIAL = ".partial-"  # begins the names of the folders in which something is being written


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a path to write a file or a directory to; on success it becomes `path`, on an error it is removed.

    The yielded path lies in a fresh hidden directory beside the target, on the same file system, and has the target's
    name, since writers choose a format by the suffix. A directory that stands at `path` is replaced.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=PARTIAL, dir=path.parent))
    try:
        partial = folder / path.name
        yield partial
        if partial.is_dir() and path.is_dir():
            _exchange(path, partial, folder / "replaced")
            return
        if partial.is_file():
            # the bytes must be on the disk before the name is, or a power cut leaves an empty file under it
            with partial.open("r+b") as file:  # Windows flushes only what may be written
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exchange(path: pathlib.Path, new: pathlib.Path, replaced: pathlib.Path) -> None:
    """Puts a directory in another's place, which goes to `replaced`; interrupted between the two, puts that back."""
    try:
        path.rename(replaced)
        new.replace(path)
    except BaseException:
        if replaced.exists() and not path.exists():
            replaced.rename(path)
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
