"""The same faces give records of the same bytes: protobuf orders a map as it likes, otherwise in each process."""

import contextlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np
from tensorflow_datasets.core import example_serializer
from tensorflow_datasets.proto import tf_example_pb2


def serialize(example: Mapping[str, Any]) -> bytes:
    """Returns an example as the bytes of a `tf.train.Example`, with its features in the order of their names.

    Args:
      example: integers, texts and bytes by name of the feature. They aren't compared with a schema, as TFDS does: that
        takes ten times as long.
    """
    record = tf_example_pb2.Example()
    features = record.features.feature
    for name, value in example.items():
        if isinstance(value, str):
            features[name].bytes_list.value.append(value.encode())
        elif isinstance(value, bytes):
            features[name].bytes_list.value.append(value)
        else:
            features[name].int64_list.value.append(value)
    return record.SerializeToString(deterministic=True)


def framed(record: bytes) -> bytes:
    """Returns a record as it stands in a TFRecord file: without TensorFlow, whose import takes longer than a build."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _checksum(length), record, _checksum(record)))


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


class OrderedSerializer(example_serializer.ExampleSerializer):
    """TFDS' serializer, with the features of a record in the order of their names."""

    def serialize_example(self, example: Any) -> bytes:
        """Returns an example, as TFDS encodes it, as the bytes of a `tf.train.Example`."""
        return serialize(
            {name: value.item() if isinstance(value, np.ndarray) else value for name, value in example.items()}
        )


@contextlib.contextmanager
def ordered() -> Iterator[None]:
    """Within it, TFDS writes records by an `OrderedSerializer`, on Beam's workers too; it has no setting for that."""
    usual = example_serializer.ExampleSerializer
    example_serializer.ExampleSerializer = OrderedSerializer
    try:
        yield
    finally:
        example_serializer.ExampleSerializer = usual
