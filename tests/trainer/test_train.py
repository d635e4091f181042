"""A whole run: it learns, it can be repeated, and leaves the run folder; killed, it is in tests/test_killed.py."""

import dataclasses
import json
import shutil
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow_datasets as tfds

from gender_tfds import run_folder
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.face_listing import Face, FaceListing
from gender_tfds.folder_lock import LOCK
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.evaluate import evaluate_workdir
from trainer.train import prepare_training, train_and_evaluate

SMALL = TrainConfig(image_size=32, batch_size=32, epochs=2)
TIMES = ["seconds", "images_per_second"]


def _history(workdir):
    return pd.read_csv(workdir / run_folder.HISTORY).drop(columns=TIMES)


def test_the_run_folder_holds_all_it_promises(trained_run):
    names = {value for name, value in vars(run_folder).items() if name.isupper() and isinstance(value, str)}
    assert {path.name for path in trained_run.iterdir()} - {LOCK} == names - {
        run_folder.EVALUATIONS,
        run_folder.EXPLANATIONS,
        run_folder.UNDECIDED,
    }
    assert (trained_run / run_folder.LABELS).read_text() == "male\nfemale\n"
    assert list(_history(trained_run)["epoch"]) == [1, 2]
    assert any((trained_run / run_folder.TENSORBOARD).rglob("events.*"))
    for picture in trained_run.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG"), picture


def test_the_seeds_own_lines_work_on_the_saved_file(trained_run):
    """In a process with Keras and TensorFlow only: importing anything of this project fails there."""
    script = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gender_tfds", "trainer", "export"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np
from tensorflow.keras.models import load_model
model = load_model("cnn_gender_classifier.keras")
images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
predictions = model.predict(images, verbose=0)
labels = (predictions > 0.5).astype(int)
print(predictions.shape, sorted(set(labels.ravel()) - {0, 1}))
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=trained_run, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "(4, 1) []", result.stderr


def test_two_runs_with_the_same_seed_are_equal_and_with_another_seed_are_not(data_dir, trained_run, tmp_path):
    train_and_evaluate(SMALL, str(data_dir), tmp_path / "again")
    pd.testing.assert_frame_equal(_history(tmp_path / "again"), _history(trained_run))
    ours, theirs = (pd.read_csv(folder / run_folder.PREDICTIONS) for folder in (tmp_path / "again", trained_run))
    pd.testing.assert_frame_equal(ours, theirs)
    (tmp_path / "other").mkdir()
    training, _ = prepare_training(dataclasses.replace(SMALL, seed=1, epochs=1), str(data_dir), None)
    training.run(tmp_path / "other")
    assert not _history(tmp_path / "other").equals(_history(trained_run).head(1))


def test_a_finished_run_is_not_touched_by_resume_and_in_the_way_without(data_dir, trained_run):
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    metrics = train_and_evaluate(SMALL, str(data_dir), trained_run, resume=True)
    assert metrics == json.loads((trained_run / run_folder.METRICS).read_text())
    with pytest.raises(UserError, match="already holds a run"):
        train_and_evaluate(SMALL, str(data_dir), trained_run)
    assert {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")} == before


def test_a_model_that_can_not_be_taken_is_told_before_the_run_folder_is_touched(data_dir, own_run, tmp_path):
    (tmp_path / "damaged.keras").write_bytes(b"PK")
    before = {path: path.read_bytes() for path in own_run.rglob("*") if path.is_file()}
    for settings, said in (
        ({"teacher": ("accurate",)}, "the largest may be twice as large as the smallest"),
        ({"teacher": (str(tmp_path / "damaged.keras"),)}, "damaged.keras is damaged"),
        ({"teacher": (str(own_run / run_folder.MODEL),)}, "is a part of what --overwrite would remove"),
        ({"init_from": str(own_run / run_folder.MODEL)}, "is a part of what --overwrite would remove"),
    ):
        config = dataclasses.replace(SMALL, **settings)
        with pytest.raises(UserError, match=said):
            train_and_evaluate(config, str(data_dir), own_run, overwrite=True)
        assert {path: path.read_bytes() for path in own_run.rglob("*") if path.is_file()} == before
        if "remove" not in said:
            with pytest.raises(UserError, match=said):
                train_and_evaluate(config, str(data_dir), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_fine_tuning_starts_from_the_file(data_dir, trained_run, tmp_path, caplog):
    caplog.set_level("INFO")
    model = str(trained_run / run_folder.MODEL)
    config = dataclasses.replace(SMALL, init_from=model, epochs=1, learning_rate=0.0, dropout=0.5)
    train_and_evaluate(config, str(data_dir), tmp_path / "tuned")
    assert f"The network is that of --init_from={model}; not used: --dropout=0.5." in caplog.messages
    ours, theirs = (
        keras.saving.load_model(folder / run_folder.MODEL).get_weights() for folder in (tmp_path / "tuned", trained_run)
    )
    for mine, other in zip(ours[:-2], theirs[:-2], strict=True):
        np.testing.assert_array_equal(mine, other)
    for mine, other in zip(ours[-2:], theirs[-2:], strict=True):  # calibrated once more on the same faces
        np.testing.assert_allclose(mine, other, rtol=1e-3)


# a CPU takes long over bfloat16; float16 needs the loss scaled as well
@pytest.mark.parametrize("precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"])
def test_mixed_precision_trains_and_saves_float32(data_dir, tmp_path, precision):
    # a rate at which two short epochs learn something
    config = dataclasses.replace(SMALL, precision=precision, optimizer="adamw", schedule="cosine", learning_rate=0.003)
    train_and_evaluate(config, str(data_dir), tmp_path / "run")
    losses = _history(tmp_path / "run")["loss"]
    assert losses.iloc[1] < losses.iloc[0]
    assert _history(tmp_path / "run")["learning_rate"].iloc[1] < 1e-4  # the cosine has come down
    model = keras.saving.load_model(tmp_path / "run" / run_folder.MODEL)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert json.loads((tmp_path / "run" / run_folder.CONFIG).read_text())["precision"] == precision


def _two_colours(name_of_set, shuffled):
    """A builder of pictures of one colour each: red is male and blue is female, unless the labels are shuffled."""
    import cv2

    class Colours(Builder):
        name = name_of_set
        NUM_FACES = 400

        def _split_generators(self, dl_manager):
            rng = np.random.default_rng(0)
            found = []
            for number in range(self.NUM_FACES):
                label = number % 2
                picture = np.zeros((32, 32, 3), np.uint8)
                picture[..., 0 if label else 2] = rng.integers(120, 256)
                seen = int(rng.integers(2)) if shuffled else label
                found.append(Face(f"{number}.jpg", cv2.imencode(".jpg", picture)[1].tobytes(), seen, group=f"{number}"))
            listing = FaceListing(found)
            return {split: self._generate_examples(split, listing) for split in listing.splits()}

        @staticmethod
        def prepare(face):
            return face

    return Colours


def test_two_colours_are_learnt_and_shuffled_labels_are_not(tmp_path):
    judged = {}
    for shuffled in (False, True):
        builder = _two_colours(f"colours{int(shuffled)}", shuffled)(data_dir=tmp_path / "data")
        builder.download_and_prepare()
        config = dataclasses.replace(SMALL, dataset=builder.name, epochs=3)
        judged[shuffled] = train_and_evaluate(config, str(tmp_path / "data"), tmp_path / builder.name)
    assert judged[False]["accuracy"] == 1.0
    # a coin gives 0.5 ± 0.055 on some 80 faces
    assert 0.3 < judged[True]["accuracy"] < 0.7
    for name in ("accuracy", "balanced_accuracy", "roc_auc"):  # judged as what they are, chance and none
        low, high = judged[True]["intervals"][name]
        assert low <= 0.5 <= high
        assert judged[False]["intervals"][name][0] > 0.5


@pytest.fixture(scope="module")
def two_data_sets(data_dir, tmp_path_factory):
    """A data_dir with `drawn_faces` and `colours`, and a run on both, on other folds than the splits'."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(data_dir / "drawn_faces", folder / "data" / "drawn_faces")
    _two_colours("colours", False)(data_dir=folder / "data").download_and_prepare()
    config = dataclasses.replace(
        SMALL, dataset="drawn_faces,colours", epochs=1, test_folds=("4", "5"), validation_folds=("6",)
    )
    train_and_evaluate(config, str(folder / "data"), folder / "run")
    return folder


def test_several_data_sets_are_learnt_together_and_judged_each_by_itself(two_data_sets):
    workdir = two_data_sets / "run"
    own = json.loads((workdir / run_folder.METRICS).read_text())
    other = json.loads((workdir / run_folder.EVALUATIONS / "colours-test" / run_folder.METRICS).read_text())
    assert [own["dataset"], other["dataset"]] == ["drawn_faces/1.0.0", "colours/1.0.0"]
    record = json.loads((workdir / run_folder.CONFIG).read_text())
    assert record["data"]["name"] == "drawn_faces/1.0.0,colours/1.0.0"
    assert "datasets:\n- drawn_faces\n- colours\n" in (workdir / run_folder.MODEL_CARD).read_text()


def test_a_run_is_judged_on_its_own_folds_again_too(two_data_sets):
    workdir = two_data_sets / "run"
    table = pd.read_csv(workdir / run_folder.PREDICTIONS)
    assert set(table["fold"]) == {4, 5}
    _, folder = evaluate_workdir(workdir, None, "test", None)
    assert folder == workdir
    pd.testing.assert_frame_equal(pd.read_csv(workdir / run_folder.PREDICTIONS), table)
    _, folder = evaluate_workdir(workdir, "colours", "validation", None)
    assert set(pd.read_csv(folder / run_folder.PREDICTIONS)["fold"]) == {6}


def test_one_class_only_is_one_sentence(tmp_path):
    with (
        mock.patch.object(Builder, "NUM_FACES", 200),
        mock.patch.object(Face, "example", lambda face: {**face_example(face), "label": 1}),
    ):
        tfds.builder("drawn_faces", data_dir=tmp_path).download_and_prepare()
    with pytest.raises(UserError, match="all of one class"):
        train_and_evaluate(SMALL, str(tmp_path), tmp_path / "run")


face_example = Face.example


def test_a_data_set_that_is_not_built_leaves_no_workdir(tmp_path):
    with pytest.raises(UserError, match="tfds build"):
        train_and_evaluate(SMALL, str(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not any(tmp_path.iterdir())
