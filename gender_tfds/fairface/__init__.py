"""FairFace: 97,698 faces balanced over seven races. Importing this package registers the data set `fairface`."""

from gender_tfds.fairface import fairface_dataset_builder as fairface_dataset_builder
