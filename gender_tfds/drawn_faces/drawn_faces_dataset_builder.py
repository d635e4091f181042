"""Drawn faces as a TFDS data set; the card stands in README.md beside this file."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import tensorflow_datasets as tfds
from absl import logging

from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.drawn_faces.traits import LABEL_NOISE, NOTE, file_name, index_of, sample_label
from gender_tfds.face_listing import Face, FaceListing, describe
from gender_tfds.features import FaceBuilder


class Builder(FaceBuilder):
    """Builder of `drawn_faces`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {"1.0.0": "4,000 faces; 4 % of the labels are wrong on purpose."}
    NUM_FACES: ClassVar[int] = 4000

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        logging.info("%s", NOTE)
        names = map(file_name, range(self.NUM_FACES))
        found = FaceListing(Face(name, b"", sample_label(index_of(name)).label, group=name) for name in names)
        self.info.metadata.update(describe(found, skipped={}), note=NOTE, label_noise=LABEL_NOISE)
        return {split: self._generate_examples(split, found) for split in found.splits()}

    @staticmethod
    def prepare(face: Face) -> Face:
        """Returns the face with its picture, drawn."""
        return dataclasses.replace(face, image=encode_face(index_of(face.filename)))
