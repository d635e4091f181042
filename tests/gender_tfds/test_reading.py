"""reading: a built data set is opened and read as it was written, or refused in a sentence."""

import json
import pathlib
import shutil
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gender_tfds import faces, reading, split_writer
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.drawn_faces.traits import file_name, index_of, sample_label
from gender_tfds.user_error import UserError

SMALL = 100


def _build(folder, count=SMALL, shard_size=8 << 20):
    with (
        mock.patch.object(split_writer.ShardConfig, "min_shard_size", shard_size),
        mock.patch.object(Builder, "NUM_FACES", count),
    ):
        Builder(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A data_dir of 100 faces in several shards for the split `train`."""
    return _build(tmp_path_factory.mktemp("small"), shard_size=100_000)


@pytest.fixture
def copy(small, tmp_path):
    """The folder of files of a copy of `small`, which is in `tmp_path`."""
    shutil.copytree(small / "drawn_faces", tmp_path / "drawn_faces")
    return tmp_path / "drawn_faces" / "1.0.0"


@pytest.mark.parametrize("name", ["drawn_faces", "drawn_faces:1.0.0"])
def test_what_was_built_is_opened(data_dir, name):
    builder = reading.open_built(name, str(data_dir))
    assert builder.info.full_name == "drawn_faces/1.0.0"
    assert set(builder.info.splits) == set(faces.SPLIT_FOLDS)


def test_the_code_that_built_it_is_not_needed(data_dir):
    # nor taken where it is at hand: its schema may be another than the one that was built
    assert isinstance(tfds.builder("drawn_faces", data_dir=data_dir), Builder)
    assert not isinstance(reading.open_built("drawn_faces", str(data_dir)), Builder)


def test_a_data_dir_is_absolute_and_has_a_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert reading.resolve_data_dir("data") == str(tmp_path / "data")
    assert reading.resolve_data_dir("~/data") == "/home/me/data"
    assert pathlib.Path(reading.resolve_data_dir(None)).is_absolute()


def test_a_data_set_of_ours_that_is_not_built(tmp_path):
    with pytest.raises(UserError, match="there is no data set 'utkface'") as error:
        reading.open_built("utkface", str(tmp_path))
    assert f"`tfds build utkface --imports=gender_tfds.utkface --data_dir={tmp_path}`" in str(error.value)


@pytest.mark.parametrize("name", ["nonesuch", "drawn_faces:9.9.9", "", "../x", "two words", "faces", "command_line"])
def test_an_unknown_name(data_dir, name):
    with pytest.raises(UserError, match="build it") as error:
        reading.open_built(name, str(data_dir))
    assert repr(name) in str(error.value)
    assert "--imports" not in str(error.value)  # we can't know where it would come from


def test_half_a_build_is_not_built(copy, tmp_path):
    copy.rename(copy.with_name("incomplete.ABCDEF_1.0.0"))
    with pytest.raises(UserError, match="drawn_faces"):
        reading.open_built("drawn_faces", str(tmp_path))


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("damaged", [b"{damaged", b"\xff\xfe", b""])
def test_damaged_files(copy, tmp_path, name, damaged):
    (copy / name).write_bytes(damaged)
    with pytest.raises(UserError, match=r"can't be opened.*build it again with `tfds build drawn_faces") as error:
        reading.open_built("drawn_faces", str(tmp_path))
    assert "\n" not in str(error.value)


def _without(folder, *names):
    path = folder / "features.json"
    schema = json.loads(path.read_text())
    for name in names:
        del schema["featuresDict"]["features"][name]
    path.write_text(json.dumps(schema))


def _labels(*names):
    return lambda folder: (folder / "label.labels.txt").write_text("\n".join(names) + "\n")


OTHERS = {
    "no label": (lambda folder: _without(folder, "label"), "no label with the classes male, female"),
    "other classes": (_labels("cat", "dog"), "no label with the classes male, female"),
    "classes exchanged": (_labels("female", "male"), "no label with the classes male, female"),
    "no picture, no name": (lambda folder: _without(folder, "image", "filename"), "has no filename, image; each face"),
}


@pytest.mark.parametrize(("doctor", "said"), OTHERS.values(), ids=OTHERS)
def test_another_schema(copy, tmp_path, doctor, said):
    reading.open_built("drawn_faces", str(tmp_path))
    doctor(copy)
    with pytest.raises(UserError, match=f"'drawn_faces' (has )?{said}"):
        reading.open_built("drawn_faces", str(tmp_path))


def test_a_data_set_of_numbers_is_refused(tmp_path):
    label = tfds.features.Scalar(np.int64)
    builder = tfds.dataset_builders.AdhocBuilder(
        name="numbers",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"label": label}),
        split_datasets={"train": [(0, {"label": 1}), (1, {"label": 0})]},
        data_dir=tmp_path,
    )
    builder.download_and_prepare()
    assert builder.is_prepared()
    with pytest.raises(UserError, match="'numbers' has no label with the classes"):
        reading.open_built("numbers", str(tmp_path))


def test_a_split_is_counted(small):
    builder = reading.open_built("drawn_faces", str(small))
    counts = {split: reading.check_split(builder, split) for split in faces.SPLIT_FOLDS}
    names = [file_name(index) for index in range(SMALL)]
    assert counts == {split: sum(faces.split_of(name) == split for name in names) for split in faces.SPLIT_FOLDS}


@pytest.mark.parametrize("split", ["nonesuch", "train[:5]", "all", ""])
def test_a_split_that_is_not_there(small, split):
    builder = reading.open_built("drawn_faces", str(small))
    with pytest.raises(UserError, match="it has test, train, validation") as error:
        reading.check_split(builder, split)
    assert repr(split) in str(error.value)


def test_an_empty_split(copy, tmp_path):
    info = json.loads((copy / "dataset_info.json").read_text())
    for split in info["splits"]:
        if split["name"] == "test":
            split["shardLengths"] = ["0"]
    (copy / "dataset_info.json").write_text(json.dumps(info))
    builder = reading.open_built("drawn_faces", str(tmp_path))
    with pytest.raises(UserError, match="no faces in the split 'test'"):
        reading.check_split(builder, "test")
    assert reading.check_split(builder, "train")


def _read(builder, split):
    return list(reading.read_encoded(builder, split).as_numpy_iterator())


def _each_once(examples, split):
    names = sorted(example["filename"].decode() for example in examples)
    return names == [name for name in map(file_name, range(SMALL)) if faces.split_of(name) == split]


@pytest.mark.parametrize("split", faces.SPLIT_FOLDS)
def test_each_face_is_read_once_with_its_file(small, split):
    builder = reading.open_built("drawn_faces", str(small))
    examples = _read(builder, split)
    assert _each_once(examples, split)
    assert not _each_once(examples[1:], split)
    assert not _each_once([*examples, examples[0]], split)
    for example in examples:
        index = index_of(example["filename"].decode())
        assert example["image"] == encode_face(index)
        assert example["label"] == sample_label(index).label


def test_faces_come_in_the_same_order_each_time(small):
    builder = reading.open_built("drawn_faces", str(small))
    lengths = builder.info.splits["train"].shard_lengths
    assert len(lengths) > 1
    assert min(lengths) > 16  # so that reading goes back and forth between the shards
    orders = [[example["filename"] for example in _read(builder, "train")] for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]
    # the records are shuffled when they are written: a sorted order would be a biased sample
    assert orders[0] != sorted(orders[0])


def test_the_fingerprint_is_that_of_the_data(small, tmp_path):
    first = reading.fingerprint(reading.open_built("drawn_faces", str(small)))
    assert (first["name"], sum(first["splits"].values())) == ("drawn_faces/1.0.0", SMALL)
    assert first["metadata"]["faces"] == SMALL
    again = reading.open_built("drawn_faces", str(_build(tmp_path / "again", shard_size=100_000)))
    assert reading.fingerprint(again) == first
    more = reading.open_built("drawn_faces", str(_build(tmp_path / "more", SMALL + 1, shard_size=100_000)))
    assert reading.fingerprint(more)["sha256"] != first["sha256"]
    json.dumps(first)  # it goes into a run's record


def _other_pictures(folder):
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"][0]["numBytes"] = str(int(info["splits"][0]["numBytes"]) + 1)
    path.write_text(json.dumps(info))


def _other_counts(folder):
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"listing_sha256": "another"}))


def _other_card(folder):
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"description": "another", "moduleName": "drawn_faces.built_in_its_folder"}))


@pytest.mark.parametrize(("doctor", "differs"), [(_other_pictures, True), (_other_counts, True), (_other_card, False)])
def test_what_changes_the_fingerprint(copy, small, tmp_path, doctor, differs):
    first = reading.fingerprint(reading.open_built("drawn_faces", str(small)))
    doctor(copy)
    other = reading.fingerprint(reading.open_built("drawn_faces", str(tmp_path)))
    assert (other["sha256"] != first["sha256"]) == differs


def _folds(dataset):
    return {int(example["fold"]) for example in dataset.as_numpy_iterator()}


def test_folds_are_read_across_splits_and_nothing_else(data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    assert _folds(reading.read_folds(builder, [1, 2, 5])) == {1, 2, 5}
    whole = [example["filename"] for example in reading.read_encoded(builder, "train").as_numpy_iterator()]
    same = reading.read_folds(builder, faces.SPLIT_FOLDS["train"]).as_numpy_iterator()
    assert [example["filename"] for example in same] == whole
    every = list(reading.read_folds(builder, range(faces.NUM_FOLDS)).as_numpy_iterator())
    assert len(every) == sum(split.num_examples for split in builder.info.splits.values()) > len(whole)


def test_folds_of_a_split_that_is_not_there_are_one_sentence(data_dir):
    builder = mock.Mock()
    builder.info.full_name, builder.info.splits = "small/1.0.0", {"train": None}
    with pytest.raises(UserError, match=r"small/1.0.0 has no faces of test; it has train"):
        reading.read_folds(builder, [0])


def test_one_data_set_has_its_own_fingerprint_and_several_have_a_joint_one(data_dir, small):
    one, other = (reading.open_built("drawn_faces", str(folder)) for folder in (data_dir, small))
    assert reading.joint_fingerprint([one]) == reading.fingerprint(one)
    joint = reading.joint_fingerprint([one, other])
    assert joint["name"] == "drawn_faces/1.0.0,drawn_faces/1.0.0"
    assert joint["parts"] == [reading.fingerprint(one), reading.fingerprint(other)]
    assert sum(joint["splits"].values()) == 300 + SMALL
    assert joint["metadata"]["note"] == one.info.metadata["note"]  # said once
    assert joint["sha256"] != reading.joint_fingerprint([other, one])["sha256"]
