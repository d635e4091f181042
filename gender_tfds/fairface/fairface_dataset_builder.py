"""FairFace as a TFDS data set; prose and citation stand in README.md and CITATIONS.bib beside this file."""

import functools
import os
from collections.abc import Mapping
from typing import ClassVar

import tensorflow_datasets as tfds

from gender_tfds.face_files import in_groups, list_files, whole_jpeg
from gender_tfds.face_listing import Face, FaceListing, FileNames
from gender_tfds.fairface import labels
from gender_tfds.features import FaceBuilder
from gender_tfds.label_table import Row, faces_of_rows, look_up, none_left, picture_name, read_rows
from gender_tfds.user_error import UserError

_PARTS = ("train", "val")
_COLUMNS = ("file", "age", "gender", "race")
_HOW_TO = (
    "download pictures (padding 0.25) and labels from https://github.com/joojs/fairface, and give the folder that holds"
    " fairface_label_train.csv beside train/, fairface_label_val.csv beside val/, or all four, with --manual_dir"
)


class Builder(FaceBuilder):
    """Builder of `fairface`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {"1.0.0": "Both parts in one; ten duplicate-safe folds."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"To get FairFace, {_HOW_TO}."
    TITLE = "FairFace"
    EXPECTED: ClassVar[Mapping[str, int]] = {"files": 97_698}  # 86,744 in train/ and 10,954 in val/

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        folder = self.given_folder(_HOW_TO)
        tables = [path for part in _PARTS if (path := folder / f"fairface_label_{part}.csv").is_file()]
        if not tables:
            raise UserError(
                f"--manual_dir={folder} holds neither fairface_label_train.csv nor fairface_label_val.csv; {_HOW_TO}"
            )
        rows = [row for table in tables for row in read_rows(table, _COLUMNS)]
        files = FileNames(f"{part}/{name}" for part in _PARTS for name in list_files(folder / part))
        found, skipped = faces_of_rows(rows, "file", files, functools.partial(_parse, os.fspath(folder)), whole_jpeg)
        if not found:
            raise UserError(f"{none_left(rows, tables, skipped)}; {_HOW_TO}")
        return self.splits_of(FaceListing(in_groups(found)), skipped, files)


def _parse(folder: str, row: Row) -> Face:
    name = picture_name(row, "file")
    return Face(
        filename=name,
        image=folder,
        label=look_up(labels.GENDERS, row, "gender"),
        group=name,
        age=look_up(labels.AGES, row, "age"),
        ethnicity=look_up(labels.RACES, row, "race"),
    )
