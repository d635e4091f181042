"""Open a built data set and read its faces as they were written. Importing this loads TFDS, not TensorFlow."""

import functools
import hashlib
import json
import logging
import pathlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds

from gender_tfds import faces, shards
from gender_tfds.features import PART, face_features
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger(__name__)

_PARSED = 256  # records at a time
_BUFFER = 1 << 18  # bytes of an open file; by default 8 MiB, of up to 16 files


def resolve_data_dir(data_dir: str | None) -> str:
    """Returns the absolute path of a data_dir, TFDS' default if None: what a run's record can be used with later."""
    return str(pathlib.Path(data_dir or tfds.core.constants.DATA_DIR).expanduser().absolute())


def find_built(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Returns the builder of a data set that `tfds build` has built; `open_built` looks at what it built, too.

    Args:
      name: of the data set, `utkface` or `name:version`.
      data_dir: where it was built; TFDS' default if None.

    Raises:
      UserError: it is not there, or its description is damaged.
    """
    where = resolve_data_dir(data_dir)
    build = shards.build_command(name, where)
    try:
        # read from its files: the code that built it is not needed, and `tfds.builder` would take the code's schema,
        # whatever was built, in a process that has imported it
        parsed, options = tfds.core.naming.parse_builder_name_kwargs(name, data_dir=where)
        return tfds.core.read_only_builder.builder_from_files(parsed.name, **options)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(f"there is no data set {name!r} in {where}; build it with `{build}`") from error
    except Exception as error:  # TFDS raises whatever a damaged file leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            f"the data set {name!r} can't be opened in {where} ({reason}); if it is damaged, remove it and build it"
            f" again with `{build}`"
        ) from error


def open_built(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Returns the builder of `find_built`, of faces that can be read.

    Raises:
      UserError: it is not there, is damaged, lacks a shard or a part of one, or has another schema.
    """
    builder = find_built(name, data_dir)
    features = builder.info.features
    if "label" not in features or list(getattr(features["label"], "names", [])) != list(faces.GENDERS):
        raise UserError(f"the data set {name!r} has no label with the classes {', '.join(faces.GENDERS)}")
    missing = sorted(set(face_features()) - set(features))
    if missing:
        raise UserError(
            f"the data set {name!r} has no {', '.join(missing)}; each face has {', '.join(face_features())}"
        )
    shards.check_sizes(builder)
    if (limit := (builder.info.metadata or {}).get(PART)) is not None:
        log.warning("%s was built with --%s=%d: it is not whole.", builder.info.full_name, PART, limit)
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


def check_folds(builder: tfds.core.DatasetBuilder, folds: Sequence[int]) -> None:
    """Looks whether there is a face in any of some folds.

    Raises:
      UserError: there is none, or no shard that can be read.
    """
    for split, of_split in faces.SPLIT_FOLDS.items():
        if set(folds) == set(of_split):
            check_split(builder, split)
            return
    with shards.told([builder]):
        if not any(True for _ in read_folds(builder, folds).take(1)):
            raise UserError(
                f"the data set {builder.info.full_name} has no faces in the folds {', '.join(map(str, sorted(folds)))}"
            )


def check_labels(builder: tfds.core.DatasetBuilder, labels: Iterable[int]) -> None:
    """Looks for labels that are no class number of `faces.GENDERS`; TFDS lets -1 pass, for "unknown".

    Raises:
      UserError: there are some.
    """
    strange = sorted(set(map(int, labels)) - set(range(len(faces.GENDERS))))
    if strange:
        classes = ", ".join(f"{number} ({gender})" for number, gender in enumerate(faces.GENDERS))
        raise UserError(
            f"the data set {builder.info.full_name} has labels {', '.join(map(str, strange))}, where a face has one of"
            f" {classes}; build it again without faces of unknown gender"
        )


def read_encoded(
    builder: tfds.core.DatasetBuilder, split: str, share: tuple[int, int] = (0, 1), *, counted: bool = True
) -> "tf.data.Dataset":
    """Returns the examples of a split, once each, read from the shards in parallel.

    The order is the same every time: that of the records, 16 of each shard in turn. Elements are the feature dict of
    `features.face_features`, with `image` the encoded file, a scalar string.

    Args:
      builder: of the data set.
      split: of it.
      share: read only this part, counted from 0, of so many equal ones; parts have no example in common.
      counted: end with an error where records are missing. To be left out where others read parts of what is returned.
    """
    import tensorflow as tf

    part, parts = share
    chosen = tfds.even_splits(split, n=parts)[part] if parts > 1 else split
    shards = builder.info.splits[chosen].file_instructions
    paths = tf.constant([str(shard.filename) for shard in shards], tf.string)
    skipped = tf.constant([shard.skip for shard in shards], tf.int64)
    # -1 reads to the end, where a cut or a damaged file shows
    taken = tf.constant([-1 if shard.takes_all else shard.take for shard in shards], tf.int64)
    records = tf.data.Dataset.from_tensor_slices((paths, skipped, taken)).interleave(
        lambda path, skip, take: tf.data.TFRecordDataset(path, buffer_size=_BUFFER).skip(skip).take(take),
        cycle_length=16,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    examples = records.batch(_PARSED).map(_parse).unbatch()
    number = sum(shard.take for shard in shards)
    return examples.apply(tf.data.experimental.assert_cardinality(number)) if counted else examples


def _parse(records: "tf.Tensor") -> "dict[str, tf.Tensor]":
    """Returns the features of n records; TFDS does it one by one, in which most of the time of reading would go."""
    import tensorflow as tf

    dtypes = {name: info.tf_dtype for name, info in face_features().get_serialized_info().items()}
    stored = {name: dtype if dtype == tf.string else tf.int64 for name, dtype in dtypes.items()}
    parsed = tf.io.parse_example(records, {name: tf.io.FixedLenFeature((), dtype) for name, dtype in stored.items()})
    return {name: tf.cast(parsed[name], dtype) for name, dtype in dtypes.items()}


def read_folds(
    builder: tfds.core.DatasetBuilder, folds: Iterable[int], share: tuple[int, int] = (0, 1), *, counted: bool = True
) -> "tf.data.Dataset":
    """Returns the examples of some folds as `read_encoded` gives those of a split, one split after the other."""
    folds = set(folds)
    wanted = [split for split, of_split in faces.SPLIT_FOLDS.items() if folds & set(of_split)]
    parts = []
    for split in wanted:
        if split not in builder.info.splits:  # a small data set may have no face in a fold
            continue
        examples = read_encoded(builder, split, share, counted=counted)
        if not folds >= set(faces.SPLIT_FOLDS[split]):
            numbers = sorted(folds)
            examples = examples.filter(lambda example, numbers=numbers: _is_in(example["fold"], numbers))
        parts.append(examples)
    if not parts:
        names = ", ".join(sorted(builder.info.splits))
        raise UserError(f"the data set {builder.info.full_name} has no faces of {', '.join(wanted)}; it has {names}")
    return functools.reduce(lambda all_parts, part: all_parts.concatenate(part), parts)


def read_split_or_folds(
    builder: tfds.core.DatasetBuilder, split: str, folds: Iterable[int] | None
) -> "tf.data.Dataset":
    """Returns the examples of a split, or of some folds instead if they are given."""
    return read_encoded(builder, split) if folds is None else read_folds(builder, folds)


def _is_in(fold: "tf.Tensor", numbers: Sequence[int]) -> "tf.Tensor":
    import tensorflow as tf

    return tf.reduce_any(tf.equal(fold, numbers))


def fingerprint(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    """Returns what identifies the data: name, version, faces a split, counts of the builder, a SHA-256 over it all."""
    folder = pathlib.Path(builder.data_dir)
    # Of dataset_info.json only what tells of the records: it also names the module of the builder, which differs
    # between `tfds build` inside a folder and by name, and holds the card.
    records = {split: [info.num_bytes, info.shard_lengths] for split, info in sorted(builder.info.splits.items())}
    digest = hashlib.sha256(json.dumps([builder.info.full_name, records]).encode())
    for name in ("features.json", "metadata.json"):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return {
        "name": builder.info.full_name,
        "splits": {split: info.num_examples for split, info in sorted(builder.info.splits.items())},
        "metadata": dict(builder.info.metadata or {}),
        "sha256": digest.hexdigest(),
    }


def joint_fingerprint(builders: Sequence[tfds.core.DatasetBuilder]) -> dict[str, Any]:
    """Returns `fingerprint` of one data set, or the like of several together, with each one's under `parts`."""
    parts = [fingerprint(builder) for builder in builders]
    if len(parts) == 1:
        return parts[0]
    splits = {split: sum(part["splits"].get(split, 0) for part in parts) for split in faces.SPLIT_FOLDS}
    notes = dict.fromkeys(part["metadata"].get("note", faces.LABEL_NOTE) for part in parts)
    return {
        "name": ",".join(part["name"] for part in parts),
        "splits": splits,
        "metadata": {"note": " ".join(notes)},
        "sha256": hashlib.sha256("".join(part["sha256"] for part in parts).encode()).hexdigest(),
        "parts": parts,
    }
