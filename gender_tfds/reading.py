"""Open a built data set and read its faces as they were written. Importing this loads TFDS, not TensorFlow."""

import hashlib
import importlib.util
import pathlib
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds

from gender_tfds import faces
from gender_tfds.command_line import UserError

if TYPE_CHECKING:
    import tensorflow as tf


def resolve_data_dir(data_dir: str | None) -> str:
    """Returns the absolute path of a data_dir, TFDS' default if None: what a run's record can be used with later."""
    return str(pathlib.Path(data_dir or tfds.core.constants.DATA_DIR).expanduser().absolute())


def open_built(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Returns the builder of a data set that `tfds build` has built.

    Args:
      name: of the data set, `utkface` or `name:version`.
      data_dir: where it was built; TFDS' default if None.

    Raises:
      UserError: it is not there, is damaged, or has another schema.
    """
    module = f"gender_tfds.{name.partition(':')[0]}"
    where = resolve_data_dir(data_dir)
    ours = name.isidentifier() and importlib.util.find_spec(module) is not None
    build = f"tfds build {name} --imports={module} --data_dir={where}" if ours else "tfds build"
    try:
        # read from its files: the code that built it is not needed
        builder = tfds.builder(name, data_dir=where)
    except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
        raise UserError(f"there is no data set {name!r} in {where}; build it with `{build}`") from error
    if not builder.is_prepared():
        raise UserError(f"the data set {name!r} is not built in {where}; build it with `{build}`")
    features = builder.info.features
    if "label" not in features or list(getattr(features["label"], "names", [])) != list(faces.GENDERS):
        raise UserError(f"the data set {name!r} has no label with the classes {', '.join(faces.GENDERS)}")
    return builder


def check_split(builder: tfds.core.DatasetBuilder, split: str) -> int:
    """Returns the number of faces in a split.

    Raises:
      UserError: the data set has no such split, or it is empty.
    """
    if split not in builder.info.splits or not builder.info.splits[split].num_examples:
        names = ", ".join(sorted(builder.info.splits))
        raise UserError(f"the data set {builder.info.full_name} has no faces in the split {split!r}; it has {names}")
    return builder.info.splits[split].num_examples


def read_encoded(builder: tfds.core.DatasetBuilder, split: str) -> "tf.data.Dataset":
    """Returns the examples of a split, once each and in the order of the records, read from the shards in parallel.

    Elements are the feature dict of `features.face_features`, with `image` the encoded file, a scalar string.
    """
    return builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False),
        shuffle_files=False,
    )


def fingerprint(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    """Returns what identifies the data: name, version, faces a split, counts of the builder, a SHA-256 over it all."""
    folder = pathlib.Path(builder.data_dir)
    digest = hashlib.sha256()
    for name in ("dataset_info.json", "features.json", "metadata.json"):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return {
        "name": builder.info.full_name,
        "splits": {split: info.num_examples for split, info in sorted(builder.info.splits.items())},
        "metadata": dict(builder.info.metadata or {}),
        "sha256": digest.hexdigest(),
    }
