"""features: the schema, the folder that is given, shards small enough to share out, and builds killed or in part."""

from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.utils import shard_utils

from gender_tfds import faces, features, reading, split_writer
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.features import PART, FaceBuilder
from gender_tfds.user_error import UserError
from tests.gender_tfds.builds import absl_log


def test_the_schema():
    schema = features.face_features()
    assert list(schema) == ["image", "label", "age", "ethnicity", "filename", "group", "fold"]
    assert schema["label"].names == list(faces.GENDERS)
    assert schema["ethnicity"].names == list(faces.ETHNICITIES)
    assert (schema["image"].shape, schema["image"].np_dtype) == ((None, None, 3), np.uint8)
    assert (schema["age"].np_dtype, schema["fold"].np_dtype) == (np.int32, np.int32)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "drawn_faces needs --manual_dir: give one"),
        ("/nonesuch", "--manual_dir=/nonesuch is not a directory; give one"),
    ],
)
def test_a_folder_that_is_not_given_or_not_there_is_told(tmp_path, given, said):
    builder = Builder(data_dir=tmp_path)
    builder.manual_dir = epath.Path(tmp_path)
    assert builder.given_folder("give one") == tmp_path
    builder.manual_dir = given and epath.Path(given)
    with pytest.raises(UserError) as error:
        builder.given_folder("give one")
    assert str(error.value) == said


def test_eighty_megabytes_are_several_shards():
    size, examples = 80 << 20, 16_000
    assert split_writer.ShardConfig().get_number_shards(size, examples) > 1
    assert shard_utils.ShardConfig().get_number_shards(size, examples) == 1  # what it would be without ours
    assert split_writer.ShardConfig().get_number_shards(1 << 20, 200) == 1


def test_a_number_of_shards_that_was_asked_for_is_kept():
    assert features._DownloadConfig(num_shards=5).get_shard_config().get_number_shards(1 << 20, 200) == 5


@pytest.mark.parametrize(("least", "several"), [(20_000, True), (8 << 20, False)])
def test_a_build_uses_our_shards(tmp_path, least, several):
    with (
        mock.patch.object(split_writer.ShardConfig, "min_shard_size", least),
        mock.patch.object(Builder, "NUM_FACES", 40),
    ):
        builder = Builder(data_dir=tmp_path)
        builder.download_and_prepare()
    assert (builder.info.splits["train"].num_shards > 1) == several
    assert builder.info.splits.total_num_examples == 40


@pytest.fixture
def few():
    """Makes a builder of sixty faces in a data_dir."""
    with mock.patch.object(Builder, "NUM_FACES", 60):
        yield lambda data_dir: Builder(data_dir=data_dir)


def _left_by_a_kill(builder, version):
    """Makes what TFDS writes to, and a killed build leaves."""
    folder = builder.data_path.parent / f"incomplete.AB12CD_{version}"
    folder.mkdir(parents=True)
    (folder / "drawn_faces-train.tfrecord-00000-of-00001").write_bytes(b"half")
    return folder


def test_what_a_killed_build_leaves_is_removed_by_the_next(few, tmp_path):
    builder = few(tmp_path)
    left, of_another = _left_by_a_kill(builder, builder.version), _left_by_a_kill(builder, "9.0.0")
    unprotected = _left_by_a_kill(few(tmp_path / "unprotected"), builder.version)
    super(FaceBuilder, few(tmp_path / "unprotected")).download_and_prepare()
    assert unprotected.exists()  # TFDS' own leaves it
    with absl_log() as messages:
        builder.download_and_prepare()
    assert f"WARNING Removing {left}, which a killed build left behind." in messages
    assert not left.exists()
    assert of_another.exists()  # of a version that is not built now
    assert builder.info.splits.total_num_examples == 60


def _limited(limit, **options):
    return tfds.download.DownloadConfig(max_examples_per_split=limit, **options)


def test_a_part_that_was_built_is_not_taken_for_the_whole(few, tmp_path, caplog):
    super(FaceBuilder, few(tmp_path / "unprotected")).download_and_prepare(download_config=_limited(2))
    unprotected = few(tmp_path / "unprotected")
    super(FaceBuilder, unprotected).download_and_prepare()
    assert unprotected.info.splits.total_num_examples == 6  # TFDS' own gives six faces for sixty, and says nothing

    few(tmp_path).download_and_prepare(download_config=_limited(2))
    folder = few(tmp_path).data_path
    for asked in (None, 3):
        with pytest.raises(UserError) as error:
            few(tmp_path).download_and_prepare(download_config=_limited(asked))
        assert str(error.value) == (
            f"{folder} holds 2 examples of each split, not what is asked for now; remove it and build it again"
        )
    again = few(tmp_path)
    again.download_and_prepare(download_config=_limited(2))  # the same is asked for
    assert again.info.splits.total_num_examples == 6

    opened = reading.open_built("drawn_faces", str(tmp_path))
    assert f"was built with --{PART}=2: it is not whole" in caplog.text
    assert "2 faces a split were built" in opened.info.metadata["note"]

    whole = few(tmp_path)
    whole.download_and_prepare(
        download_config=_limited(None, download_mode=tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS)
    )
    assert whole.info.splits.total_num_examples == 60
    assert PART not in whole.info.metadata
    assert "a split were built" not in whole.info.metadata["note"]
    with pytest.raises(UserError, match=f"{folder} holds the whole of it, not what is asked for now"):
        few(tmp_path).download_and_prepare(download_config=_limited(2))


@pytest.mark.parametrize("given", [None, "~/faces", "/faces"])
def test_a_builder_knows_the_manual_dir_that_was_given(tmp_path, given):
    builder = Builder(data_dir=tmp_path)
    with mock.patch.object(Builder, "_split_generators", side_effect=InterruptedError), pytest.raises(InterruptedError):
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=given))
    assert builder.manual_dir == (epath.Path(given).expanduser() if given else None)


def test_the_base_is_no_data_set():
    assert "face_builder" not in tfds.list_builders()
    assert "drawn_faces" in tfds.list_builders()
