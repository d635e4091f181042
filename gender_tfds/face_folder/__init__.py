"""A folder of one's own face pictures. Importing this package registers the data set `face_folder`."""

from gender_tfds.face_folder import face_folder_dataset_builder as face_folder_dataset_builder
