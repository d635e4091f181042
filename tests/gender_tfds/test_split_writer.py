"""split_writer: the same files as TFDS' own writer makes, with nothing held back and without TensorFlow."""

import subprocess
import sys
from unittest import mock

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters, naming, writer

from gender_tfds import faces, split_writer
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.face_listing import Face, FaceListing
from gender_tfds.records import serialize
from gender_tfds.split_writer import ShardConfig, record_order, write_split

EXAMPLES = {f"{number}.jpg": {"image": bytes(number % 7 * 100), "label": number} for number in range(50)}


def _template(folder):
    folder.mkdir()
    return naming.ShardedFileTemplate(
        dataset_name="few", split="train", filetype_suffix="tfrecord", data_dir=folder, template=None
    )


def _written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=[1, 4])
def number_of_shards(request):
    return request.param


def test_the_files_are_those_of_tfds(tmp_path, number_of_shards):
    config = ShardConfig(num_shards=number_of_shards)
    keys = sorted(EXAMPLES, key=record_order("train"))
    assert keys != list(EXAMPLES)
    info = write_split("train", ((key, EXAMPLES[key]) for key in keys), _template(tmp_path / "ours"), config)
    theirs = writer.Writer(
        serializer=mock.Mock(serialize_example=lambda example: serialize(example)),
        filename_template=_template(tmp_path / "theirs"),
        hash_salt="train",
        disable_shuffling=False,
        example_writer=writer.ExampleWriter(file_adapters.FileFormat.TFRECORD),
        shard_config=config,
    )
    for key, example in EXAMPLES.items():
        theirs.write(key, example)
    assert (info.shard_lengths, info.num_bytes) == theirs.finalize()
    assert len(info.shard_lengths) == number_of_shards
    assert _written(tmp_path / "ours") == _written(tmp_path / "theirs")
    # the planted failure: another order is other files
    write_split("train", EXAMPLES.items(), _template(tmp_path / "unsorted"), config)
    assert _written(tmp_path / "unsorted") != _written(tmp_path / "theirs")


def test_splits_have_orders_of_their_own():
    assert sorted(EXAMPLES, key=record_order("train")) != sorted(EXAMPLES, key=record_order("test"))


def test_two_examples_of_one_key_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"two examples of the split train have the key 1\.jpg"):
        write_split("train", [("1.jpg", {"label": 0})] * 2, _template(tmp_path / "twice"), ShardConfig())


def test_a_split_without_examples_is_an_error(tmp_path):
    with pytest.raises(AssertionError, match="No examples were yielded"):
        write_split("train", [], _template(tmp_path / "none"), ShardConfig())


def test_no_more_than_one_shard_is_on_the_disk_twice(tmp_path):
    folder, most, copy = tmp_path / "split", [], split_writer.shutil.copyfileobj

    def watched(source, target, length):
        copy(source, target, length)
        target.flush()
        most.append(sum(map(len, _written(folder).values())))

    with mock.patch.object(split_writer.shutil, "copyfileobj", watched):
        info = write_split("train", EXAMPLES.items(), _template(folder), ShardConfig(num_shards=4))
    files = _written(folder)
    assert len(files) == len(most) + 1 == len(info.shard_lengths) == 4
    assert max(most) <= sum(map(len, files.values())) + max(map(len, files.values()))


def test_a_face_is_prepared_when_it_is_written(tmp_path):
    """Nothing is held back: before the second face is drawn, the first one is in its record."""
    events = []

    class Watched(Builder):
        NUM_FACES = 12

        @staticmethod
        def prepare(face):
            events.append("prepared")
            return Builder.prepare(face)

    with mock.patch.object(split_writer, "framed", side_effect=lambda record: events.append("written") or record):
        Watched(data_dir=tmp_path).download_and_prepare()
    assert events == ["prepared", "written"] * 12


@pytest.mark.parametrize("limit", [None, 3])
def test_of_a_limited_split_the_first_faces_are_written(tmp_path, limit):
    builder = Builder(data_dir=tmp_path)
    builder.limit = limit
    found = [Face(f"{number}.jpg", b"", 0, "one") for number in range(20)]
    examples = builder._generate_examples(faces.split_of("one"), FaceListing(found))
    assert {name for name, _ in examples} == {face.filename for face in found[:limit]}


def test_other_formats_are_written_by_tfds(tmp_path):
    with (
        mock.patch.object(Builder, "NUM_FACES", 12),
        mock.patch.object(
            tfds.core.GeneratorBasedBuilder, "_generate_splits", autospec=True, side_effect=InterruptedError
        ) as theirs,
    ):
        Builder(data_dir=tmp_path / "ours").download_and_prepare()
        assert not theirs.called
        with pytest.raises(InterruptedError):
            Builder(data_dir=tmp_path / "other", file_format="array_record").download_and_prepare()


BUILD = """
import sys
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
Builder.NUM_FACES = 12
builder = Builder(data_dir=sys.argv[1])
builder.download_and_prepare()
print("tensorflow" in sys.modules)
builder.as_dataset(split="train")
print("tensorflow" in sys.modules)
"""


@pytest.mark.slow
def test_a_build_imports_no_tensorflow(tmp_path):
    done = subprocess.run([sys.executable, "-c", BUILD, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["False", "True"]
