"""UTKFace: 23,708 aligned and cropped faces. Importing this package registers the data set `utkface`."""

from gender_tfds.utkface import utkface_dataset_builder as utkface_dataset_builder
