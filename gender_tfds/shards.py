"""Damage in a built data set is told by the shard it is in, with the command that builds the data set again."""

import contextlib
import importlib.util
import os
import shlex
from collections.abc import Iterator, Sequence

import tensorflow_datasets as tfds
from etils import epath

from gender_tfds.user_error import UserError

_FROM_A_FOLDER = ("fairface", "face_folder")  # data sets that nothing downloads
_FRAMING = 16  # bytes that a TFRecord adds to a record: its length and two checksums


def build_command(name: str, data_dir: str | os.PathLike) -> str:
    """Returns the command that builds a data set; where it is one of this program's, all but a value of MANUAL_DIR."""
    module = f"gender_tfds.{name}"
    spec = importlib.util.find_spec(module) if name.isidentifier() else None
    ours = spec is not None and spec.submodule_search_locations is not None  # a package, not a module
    if not ours:
        return "tfds build"
    manual_dir = " --manual_dir=MANUAL_DIR" * (name in _FROM_A_FOLDER)
    return f"tfds build {name} --imports={module} {shlex.quote(f'--data_dir={data_dir}')}{manual_dir}"


def check_sizes(builder: tfds.core.DatasetBuilder) -> None:
    """Compares the sizes of a data set's shards with what it says of itself, without reading them.

    Raises:
      UserError: a shard is missing or is not whole.
    """
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        return
    for info in builder.info.splits.values():
        if not info.num_examples:
            continue
        try:
            size = sum(epath.Path(path).stat().length for path in info.filepaths)
        except FileNotFoundError:
            size = -1
        if size != info.num_bytes + _FRAMING * info.num_examples and (fault := _find_fault(builder)):
            raise UserError(fault)


@contextlib.contextmanager
def told(builders: Sequence[tfds.core.DatasetBuilder]) -> Iterator[None]:
    """Within it, an error of TensorFlow that comes from a damaged shard is a `UserError` that names the shard.

    Args:
      builders: of the data sets that are read.
    """
    try:
        yield
    except Exception as error:
        import tensorflow as tf

        faults = map(_find_fault, builders) if isinstance(error, tf.errors.OpError) else ()
        if fault := next(filter(None, faults), None):
            raise UserError(fault) from error
        raise


def _find_fault(builder: tfds.core.DatasetBuilder) -> str | None:
    """Returns a sentence about the first damaged shard; None if every record has its checksum."""
    for info in builder.info.splits.values():
        for path, expected in zip(info.filepaths, info.shard_lengths, strict=True):
            if fault := _fault_of_shard(os.fspath(path), expected):
                folder = epath.Path(builder.data_dir)  # data_dir/name/version, with a config between if there is one
                root = next((above.parent for above in folder.parents if above.name == builder.name), folder)
                again = build_command(builder.name, root)
                return f"{path} {fault}; remove {folder} and build the data set again with `{again}`"
    return None


def _fault_of_shard(path: str, expected: int) -> str | None:
    import tensorflow as tf

    if not tf.io.gfile.exists(path):
        return "is missing"
    found = 0
    try:
        for records in tf.data.TFRecordDataset(path).batch(1024).as_numpy_iterator():
            found += len(records)
    except tf.errors.OpError:
        return "is damaged"
    return None if found == expected else f"holds {found:,} faces, not {expected:,}: it is cut, or another's"
