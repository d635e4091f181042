"""UTKFace as a TFDS data set; prose and citation stand in README.md and CITATIONS.bib beside this file."""

import functools
import os
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from gender_tfds.duplicates import joined_groups
from gender_tfds.face_files import in_groups, sort_out, whole_jpeg
from gender_tfds.face_listing import Face, FaceListing, FileNames
from gender_tfds.features import FaceBuilder
from gender_tfds.label_table import read_rows
from gender_tfds.user_error import UserError
from gender_tfds.utkface import file_names, source

# When this file lies beside the faces, its groups are taken instead of looking for them: columns group, filename.
_GROUPS_FILE = "near_duplicates.tsv"


class Builder(FaceBuilder):
    """Builder of `utkface`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {
        "1.0.0": "All faces whose name holds age, gender and ethnicity; ten duplicate-safe folds."
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Without --manual_dir the archive jangedoo/utkface-new is downloaded by kagglehub; with it, the folder given"
        " must be the unpacked archive or its folder UTKFace/."
    )
    TITLE = "UTKFace"
    # What the complete archive holds. The three names without an ethnicity are skipped, and all say 1.
    EXPECTED: ClassVar[Mapping[str, int]] = {"files": 23708, "male": 12391, "female": 11314}

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        folder, names = source.pictures(self.manual_dir or source.download())
        skipped: Counter[str] = Counter()
        read = sort_out(names, functools.partial(_read, os.fspath(folder)), skipped)
        found = FaceListing(in_groups(read, _listed_groups(folder, names)))
        if not found.splits():
            raise UserError(
                f"none of the {len(names)} files in {folder} has a UTKFace name"
                " (age_gender_race_stamp.jpg.chip.jpg); give the folder of UTKFace's faces with --manual_dir"
            )
        return self.splits_of(found, skipped, names)


def _read(folder: str, name: str) -> Face:
    labels = file_names.parse(name)
    return whole_jpeg(Face(name, folder, labels.gender, name, labels.age, labels.ethnicity))


def _listed_groups(faces: epath.Path, names: FileNames) -> Mapping[str, str] | None:
    """Returns the group of each file name, the least name in it, by a list beside the faces; None without a list.

    Raises:
      UserError: the list can't be read, or is of other faces.
    """
    for folder in (faces, faces.parent):
        path = folder / _GROUPS_FILE
        if not path.exists():
            continue
        rows = read_rows(path, ("group", "filename"), "\t")
        if any(None in row.values() for row in rows):
            raise UserError(f"{path} has a row without a group or a filename; give both, separated by a tab")
        groups = joined_groups((row["group"], row["filename"]) for row in rows)
        if not any(name in groups for name in names):
            raise UserError(
                f"{path} names none of the faces in {faces}; give their file names, or remove it, and near duplicates"
                " are looked for"
            )
        logging.info("Took %d near-duplicate groups from %s.", len(set(groups.values())), path)
        return groups
    return None
