"""The files inside a `.tflite`: metadata, labels, and a checksum by which a damaged model is known before it is run.

LiteRT runs a model of which a few bits are flipped, with other answers, or crashes. Files appended as an uncompressed
zip archive, which keeps checksums of its own, are what TensorFlow Lite calls associated files.
"""

import hashlib
import io
import json
import os
import pathlib
import zipfile
from typing import Any

from export.metadata import METADATA
from gender_tfds import run_folder

CHECKSUM = "model.sha256"  # of all that stands in front of the archive
_MAX_BYTES = 1 << 20  # of a file in it: a few kilobytes may declare, and inflate to, gigabytes


def append_files(path: str | os.PathLike, metadata: dict[str, Any]) -> None:
    """Appends metadata, labels and checksum to a `.tflite` file that has none yet."""
    digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        # without a time of day: the same run gives the same bytes
        archive.writestr(zipfile.ZipInfo(METADATA), json.dumps(metadata, indent=2))
        archive.writestr(zipfile.ZipInfo(run_folder.LABELS), "".join(f"{label}\n" for label in metadata["labels"]))
        archive.writestr(zipfile.ZipInfo(CHECKSUM), f"{digest}\n")


def read_metadata(content: bytes) -> Any:
    """Returns the metadata inside a `.tflite` file, after its checksum, which files of older versions lack, was right.

    Args:
      content: the whole file.

    Raises:
      ValueError: the model is damaged, or the archive is another's.
      zipfile.BadZipFile, KeyError: there is no archive, or no metadata in it.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if any(member.file_size > _MAX_BYTES for member in members.values()):
            raise ValueError("a file in it is larger than metadata are")
        if CHECKSUM in members:
            model = memoryview(content)[: min(member.header_offset for member in members.values())]
            if hashlib.sha256(model).hexdigest() != archive.read(CHECKSUM).decode().strip():
                raise ValueError("its checksum is wrong")
        return json.loads(archive.read(METADATA))
