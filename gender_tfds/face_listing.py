"""What a face of a data set is, and the list of all faces: on the disk, so that memory stays flat, however many."""

import dataclasses
import hashlib
import operator
import pathlib
import pickle
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from absl import logging

from gender_tfds import faces
from gender_tfds.split_writer import record_order


@dataclasses.dataclass(frozen=True, slots=True)
class Face:
    """One example.

    Attributes:
      filename: unique in the data set.
      image: an encoded picture, which goes into the record as it is, or the folder in which it lies under `filename`.
      label: class number in `faces.GENDERS`.
      group: name of the near-duplicate group.
      age: in years, or `faces.UNKNOWN`.
      ethnicity: class number in `faces.ETHNICITIES`, or `faces.UNKNOWN`.
    """

    filename: str
    image: bytes | str
    label: int
    group: str
    age: int = faces.UNKNOWN
    ethnicity: int = faces.UNKNOWN

    @property
    def path(self) -> pathlib.Path:
        """Where the picture lies, of a face that does not hold its bytes."""
        return pathlib.Path(cast(str, self.image), self.filename)

    def example(self) -> dict[str, Any]:
        """Returns the face as the feature dict of `features.face_features` takes it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"fold": faces.fold(self.group)}


_values = operator.attrgetter(*Face.__slots__)  # a face itself takes six times as long to pickle


class FileNames:
    """The names of many files, sorted."""

    def __init__(self, names: Iterable[str]) -> None:
        self._table = _on_disk("CREATE TABLE files (name BLOB)")
        # not as text: a name need not be UTF-8. Sorted by such bytes, names are sorted by their characters.
        rows = ((name.encode("utf-8", "surrogatepass"),) for name in names)
        self._table.executemany("INSERT INTO files VALUES (?)", rows)

    def __len__(self) -> int:
        return self._table.execute("SELECT count(*) FROM files").fetchone()[0]

    def __iter__(self) -> Iterator[str]:
        for (name,) in self._table.execute("SELECT name FROM files ORDER BY name"):
            yield name.decode("utf-8", "surrogatepass")

    def sha256(self) -> str:
        """Returns the SHA-256 of the names, a line each, a fingerprint of what was read."""
        digest = hashlib.sha256()
        for number, name in enumerate(self):
            digest.update(("\n" * (number > 0) + name).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


class FaceListing:
    """The faces of a data set, by the split that the fold of their group is in."""

    def __init__(self, found: Iterable[Face]) -> None:
        orders = {split: record_order(split) for split in faces.SPLIT_FOLDS}

        def row(face: Face) -> tuple:
            split = faces.split_of(face.group)
            key = orders[split](face.filename).to_bytes(16, "big")
            return split, key, face.label, face.group, pickle.dumps(_values(face))

        self._table = _on_disk("CREATE TABLE faces (split TEXT, key BLOB, label INTEGER, kin TEXT, face BLOB)")
        self._table.executemany("INSERT INTO faces VALUES (?, ?, ?, ?, ?)", map(row, found))

    def splits(self) -> list[str]:
        """Returns the names of the splits that have any face."""
        held = {split for (split,) in self._table.execute("SELECT DISTINCT split FROM faces")}
        return [split for split in faces.SPLIT_FOLDS if split in held]

    def of_split(self, split: str, limit: int | None = None) -> Iterator[Face]:
        """Yields the faces of a split, or those that were listed first, if there is a limit, as records are sorted."""
        query = "SELECT face FROM (SELECT * FROM faces WHERE split = ? ORDER BY rowid LIMIT ?) ORDER BY key"
        for (face,) in self._table.execute(query, (split, -1 if limit is None else limit)):
            yield Face(*pickle.loads(face))  # noqa: S301 (only this process can write it)

    def labels(self) -> Counter[str]:
        """Returns how many faces there are of each gender that has any."""
        rows = self._table.execute("SELECT label, count(*) FROM faces GROUP BY label")
        return Counter({faces.GENDERS[label]: number for label, number in rows})

    def near_duplicate_groups(self) -> int:
        """Returns how many groups have several faces."""
        query = "SELECT count(*) FROM (SELECT 1 FROM faces GROUP BY kin HAVING count(*) > 1)"
        return self._table.execute(query).fetchone()[0]


def _on_disk(create: str) -> sqlite3.Connection:
    """Returns a new table in a file that has no name and is gone with the process."""
    table = sqlite3.connect("")
    # Nothing is ever rolled back, and what a query sorts isn't to be in memory either. Of 2 MB, the default, the cache
    # would fill up with the first 50,000 faces, and gain no time.
    table.executescript(f"PRAGMA journal_mode = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -500; {create}")
    return table


def listed(counts: Mapping[str, int]) -> str:
    """Returns counts for a sentence: `2 damaged, 1 empty`, by name."""
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))


def describe(found: FaceListing, skipped: Mapping[str, int]) -> dict[str, Any]:
    """Returns the counts for a data set's metadata, and logs them: nothing is left out in silence."""
    labels = found.labels()
    counts = {"faces": labels.total(), "labels": dict(sorted(labels.items())), "skipped": dict(sorted(skipped.items()))}
    logging.info("Found %d faces (%s); skipped: %s.", counts["faces"], listed(labels), listed(skipped) or "none")
    return counts
