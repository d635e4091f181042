"""The same faces give records of the same bytes: protobuf orders a map as it likes, otherwise in each process."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tensorflow_datasets.core import example_serializer


class OrderedSerializer(example_serializer.ExampleSerializer):
    """TFDS' serializer, with the features of a record in the order of their names."""

    def serialize_example(self, example: Any) -> bytes:
        """Returns an example as the bytes of a `tf.train.Example`."""
        return self.get_tf_example(example).SerializeToString(deterministic=True)


@contextlib.contextmanager
def ordered() -> Iterator[None]:
    """Within it, TFDS writes records by an `OrderedSerializer`, on Beam's workers too; it has no setting for that."""
    usual = example_serializer.ExampleSerializer
    example_serializer.ExampleSerializer = OrderedSerializer
    try:
        yield
    finally:
        example_serializer.ExampleSerializer = usual
