"""Drawn faces: pictures made by code. Importing this package registers the data set `drawn_faces`."""

from gender_tfds.drawn_faces import drawn_faces_dataset_builder as drawn_faces_dataset_builder
