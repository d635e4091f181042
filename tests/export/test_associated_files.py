"""associated_files: a damaged `.tflite` is told before it is run, and no file in it inflates."""

import random
import zipfile

import pytest

from export.associated_files import CHECKSUM, append_files, read_metadata
from export.metadata import METADATA
from export.predictor import load_predictor
from gender_tfds import run_folder
from gender_tfds.user_error import UserError

MUTATIONS = 100


def test_what_is_appended_is_read_and_the_model_stays(tmp_path, facts):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"model")
    append_files(path, facts)
    assert read_metadata(path.read_bytes()) == facts
    assert path.read_bytes().startswith(b"model")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [METADATA, run_folder.LABELS, CHECKSUM]
        assert archive.read(run_folder.LABELS) == b"male\nfemale\n"


@pytest.mark.parametrize("file", ["model_float32.tflite", "model_int8.tflite"])
def test_a_single_flipped_bit_anywhere_is_one_sentence(artefacts, tmp_path, file):
    content = (artefacts / file).read_bytes()
    load_predictor(artefacts / file)
    rng, path = random.Random(0), tmp_path / "model.tflite"
    end = content.index(CHECKSUM.encode())  # behind it, a flipped time of day or permission is no damage
    for _ in range(MUTATIONS):
        damaged, place = bytearray(content), rng.randrange(end)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged, or not an artefact of gender-export") as error:
            load_predictor(path)
        assert "\n" not in str(error.value)


def test_a_model_without_a_checksum_is_taken_as_before(artefacts, tmp_path, facts):
    content = (artefacts / "model_float32.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    with zipfile.ZipFile(artefacts / "model_float32.tflite") as archive:
        model = content[: min(member.header_offset for member in archive.infolist())]
    path.write_bytes(model)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, zipfile.ZipFile(artefacts / "model_float32.tflite").read(METADATA))
    assert load_predictor(path).metadata == facts


def test_metadata_that_inflate_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "model.tflite"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(METADATA, b" " * (64 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="larger than metadata are"):
        load_predictor(path)
