"""A folder of one's own face pictures as a TFDS data set; its layouts stand in README.md beside this file."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import tensorflow_datasets as tfds

from gender_tfds import faces
from gender_tfds.face_files import in_groups, list_files
from gender_tfds.face_folder.layouts import HOW_TO, from_class_folders, from_table
from gender_tfds.face_folder.pictures import for_record
from gender_tfds.face_listing import Face, FaceListing, FileNames
from gender_tfds.features import FaceBuilder
from gender_tfds.user_error import UserError


class Builder(FaceBuilder):
    """Builder of `face_folder`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {"1.0.0": "Class folders or a csv file; ten duplicate-safe folds."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"With --manual_dir, {HOW_TO}."

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        folder = self.given_folder(HOW_TO)
        files = sorted(list_files(folder))
        tables = [name for name in files if "/" not in name and name[0] != "." and name.lower().endswith(".csv")]
        if len(tables) > 1:
            raise UserError(f"--manual_dir={folder} holds {len(tables)} csv files ({', '.join(tables)}); leave one")
        if tables:
            files.remove(tables[0])
            found, skipped = from_table(folder / tables[0], files)
        else:
            found, skipped = from_class_folders(folder, files)
        if len({face.label for face in found}) < len(faces.GENDERS):
            only = faces.GENDERS[found[0].label]
            raise UserError(f"all {len(found)} faces in {folder} are {only}; a data set needs both genders")
        return self.splits_of(FaceListing(in_groups(found)), skipped, FileNames(files))

    @staticmethod
    def prepare(face: Face) -> Face:
        """Returns the face with its picture as a JPEG or PNG that training can decode."""
        return dataclasses.replace(face, image=for_record(face.path.read_bytes()))
