"""shards: damage is told by the shard it is in, with the command that builds the data set again."""

import pathlib
import shlex
import shutil

import pytest
import tensorflow as tf

from gender_tfds import reading, shards
from gender_tfds.user_error import UserError


@pytest.fixture
def shard(data_dir, tmp_path):
    """A shard of a copy of the built data set; the copy lies in `tmp_path`."""
    shutil.copytree(data_dir / "drawn_faces", tmp_path / "drawn_faces")
    return next((tmp_path / "drawn_faces" / "1.0.0").glob("*-validation.tfrecord-*"))


def _read_all(folder):
    builder = reading.open_built("drawn_faces", str(folder))
    with shards.told([builder]):
        for split in builder.info.splits:
            for _ in reading.read_encoded(builder, split).batch(100):
                pass


def _flip(content):
    return content[:5000] + bytes([content[5000] ^ 8]) + content[5001:]


def _without_last_record(path):
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records[:-1]:
            writer.write(record)


DAMAGE = {
    "missing": (pathlib.Path.unlink, "is missing"),
    "bits flipped": (lambda path: path.write_bytes(_flip(path.read_bytes())), "is damaged"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "is damaged"),
    "cut between two records": (_without_last_record, r"holds \d+ faces, not \d+: it is cut"),
    "empty": (lambda path: path.write_bytes(b""), r"holds 0 faces, not \d+"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_shard_is_named_with_the_command_that_rebuilds_it(shard, tmp_path, damage, said):
    _read_all(tmp_path)
    damage(shard)
    with pytest.raises(UserError, match=f"{shard} {said}") as error:
        _read_all(tmp_path)
    again = f"remove {shard.parent} and build the data set again with `tfds build drawn_faces"
    assert f"{again} --imports=gender_tfds.drawn_faces --data_dir={tmp_path}`" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "bits flipped"])
def test_a_shard_that_is_not_whole_is_noticed_before_it_is_read(shard, tmp_path, damage):
    # TensorFlow itself passes over the end of a cut shard where only the first faces are taken
    DAMAGE[damage][0](shard)
    with pytest.raises(UserError, match=str(shard)):
        reading.open_built("drawn_faces", str(tmp_path))


def test_another_error_is_left_as_it_is(data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    with pytest.raises(tf.errors.InvalidArgumentError), shards.told([builder]):
        tf.io.decode_jpeg(b"no picture")
    with pytest.raises(ZeroDivisionError), shards.told([builder]):
        _ = 1 / 0


@pytest.mark.parametrize("name", ["nonesuch", "../x", "command_line", ""])
def test_of_a_data_set_of_others_the_command_is_not_known(name):
    assert shards.build_command(name, "data") == "tfds build"


def test_the_command_can_be_given_as_it_is_told():
    command = shards.build_command("drawn_faces", "/my data")
    assert shlex.split(command)[2:] == ["drawn_faces", "--imports=gender_tfds.drawn_faces", "--data_dir=/my data"]
    for name in ("fairface", "face_folder"):
        assert shards.build_command(name, "data").endswith(" --data_dir=data --manual_dir=MANUAL_DIR")
