"""UTKFace as a TFDS data set; prose and citation stand in README.md and CITATIONS.bib beside this file."""

import csv
import functools
import os
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from gender_tfds.face_files import in_groups, sort_out, whole_jpeg
from gender_tfds.face_listing import Face, FaceListing
from gender_tfds.features import FaceBuilder
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
        found = FaceListing(in_groups(read, _listed_groups(folder)))
        if not found.splits():
            raise UserError(
                f"none of the {len(names)} files in {folder} has a UTKFace name"
                " (age_gender_race_stamp.jpg.chip.jpg); give the folder of UTKFace's faces with --manual_dir"
            )
        return self.splits_of(found, skipped, names)


def _read(folder: str, name: str) -> Face:
    labels = file_names.parse(name)
    return whole_jpeg(Face(name, folder, labels.gender, name, labels.age, labels.ethnicity))


def _listed_groups(faces: epath.Path) -> Mapping[str, str] | None:
    """Returns the group of each file name, the least name in it, by a list beside the faces; None without a list."""
    for folder in (faces, faces.parent):
        if (folder / _GROUPS_FILE).exists():
            rows = csv.DictReader((folder / _GROUPS_FILE).read_text().splitlines(), delimiter="\t")
            if not {"group", "filename"} <= set(rows.fieldnames or ()):
                raise UserError(f"{folder / _GROUPS_FILE} needs the columns group and filename, separated by tabs")
            members: dict[str, list[str]] = {}
            for row in rows:
                members.setdefault(row["group"], []).append(row["filename"])
            logging.info("Took %d near-duplicate groups from %s.", len(members), folder / _GROUPS_FILE)
            return {name: min(names) for names in members.values() for name in names}
    return None
