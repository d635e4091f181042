"""records: the same faces give the same bytes, in every process."""

import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow_datasets.core import example_serializer

from gender_tfds import records
from gender_tfds.features import face_features


def _is_ordered(record: bytes) -> bool:
    return record == tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def test_the_features_of_every_record_are_in_the_order_of_their_names(data_dir):
    found = []
    for shard in (data_dir / "drawn_faces" / "1.0.0").glob("*.tfrecord-*"):
        found += tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    assert len(found) == 300
    assert all(map(_is_ordered, found))
    # the planted failure: the same features in another order are the same example, and other bytes
    example = tf.train.Example.FromString(found[0])
    backwards = b"".join(
        tf.train.Example(features=tf.train.Features(feature={name: example.features.feature[name]})).SerializeToString()
        for name in sorted(example.features.feature, reverse=True)
    )
    assert tf.train.Example.FromString(backwards) == example
    assert not _is_ordered(backwards)


EXAMPLE = {
    "image": b"\0\xff encoded",
    "label": 1,
    "age": -1,
    "ethnicity": 4,
    "filename": "é.jpg",
    "group": "a.jpg",
    "fold": 9,
}


def test_a_record_is_what_tfds_makes_of_an_example():
    schema = face_features()
    encoded = schema.encode_example(dict(EXAMPLE))
    ours = records.OrderedSerializer(schema.get_serialized_info())
    theirs = ours.get_tf_example(encoded).SerializeToString(deterministic=True)
    assert records.serialize(EXAMPLE) == ours.serialize_example(encoded) == theirs
    assert records.serialize(EXAMPLE | {"age": 30}) != records.serialize(EXAMPLE)


@pytest.mark.parametrize("record", [b"", b"one", bytes(range(256)) * 40])
def test_records_are_framed_as_tensorflow_frames_them(tmp_path, record):
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        writer.write(record)
        writer.write(b"the next")
    ours = records.framed(record) + records.framed(b"the next")
    assert ours == (tmp_path / "theirs").read_bytes()
    (tmp_path / "damaged").write_bytes(ours[:-5] + b"?" + ours[-4:])  # the planted failure: a checksum that is wrong
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(tmp_path / "damaged")))


def test_tfds_is_left_as_it_was():
    usual = example_serializer.ExampleSerializer
    with records.ordered():
        assert example_serializer.ExampleSerializer is records.OrderedSerializer
    with pytest.raises(KeyError), records.ordered():
        raise KeyError
    assert example_serializer.ExampleSerializer is usual


BUILD = """
import sys
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
Builder.NUM_FACES = 60
Builder(data_dir=sys.argv[1]).download_and_prepare()
"""


@pytest.mark.slow
def test_two_processes_build_the_same_files(tmp_path):
    def files_of(number):
        folder = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", BUILD, folder], capture_output=True, check=True)
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = files_of(0)
    assert files_of(1) == first
    assert len(first) > 6
    assert {pathlib.PurePath(name).suffix for name in first} >= {".json", ".txt"}
