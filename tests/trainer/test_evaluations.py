"""A run is judged on its own folds of its own data; all else is judged beside that."""

import json
import pathlib

import pytest

from gender_tfds import faces, run_folder
from trainer.config import TrainConfig
from trainer.evaluate import evaluate_workdir
from trainer.evaluations import evaluation_folder, own_folds, saw_test


def test_the_folds_are_the_runs_own_where_it_was_trained_on_the_data():
    config = TrainConfig(dataset="utkface,mine", test_folds=("4", "5"))
    assert own_folds(config, "mine", "test") == (4, 5)
    assert own_folds(config, "utkface", "train") == config.folds("train")
    assert own_folds(config, "fairface", "test") is None
    assert own_folds(config, "mine", "all") is None
    assert "all" not in faces.SPLIT_FOLDS


@pytest.mark.parametrize(
    ("dataset", "split", "below"),
    [
        ("mine", "test", ""),
        ("mine", "validation", "evaluations/mine-validation"),
        ("utkface:1.0.0", "test", "evaluations/utkface-1.0.0-test"),
        ("mine/aligned:1.0.0", "test", "evaluations/mine-aligned-1.0.0-test"),
    ],
)
def test_only_the_test_faces_of_the_first_data_set_are_judged_in_the_run_folder(dataset, split, below):
    assert evaluation_folder(pathlib.Path("run"), "mine", dataset, split) == pathlib.Path("run") / below


def test_another_build_of_the_runs_data_is_judged_beside_its_own_and_told_of(own_run, caplog):
    before = (own_run / run_folder.METRICS).read_text()
    record = json.loads((own_run / run_folder.CONFIG).read_text())
    record["data"]["sha256"] = "of another build"
    (own_run / run_folder.CONFIG).write_text(json.dumps(record))
    _, folder = evaluate_workdir(own_run, None, "test", None)
    assert folder == own_run / run_folder.EVALUATIONS / "drawn_faces-test"
    assert (own_run / run_folder.METRICS).read_text() == before
    assert "was trained on another build of drawn_faces" in caplog.text


@pytest.mark.parametrize(
    ("dataset", "seen"),
    [("drawn_faces", False), ("drawn_faces:1.0.0", True), ("utkface", False), ("fairface", True), ("mine", False)],
)
def test_faces_that_a_run_or_its_ancestors_saw_are_told_of(dataset, seen):
    settings = TrainConfig(dataset="drawn_faces", test_folds=("4",)).to_json()
    record = {"settings": settings, "seen": {"drawn_faces": [0, 1, 2], "utkface": [2, 3], "fairface": [1, 2]}}
    assert saw_test(record, dataset) == seen


def test_a_judgement_on_faces_that_an_ancestor_saw_says_so(own_run, caplog):
    evaluate_workdir(own_run, "drawn_faces:1.0.0", "test", None)
    assert "has seen faces of this test split" not in caplog.text
    record = json.loads((own_run / run_folder.CONFIG).read_text())
    record["seen"] = {"drawn_faces": [0]}
    (own_run / run_folder.CONFIG).write_text(json.dumps(record))
    evaluate_workdir(own_run, "drawn_faces:1.0.0", "test", None)
    assert "has seen faces of this test split of drawn_faces:1.0.0" in caplog.text
