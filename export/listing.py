"""What there is to score: directories, files, patterns and lists become one stream of pictures, in a stated order."""

# Paths are text here: an object for each file would cost more than reading the folder.
# ruff: noqa: PTH110, PTH112, PTH118, PTH123, PTH207

import glob
import io
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from gender_tfds.user_error import UserError

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2"]
)
STDIN = "-"
_LIST_SUFFIX = ".txt"
_OUTSIDE = "a link out of the folder; --follow_links reads it"


class Picture(NamedTuple):
    """One file to score.

    Attributes:
      name: what its row is called by: the path relative to the directory if that is all there is to score, else the
        path as it was given.
      path: where it lies.
      error: why it must not be opened; None if it may be.
    """

    name: str
    path: str
    error: str | None = None


class Listing:
    """The pictures of some inputs; iterating reads folders as it goes, never the whole tree at once.

    A directory gives its pictures by suffix, with its subfolders, in the order of the bytes of their relative paths. A
    file is a picture whatever it is called; a `.txt` file is a list of paths, one a line, or each ended by a zero byte;
    `-` is such a list on standard input; anything else is a pattern such as `photos/**/*.jpg`.

    Args:
      inputs: as above, at least one.
      follow_links: read links that lead out of a directory, and links to folders.

    Raises:
      UserError: an input that is none of these.
    """

    def __init__(self, inputs: Sequence[str], *, follow_links: bool = False) -> None:
        self.inputs = list(inputs)
        self.follow_links = follow_links
        self.others = 0  # files in directories, seen so far, that are no pictures by their suffix
        self.links = 0  # links to folders, seen so far, that were not followed
        for one in self.inputs:
            if one != STDIN and not os.path.lexists(one) and not glob.has_magic(one):
                raise UserError(
                    f"{one} does not exist; give a directory, a picture, a .txt file with paths, a pattern, or"
                    " - for paths on standard input"
                )
        if self.inputs.count(STDIN) > 1:
            raise UserError("- is given twice; standard input can be read once")

    @property
    def repeatable(self) -> bool:
        """Whether it can be iterated more than once."""
        return STDIN not in self.inputs

    @property
    def real_inputs(self) -> list[str]:
        """The inputs as real paths, wherever they are given from; `-` is itself."""
        return [one if one == STDIN else os.path.realpath(one) for one in self.inputs]

    def __iter__(self) -> Iterator[Picture]:
        found, self.others, self.links = False, 0, 0
        for one in self.inputs:
            for picture in self._of_input(one):
                found = True
                yield picture
        if not found:
            raise UserError(
                f"{', '.join(self.inputs)} holds no picture; a picture ends in {', '.join(sorted(SUFFIXES))}"
            )

    def _of_input(self, one: str) -> Iterator[Picture]:
        if one == STDIN:
            yield from (Picture(path, path) for path in _paths(cast(io.BufferedIOBase, sys.stdin.buffer)))
        elif os.path.isdir(one):
            alone = len(self.inputs) == 1
            for picture in self._of_folder(one, "", (os.path.realpath(one),)):
                yield picture if alone else picture._replace(name=os.path.join(one, picture.name))
        elif not os.path.lexists(one):
            for path in sorted(glob.iglob(one, recursive=True), key=os.fsencode):
                if not os.path.isdir(path):
                    yield Picture(path, path)
        elif one.lower().endswith(_LIST_SUFFIX):
            try:
                with open(one, "rb") as file:
                    yield from (Picture(path, path) for path in _paths(file))
            except OSError as error:
                raise UserError(f"{one} can't be read ({error.strerror}); give a list of pictures") from error
        else:
            yield Picture(one, one)

    def _of_folder(self, folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[Picture]:
        """Yields what lies below a folder. `above` are the real paths of the folders that led here, outermost first."""
        try:
            with os.scandir(folder) as entries:
                # a folder sorts as its contents will: by its name and the slash
                found: list[bytes] = []
                links: set[bytes] = set()
                for entry in entries:
                    encoded = os.fsencode(entry.name) + b"/" * _is_folder(entry)
                    found.append(encoded)  # and no more for each: a folder may hold a million
                    if entry.is_symlink():
                        links.add(encoded)
                found.sort()
        except OSError as error:
            if not prefix:
                raise UserError(f"{folder} can't be listed ({error.strerror}); make it readable") from error
            yield Picture(prefix, folder, f"the folder can't be listed ({error.strerror})")
            return
        for encoded in found:
            name, is_link = os.fsdecode(encoded), encoded in links
            path = os.path.join(folder, name.removesuffix("/"))
            if name.endswith("/"):
                real = os.path.realpath(path) if is_link else os.path.join(above[-1], name[:-1])
                # a link to a folder that led here would never end
                if not is_link or (self.follow_links and real not in above):
                    yield from self._of_folder(path, prefix + name, (*above, real))
                elif not self.follow_links:
                    self.links += 1
            elif pathlib.PurePath(name).suffix.lower() not in SUFFIXES:
                self.others += 1
            else:
                inside = not is_link or self.follow_links or _is_below(path, above[0])
                yield Picture(prefix + name, path, None if inside else _OUTSIDE)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False


def _is_below(link: str, folder: str) -> bool:
    real = os.path.realpath(link)
    # one that leads nowhere, or round in a circle, harms nobody: its row will say so
    return not os.path.exists(real) or os.path.commonpath([real, folder]) == folder


def _paths(file: io.BufferedIOBase) -> Iterator[str]:
    """Yields the paths of a list: ended by zero bytes if its beginning has one, as `find -print0` writes them."""
    rest, separator = b"", None
    while block := file.read1(1 << 16):
        separator = separator or (b"\0" if b"\0" in block else b"\n" if b"\n" in block else None)
        rest += block
        if separator:
            *lines, rest = rest.split(separator)
            yield from _decoded(lines, separator)
    yield from _decoded([rest], separator)


def _decoded(lines: Iterable[bytes], separator: bytes | None) -> Iterator[str]:
    for line in lines:
        path = line if separator == b"\0" else line.removesuffix(b"\r")
        if path:
            yield os.fsdecode(path)
