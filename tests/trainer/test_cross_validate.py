"""Cross-validation: every picture once, by a model that has not seen it; finished parts are not trained again."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow_datasets as tfds

from gender_tfds import faces, reading, run_folder
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.user_error import UserError
from tests.trainer.conftest import step_by_step
from trainer import commands, cross_validate, train
from trainer.config import TrainConfig
from trainer.evaluations import evaluation_folder

SMALL = TrainConfig(image_size=32, batch_size=32, epochs=1)


@pytest.fixture(scope="module")
def validated(data_dir, tmp_path_factory):
    """The folder of a cross-validation of two parts; read it, don't write to it."""
    workdir = tmp_path_factory.mktemp("cross_validation") / "parts"
    with step_by_step():
        cross_validate.cross_validate(SMALL, 2, str(data_dir), workdir)
    return workdir


@pytest.fixture
def own_copy(validated, tmp_path):
    """A copy that has not come to its results."""
    folder = shutil.copytree(validated, tmp_path / "parts")
    for name in (run_folder.METRICS, run_folder.PREDICTIONS):
        (folder / name).unlink()
    return folder


def _names(data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    found = reading.read_folds(builder, range(faces.NUM_FOLDS)).map(lambda example: example["filename"])
    return sorted(name.decode() for name in found.as_numpy_iterator())


def test_every_picture_is_predicted_once_by_a_model_that_has_not_seen_it(validated, data_dir):
    table = pd.read_csv(validated / run_folder.PREDICTIONS)
    assert sorted(table["path"]) == _names(data_dir)
    assert set(table["dataset"]) == {"drawn_faces"}
    for number, rows in table.groupby("part"):
        settings = json.loads((validated / f"fold_{number}" / run_folder.CONFIG).read_text())["settings"]
        config = TrainConfig.from_json(settings)
        assert set(rows["fold"]) == set(config.folds("test"))
        assert not set(rows["fold"]) & {*config.folds("train"), *config.folds("validation")}
        of_run = pd.read_csv(validated / f"fold_{number}" / run_folder.PREDICTIONS)
        pd.testing.assert_frame_equal(rows[of_run.columns].reset_index(drop=True), of_run)


def test_the_numbers_are_those_of_the_parts(validated):
    numbers = json.loads((validated / run_folder.METRICS).read_text())
    parts = [json.loads((validated / f"fold_{part}" / run_folder.METRICS).read_text()) for part in range(2)]
    for name in ("accuracy", "log_loss", "roc_auc", "balanced_accuracy", "brier_score"):
        found, values = numbers["metrics"][name], [part[name] for part in parts]
        assert found["values"] == values
        assert found["mean"] == pytest.approx(np.mean(values))
        assert found["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
        expected = np.mean(values) + scipy.stats.sem(values) * np.array(scipy.stats.t.interval(0.95, 1))
        assert found["interval"] == pytest.approx(expected)
    assert numbers["pooled"]["n"] == sum(part["n"] for part in parts) == 300
    right = sum(part["accuracy"] * part["n"] for part in parts)
    assert numbers["pooled"]["accuracy"] == pytest.approx(right / 300)
    assert numbers["note"] == parts[0]["note"]
    assert (validated / cross_validate.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_a_finished_one_is_not_touched_by_resume(validated, data_dir):
    before = {path: path.stat().st_mtime_ns for path in validated.rglob("*")}
    numbers = cross_validate.cross_validate(SMALL, 2, str(data_dir), validated, resume=True)
    assert numbers == json.loads((validated / run_folder.METRICS).read_text())
    assert {path: path.stat().st_mtime_ns for path in validated.rglob("*")} == before


def test_lost_predictions_of_a_part_are_one_sentence(own_copy, data_dir):
    (own_copy / "fold_1" / run_folder.PREDICTIONS).unlink()
    with pytest.raises(UserError, match=r"fold_1/predictions\.csv is missing; remove .*fold_1 and go on with --resume"):
        cross_validate.cross_validate(SMALL, 2, str(data_dir), own_copy, resume=True)
    assert not (own_copy / run_folder.METRICS).exists()


@pytest.mark.parametrize(
    ("config", "folds", "named"),
    [
        (SMALL, 5, "--folds=5 where the cross-validation has 2"),
        (dataclasses.replace(SMALL, learning_rate=0.1), 2, "--learning_rate=0.1"),
        (SMALL, 3, "--folds=3 does not divide"),
        (dataclasses.replace(SMALL, test_folds=("4",)), 2, "--test_folds=4 is for a single run"),
        (dataclasses.replace(SMALL, dataset="utkface", init_from="device"), 5, "--init_from=device has seen faces"),
    ],
)
def test_another_cross_validation_is_not_gone_on_with(own_copy, data_dir, config, folds, named):
    with pytest.raises(UserError, match=named):
        cross_validate.cross_validate(config, folds, str(data_dir), own_copy, resume=True)


def test_its_folder_is_no_run_and_a_run_is_none_of_its(validated, trained_run, data_dir):
    for overwrite in (False, True):
        with pytest.raises(UserError, match="holds a cross-validation"):
            train.train_and_evaluate(SMALL, str(data_dir), validated, resume=not overwrite, overwrite=overwrite)
        with pytest.raises(UserError, match="holds a run"):
            cross_validate.cross_validate(
                SMALL, 2, str(data_dir), trained_run, resume=not overwrite, overwrite=overwrite
            )


def test_a_fold_without_faces_is_one_sentence(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_validate, "count_folds", lambda builder: np.array([[9, 9]] * 9 + [[0, 0]]))
    with pytest.raises(UserError, match="no faces in the folds 9: it is too small for --folds=10"):
        cross_validate.cross_validate(SMALL, 10, str(data_dir), tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_a_part_whose_training_faces_are_of_one_class_is_one_sentence(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_validate, "count_folds", lambda builder: np.array([[9, 0]] * 9 + [[9, 9]]))
    with pytest.raises(UserError, match="all of one class"):
        cross_validate.cross_validate(SMALL, 10, str(data_dir), tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_several_data_sets_have_numbers_of_their_own(tmp_path, monkeypatch):
    """With predictions made up: half of one set's faces wrong, none of the other's."""
    for name in ("first", "second"):
        kind = type(name.title(), (Builder,), {"name": name, "NUM_FACES": 60})
        kind(data_dir=tmp_path / "data").download_and_prepare()

    def pretend(config, data_dir, workdir, **options):
        for name in config.datasets:
            folder = evaluation_folder(workdir, "first", name, "test")
            folder.mkdir(parents=True)
            examples = tfds.as_dataframe(reading.read_folds(reading.open_built(name, data_dir), config.folds("test")))
            examples["path"], examples["group"] = (examples[of].str.decode("utf8") for of in ("filename", "group"))
            wrong = (name == "first") & (np.arange(len(examples)) % 2 == 0)
            examples["p_female"] = np.where(examples["label"] ^ wrong, 0.9, 0.1)
            examples["gender"] = np.where(examples["p_female"] > 0.5, "female", "male")
            examples.drop(columns=["image", "filename"]).to_csv(folder / run_folder.PREDICTIONS, index=False)
        return {"accuracy": 0.5, "log_loss": 0.5}

    monkeypatch.setattr(cross_validate, "train_and_evaluate", pretend)
    config = dataclasses.replace(SMALL, dataset="first,second")
    numbers = cross_validate.cross_validate(config, 2, str(tmp_path / "data"), tmp_path / "parts")
    assert numbers["pooled"]["n"] == 120
    assert {name: of["pooled"]["n"] for name, of in numbers["datasets"].items()} == {"first": 60, "second": 60}
    assert numbers["datasets"]["second"]["pooled"]["accuracy"] == 1
    assert numbers["datasets"]["first"]["pooled"]["accuracy"] == pytest.approx(0.5, abs=0.02)
    table = pd.read_csv(tmp_path / "parts" / run_folder.PREDICTIONS)
    assert not table.duplicated(["dataset", "path"]).any()


def test_a_number_of_parts_that_does_not_divide_is_one_line_and_status_2(tmp_path, capsys):
    assert commands.cross_validate([f"--workdir={tmp_path / 'parts'}", "--folds=3"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("gender-cross-validate: --folds=3")
    assert not (tmp_path / "parts").exists()


def test_the_command_says_mean_interval_note_and_place(validated, data_dir, capsys):
    flags = ["--image_size=32", "--batch_size=32", "--epochs=1", "--folds=2", f"--data_dir={data_dir}"]
    assert commands.cross_validate([*flags, f"--workdir={validated}", "--resume"]) == 0
    shown = capsys.readouterr().err
    assert "over 2 parts) on 300 faces of drawn_faces" in shown
    assert "says nothing about people" in shown
    assert str(validated) in shown
