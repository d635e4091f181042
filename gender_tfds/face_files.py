"""Faces that lie in files: read them side by side, count what is left out, put near duplicates into one group."""

import dataclasses
import io
import operator
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import PIL.Image
import tqdm

from gender_tfds.duplicates import near_duplicate_groups
from gender_tfds.face_listing import Face
from gender_tfds.faces import RejectedError
from gender_tfds.threads import in_threads

_Item = TypeVar("_Item")
_CHUNK = 64  # files that a thread reads at once


def sort_out(items: Iterable[_Item], read: Callable[[_Item], Face], skipped: Counter[str]) -> Iterator[Face]:
    """Yields the faces that `read` makes of the items, in their order.

    Args:
      items: taken only as they are needed.
      read: takes an item and returns a face, or raises `RejectedError`; called in several threads.
      skipped: counts, by reason, the items that are rejected on the way.
    """

    def attempt(some: Sequence[_Item]) -> list[Face | str]:
        results: list[Face | str] = []
        for item in some:
            try:
                results.append(read(item))
            except RejectedError as reason:
                results.append(str(reason))
        return results

    with tqdm.tqdm(desc="Reading faces", total=operator.length_hint(items), disable=None) as bar:
        for results in in_threads(attempt, items, _CHUNK):
            yield from (result for result in results if isinstance(result, Face))
            skipped.update(result for result in results if isinstance(result, str))
            bar.update(len(results))


def list_files(folder: str | os.PathLike) -> Iterator[str]:
    """Yields the path, relative to `folder` and with `/`, of every file below it; of none if it is no directory.

    Links to folders are followed if they lie right in `folder`. Deeper ones may lead in a circle: each is listed
    itself, as is a folder that can't be read, and a caller sees that it is no file.
    """
    refused: list[OSError] = []
    top = pathlib.Path(folder)
    if not top.is_dir():
        return
    for start in (top, *(path for path in sorted(top.iterdir()) if path.is_symlink() and path.is_dir())):
        for root, folders, names in os.walk(start, onerror=refused.append):
            inside = pathlib.Path(root)
            links = [name for name in folders if inside != top and (inside / name).is_symlink()]
            for name in (*names, *links):
                yield (inside / name).relative_to(top).as_posix()
    yield from (pathlib.Path(error.filename).relative_to(top).as_posix() for error in refused)


def read_file(path: str | os.PathLike) -> bytes:
    """Returns the content of a file.

    Raises:
      RejectedError: `missing_file` (also a link to nothing), `not_a_file` (a folder, a pipe, …) or `unreadable`.
    """
    local = pathlib.Path(path)  # epath takes a pipe for a file, and reading one waits for ever
    try:
        if not local.is_file():
            raise RejectedError("not_a_file" if local.exists() else "missing_file")
        return local.read_bytes()
    except OSError as error:
        raise RejectedError("unreadable") from error


def whole_jpeg(face: Face) -> Face:
    """Returns the face if its file is a JPEG that can be decoded: one that can't would stop every training on it.

    Raises:
      RejectedError: as `read_file` does, or `damaged`: empty, cut, or something else than a JPEG.
    """
    content = read_file(face.path)
    if not (content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9")):
        raise RejectedError("damaged")
    try:
        with PIL.Image.open(io.BytesIO(content), formats=["JPEG", "MPO"]) as image:
            # An eighth of the size takes 0.1 ms, and of 956 damaged files that TensorFlow refuses, Pillow refused 955.
            image.draft("L", (1, 1))
            image.load()
    except Exception as error:  # whatever a damaged file makes Pillow raise
        raise RejectedError("damaged") from error
    return face


def in_groups(found: Iterable[Face], groups: Mapping[str, str] | None = None) -> Iterator[Face]:
    """Yields the faces with their near-duplicate groups: as given, by file name, or else as looked for now."""
    if groups is None:
        found = list(found)
        groups = near_duplicate_groups({face.filename: face.path for face in found})
    for face in found:
        yield _in_group(face, groups.get(face.filename, face.filename))


def _in_group(face: Face, group: str) -> Face:
    return face if group == face.group else dataclasses.replace(face, group=group)
