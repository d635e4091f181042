"""Writes a split record by record: nothing is held of a record that was written but the place where it ends."""

import array
import dataclasses
import itertools
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
import tqdm
from tensorflow_datasets.core import hashing, naming
from tensorflow_datasets.core.utils import shard_utils

from gender_tfds.records import framed, serialize

_AT_ONCE = 1 << 20  # bytes that are written


@dataclasses.dataclass(frozen=True)
class ShardConfig(shard_utils.ShardConfig):
    """TFDS' rule for the number of shards, for records of some kB."""

    # TFDS' 64 MiB would put all of UTKFace's training faces into one file: nothing to read in parallel or to share
    # among machines.
    min_shard_size: int = 8 << 20


def record_order(split: str) -> Callable[[str], int]:
    """Returns what the keys of a split's records are sorted by: a hash, TFDS' own, as good as random."""
    return hashing.Hasher(split).hash_key


def write_split(
    name: str,
    examples: Iterable[tuple[str, Mapping[str, Any]]],
    template: naming.ShardedFileTemplate,
    shard_config: shard_utils.ShardConfig,
) -> tfds.core.SplitInfo:
    """Returns what TFDS is to know of a split whose examples are written into shards now, in the order they come in.

    TFDS' own writer holds a split's records in memory, up to 1 GB of them, and then in a thousand files, to sort them:
    examples that come sorted need neither.

    Args:
      examples: keys, equal ones after each other, and feature dicts of scalars.
      template: of the shards' paths, which are local.
      shard_config: says how many shards the examples will be.

    Raises:
      ValueError: two examples have one key.
    """
    whole, ends, last = _path(template, 0, 1), array.array("Q", [0]), None
    with whole.open("wb", buffering=_AT_ONCE) as file:
        for key, example in tqdm.tqdm(examples, desc=f"Writing {name}", disable=None, unit=" faces"):
            if key == last:
                raise ValueError(f"two examples of the split {name} have the key {key}")
            ends.append(ends[-1] + file.write(framed(serialize(example))))
            last = key
    number = len(ends) - 1
    size = ends[-1] - number * shard_config.overhead
    num_shards = shard_config.get_number_shards(size, number)
    numbers = shard_utils.get_shard_boundaries(number, num_shards)  # an error if there are none
    shards = [_path(template, shard, num_shards) for shard in range(num_shards)]
    _cut(whole, [ends[begin] for begin in (0, *numbers[:-1])], shards)
    return tfds.core.SplitInfo(
        name=name,
        shard_lengths=[end - begin for begin, end in itertools.pairwise((0, *numbers))],
        num_bytes=size,
        filename_template=template,
    )


def _path(template: naming.ShardedFileTemplate, shard: int, shards: int) -> pathlib.Path:
    return pathlib.Path(template.sharded_filepath(shard_index=shard, num_shards=shards))


def _cut(whole: pathlib.Path, begins: Sequence[int], shards: Sequence[pathlib.Path]) -> None:
    """Makes shards of a file, from its end on, so that no more than one of them is on the disk twice."""
    with whole.open("r+b") as source:
        for begin, shard in reversed(list(zip(begins, shards, strict=True))[1:]):
            source.seek(begin)
            with shard.open("wb") as target:
                shutil.copyfileobj(source, target, _AT_ONCE)
            source.truncate(begin)
    whole.rename(shards[0])
