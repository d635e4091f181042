"""Every artefact is loaded by its path alone and answers as Keras does; what is no artefact is told in a sentence."""

import json
import os
import pathlib
import shutil
import zipfile

import numpy as np
import pytest

from export.export_model import EMITTERS
from export.metadata import METADATA
from export.predictor import LOADERS, decode_all, load_predictor
from gender_tfds import faces, images_cv, run_folder
from gender_tfds.user_error import UserError
from tests.export.conftest import loaded_by

FILES = [file for _, file, _ in EMITTERS.values()]
TOLERANCES = {file: tolerance.difference for _, file, tolerance in EMITTERS.values()}


@pytest.fixture(scope="module")
def images(test_faces, model) -> np.ndarray:
    return decode_all(test_faces, model.input_shape[1])[0]


def test_the_reference_tells_the_labels_apart(reference):
    """Otherwise no test here could see a swapped or a lost label."""
    female = reference > run_folder.THRESHOLD
    assert 0.25 < female.mean() < 0.75


def test_every_format_has_a_loader_and_every_loader_a_format():
    suffixes = {pathlib.PurePath(file).suffix for file in FILES}
    assert set(LOADERS) == suffixes | {pathlib.PurePath(run_folder.MODEL).suffix}


@pytest.mark.parametrize("file", FILES)
def test_an_artefact_gives_the_labels_of_keras(artefacts, file, images, reference, facts):
    predictor = load_predictor(artefacts / file)
    assert predictor.image_size == images.shape[1]
    assert predictor.note == facts["note"]
    p_female = predictor.predict(images)
    assert p_female.shape == reference.shape
    assert p_female.dtype == np.float32
    np.testing.assert_array_equal(p_female > run_folder.THRESHOLD, reference > run_folder.THRESHOLD)
    np.testing.assert_allclose(p_female, reference, rtol=0, atol=TOLERANCES[file])
    # the planted failure: pictures in another order don't pass
    assert np.abs(predictor.predict(images[::-1]) - reference).max() > TOLERANCES[file]


def test_a_keras_file_gives_the_labels_of_keras(run, images, reference):
    p_female = load_predictor(run / run_folder.MODEL).predict(images)
    assert p_female.dtype == np.float32
    np.testing.assert_allclose(p_female, reference, rtol=0, atol=TOLERANCES["saved_model"])


@pytest.mark.parametrize("file", FILES)
def test_the_batch_may_have_any_size_and_change(artefacts, file, images):
    predictor = load_predictor(artefacts / file)
    whole = predictor.predict(images)
    for size in (1, 7, 2, len(images), 1):
        np.testing.assert_allclose(predictor.predict(images[:size]), whole[:size], rtol=0, atol=TOLERANCES[file])


def test_an_answer_is_not_changed_by_the_next(artefacts, images):
    predictor = load_predictor(artefacts / "model_float32.tflite")
    first = predictor.predict(images[:3])
    kept = first.copy()
    predictor.predict(images[3:6])
    np.testing.assert_array_equal(first, kept)


def test_a_saved_model_answers_encoded_files_as_pixels(artefacts, test_faces, images):
    predictor = load_predictor(artefacts / "saved_model")
    np.testing.assert_allclose(predictor.predict_encoded(test_faces), predictor.predict(images), rtol=0, atol=1e-4)


def test_the_highest_version_of_a_saved_model_is_taken(artefacts, tmp_path, images):
    shutil.copytree(artefacts / "saved_model" / "1", tmp_path / "models" / "9")
    (tmp_path / "models" / "10").mkdir()
    with pytest.raises(UserError, match="without a SavedModel"):
        load_predictor(tmp_path / "models")  # 10 is higher than 9, and empty
    (tmp_path / "models" / "10").rmdir()
    expected = load_predictor(artefacts / "saved_model").predict(images)
    for folder in (tmp_path / "models", tmp_path / "models" / "9"):
        np.testing.assert_array_equal(load_predictor(folder).predict(images), expected)


def not_a_model(folder: pathlib.Path, artefacts: pathlib.Path) -> dict[str, pathlib.Path]:
    """Makes one of each thing that is no artefact; returns their paths."""
    import keras

    good = (artefacts / "model_float32.tflite").read_bytes()
    with zipfile.ZipFile(folder / "only_zip.tflite", "w") as archive:
        archive.writestr(
            METADATA, json.dumps({"labels": list(faces.GENDERS), "image_size": 32, "threshold": 0.5, "note": ""})
        )
    contents = {
        "random.tflite": os.urandom(5000),
        "empty.tflite": b"",
        "short.tflite": good[: len(good) // 2],
        "without_end.tflite": good[:-1],
        "without_metadata.tflite": without_archive(artefacts / "model_float32.tflite"),
        "changed_metadata.tflite": good.replace(b'"image_size": 32', b'"image_size": 33'),
        "random.keras": os.urandom(5000),
        "empty.keras": b"",
        "model.pb": good,
        "model": good,
        "model.TFLITE.txt": good,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(folder / "no_classifier.keras")
    (folder / "empty_folder").mkdir()
    (folder / "folder.tflite").mkdir()
    saved = artefacts / "saved_model"
    for name, damage in {
        "no_graph": lambda version: (version / "saved_model.pb").unlink(),
        "torn_graph": lambda version: tear(version / "saved_model.pb"),
        "torn_weights": lambda version: tear(next(version.glob("variables/*.data-*"))),
        "torn_index": lambda version: tear(version / "variables" / "variables.index"),
        "no_weights": lambda version: shutil.rmtree(version / "variables"),
    }.items():
        shutil.copytree(saved, folder / name)
        damage(folder / name / "1")
    return {path.name: path for path in [*folder.iterdir(), folder / "missing.tflite"]}


def without_archive(path: pathlib.Path) -> bytes:
    """Returns a .tflite file's model alone."""
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: min(info.header_offset for info in archive.infolist())]


def tear(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def bad(artefacts, tmp_path_factory):
    return not_a_model(tmp_path_factory.mktemp("bad"), artefacts)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing.tflite", "a .tflite, .onnx or .keras file, or the folder of a SavedModel"),
        ("model.pb", "is of no known kind; give a packaged model"),
        ("model", "is of no known kind; give a packaged model"),
        ("model.TFLITE.txt", "is of no known kind; give a packaged model"),
        ("random.tflite", "is damaged, or not an artefact of gender-export"),
        ("empty.tflite", "is damaged, or not an artefact of gender-export"),
        ("short.tflite", "is damaged, or not an artefact of gender-export"),
        ("without_end.tflite", "is damaged, or not an artefact of gender-export"),
        ("without_metadata.tflite", "is damaged, or not an artefact of gender-export"),
        ("only_zip.tflite", "is damaged, or not an artefact of gender-export"),
        ("changed_metadata.tflite", "is damaged, or not an artefact of gender-export"),
        ("random.keras", "is damaged, or not a .keras file"),
        ("empty.keras", "is damaged, or not a .keras file"),
        ("no_classifier.keras", "takes input of shape"),
        ("empty_folder", "is a folder without a SavedModel"),
        ("folder.tflite", "is a folder without a SavedModel"),
        ("no_graph", "is a folder without a SavedModel"),
        ("torn_graph", "is damaged, or not an artefact of gender-export"),
        ("torn_weights", "is damaged, or not an artefact of gender-export"),
        ("torn_index", "is damaged, or not an artefact of gender-export"),
        ("no_weights", "is damaged, or not an artefact of gender-export"),
    ],
)
def test_what_is_no_artefact_is_told_in_one_sentence(bad, name, told):
    with pytest.raises(UserError) as caught:
        load_predictor(bad[name])
    message = str(caught.value)
    assert told in message
    assert str(bad[name]) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"image_size": 33}, "not what its metadata says"),
        ({"image_size": None}, "is damaged, or not an artefact of gender-export"),
        ({"image_size": "large"}, "is damaged, or not an artefact of gender-export"),
        ([], "is damaged, or not an artefact of gender-export"),
    ],
)
def test_metadata_and_model_must_agree(artefacts, facts, tmp_path, metadata, told):
    """A file with other metadata, its checksum right."""
    copy = tmp_path / "model.tflite"
    copy.write_bytes(without_archive(artefacts / "model_float32.tflite"))
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr(METADATA, json.dumps({**facts, **metadata} if metadata else metadata))
    with pytest.raises(UserError, match=told):
        load_predictor(copy)
    with zipfile.ZipFile(copy, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(METADATA, json.dumps(facts))
    assert load_predictor(copy).image_size == 32


def test_decoding_leaves_an_error_in_a_pictures_place(test_faces):
    damaged = test_faces[1][: len(test_faces[1]) // 2]
    images, errors = decode_all([test_faces[0], b"", damaged, b"text", test_faces[4]], 32)
    assert errors == [
        None,
        "the file is empty",
        "not a picture that OpenCV can decode, or damaged",
        "not a picture that OpenCV can decode, or damaged",
        None,
    ]
    expected = [images_cv.decode_and_resize(test_faces[index], 32) for index in (0, 4)]
    np.testing.assert_array_equal(images, expected)


def test_decoding_nothing_gives_an_empty_batch():
    images, errors = decode_all([b""], 32)
    assert (images.shape, images.dtype, len(errors)) == ((0, 32, 32, 3), np.uint8, 1)
    assert decode_all([], 32)[0].shape == (0, 32, 32, 3)


def test_decoding_keeps_the_order(test_faces):
    images, errors = decode_all([*test_faces, b""], 32)
    expected, _ = decode_all(test_faces, 32)
    np.testing.assert_array_equal(images, expected)
    assert errors[-1] == "the file is empty"


def test_a_tflite_file_alone_is_enough_and_runs_without_tensorflow(artefacts, tmp_path, images, reference):
    """Beside the file there is nothing: neither the run nor the other artefacts."""
    shutil.copy(artefacts / "model_float32.tflite", tmp_path / "renamed.tflite")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import numpy as np\nfrom export.predictor import load_predictor\n"
        "predictor = load_predictor('renamed.tflite')\n"
        "assert predictor.metadata['labels'] == ['male', 'female']\n"
        "np.save('p_female.npy', predictor.predict(np.load('images.npy')))"
    )
    assert loaded_by(code, tmp_path) == set()
    np.testing.assert_allclose(np.load(tmp_path / "p_female.npy"), reference, rtol=0, atol=1e-4)


def test_a_tflite_file_of_any_name_is_loaded(artefacts, tmp_path, images):
    path = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff ,\n.tflite"))
    shutil.copy(artefacts / "model_float32.tflite", path)
    expected = load_predictor(artefacts / "model_float32.tflite").predict(images)
    np.testing.assert_array_equal(load_predictor(path).predict(images), expected)


def test_a_heavy_import_is_noticed(tmp_path):
    assert loaded_by("import tensorflow_datasets", tmp_path) == {"tensorflow_datasets"}


def test_a_keras_file_takes_its_note_from_its_run_only(run, tmp_path):
    assert "drawn by code" in load_predictor(run / "cnn_gender_classifier.keras").note
    shutil.copy(run / "cnn_gender_classifier.keras", tmp_path / "model.keras")
    (tmp_path / "config.json").write_text('{"architectures": ["Bert"]}')  # another program's, beside it
    assert load_predictor(tmp_path / "model.keras").note == faces.LABEL_NOTE
