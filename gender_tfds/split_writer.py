"""Writes a split record by record: nothing is held of a record that was written but the place where it ends."""

import array
import itertools
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
import tqdm
from tensorflow_datasets.core import naming
from tensorflow_datasets.core.utils import shard_utils

from gender_tfds.records import serialize

_COPIED = 1 << 20  # bytes at once


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
    import tensorflow as tf

    whole, ends, last = os.fspath(template.sharded_filepath(shard_index=0, num_shards=1)), array.array("Q", [0]), None
    with tf.io.TFRecordWriter(whole) as writer:
        for key, example in tqdm.tqdm(examples, desc=f"Writing {name}", disable=None, unit=" examples"):
            if key == last:
                raise ValueError(f"two examples of the split {name} have the key {key}")
            record, last = serialize(example), key
            writer.write(record)
            ends.append(ends[-1] + len(record) + shard_config.overhead)
    number = len(ends) - 1
    size = ends[-1] - number * shard_config.overhead
    num_shards = shard_config.get_number_shards(size, number)
    numbers = shard_utils.get_shard_boundaries(number, num_shards)
    shards = [
        os.fspath(template.sharded_filepath(shard_index=shard, num_shards=num_shards)) for shard in range(num_shards)
    ]
    _cut(whole, [ends[number] for number in numbers[:-1]], shards)
    return tfds.core.SplitInfo(
        name=name,
        shard_lengths=[end - begin for begin, end in itertools.pairwise((0, *numbers))],
        num_bytes=size,
        filename_template=template,
    )


def _cut(whole: str, places: Sequence[int], shards: Sequence[str]) -> None:
    """Makes shards of a file, cut at places; from its end on, so that no more than one shard is on the disk twice."""
    with open(whole, "r+b") as source:
        for place, shard in zip(reversed(places), reversed(shards), strict=False):
            source.seek(place)
            with open(shard, "wb") as target:
                shutil.copyfileobj(source, target, _COPIED)
            source.truncate(place)
    os.rename(whole, shards[0])
