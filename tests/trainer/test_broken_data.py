"""No numbers from broken data: a clear sentence, or a right result."""

import dataclasses
import json
import re
from typing import ClassVar

import cv2
import keras
import numpy as np
import pytest

from gender_tfds import faces, reading, run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.face_listing import Face
from gender_tfds.user_error import UserError
from trainer import checkpoints, commands, processes
from trainer.checkpoints import DivergedError
from trainer.config import TrainConfig
from trainer.cross_validate import cross_validate
from trainer.evaluate import evaluate_workdir, predict_split
from trainer.train import prepare_training, train_and_evaluate
from trainer.tune import tune

SMALL = TrainConfig(dataset="few", image_size=32, batch_size=8, epochs=1)


class Few(Builder):
    """A face of one colour for each label given, in the split given."""

    name = "few"
    labels: ClassVar = {}

    def _split_generators(self, dl_manager):
        return {split: self._generate_faces(split, labels) for split, labels in self.labels.items()}

    def _generate_faces(self, split, labels):
        rng = np.random.default_rng(0)
        groups = (name for name in map(str, range(10_000)) if faces.split_of(name) == split)
        for label, group in zip(labels, groups, strict=False):
            face = Face(f"{group}.jpg", _picture(rng, label), 0, group)
            yield face.filename, {**face.example(), "label": label}


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Builds a data set of faces with the labels given for each split; returns its data_dir."""

    def build(**labels):
        monkeypatch.setattr(Few, "labels", labels)
        Few(data_dir=tmp_path / "data").download_and_prepare()
        return str(tmp_path / "data")

    return build


def _picture(rng, label):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0 if label == 1 else 2] = rng.integers(120, 256)
    return cv2.imencode(".jpg", picture)[1].tobytes()


BOTH = [0, 1] * 6

MISTAKES = {
    "one class": ({"train": [1] * 9, "validation": BOTH, "test": BOTH}, "are all of one class: nothing can be learnt"),
    "no validation faces": (
        {"train": BOTH, "test": BOTH},
        "has no faces in the split 'validation'; it has test, train",
    ),
    "no test faces": (
        {"train": BOTH, "validation": BOTH},
        "has no faces in the split 'test'; it has train, validation",
    ),
    "one example": ({"train": [1]}, "has no faces in the split"),
    "one example a split": ({"train": [1], "validation": [0], "test": [0]}, "are all of one class"),
    "unknown labels": (
        {"train": [*BOTH, -1], "validation": BOTH, "test": BOTH},
        r"labels -1, where a face has one of 0 \(male\), 1 \(female\); build it again",
    ),
    "unknown labels to choose by": (
        {"train": BOTH, "validation": [*BOTH, -1], "test": BOTH},
        "labels -1, where a face has one of",
    ),
}


@pytest.mark.parametrize(("labels", "said"), MISTAKES.values(), ids=MISTAKES)
def test_data_that_nothing_can_be_learnt_from_are_one_sentence(few, tmp_path, labels, said):
    with pytest.raises(UserError, match=said) as error:
        train_and_evaluate(SMALL, few(**labels), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_neither_a_search_nor_a_cross_validation_is_begun_or_replaced_on_one_class(few, tmp_path):
    data_dir = few(train=[1] * 90, validation=[1] * 12, test=[1] * 24)
    for kind, begin in (
        ("search", lambda workdir, **how: tune(SMALL, data_dir, workdir, **how)),
        ("cross-validation", lambda workdir, **how: cross_validate(SMALL, 2, data_dir, workdir, **how)),
    ):
        workdir = tmp_path / kind
        write_text(workdir / run_folder.CONFIG, json.dumps({"settings": {}, "data": {}, "kind": kind}))
        for folder, overwrite in ((workdir, True), (tmp_path / "new", False)):
            with pytest.raises(UserError, match="all of one class"):
                begin(folder, overwrite=overwrite)
        assert json.loads((workdir / run_folder.CONFIG).read_text())["settings"] == {}
        assert not (tmp_path / "new" / run_folder.CONFIG).exists()


def test_test_faces_of_unknown_gender_get_no_numbers(few, tmp_path):
    with pytest.raises(UserError, match="labels -1"):
        train_and_evaluate(SMALL, few(train=BOTH, validation=BOTH, test=[*BOTH, -1]), tmp_path / "run")
    assert not (tmp_path / "run" / run_folder.METRICS).exists()


def test_a_batch_larger_than_the_set_is_the_whole_set(few, tmp_path):
    data_dir = few(train=BOTH, validation=BOTH, test=BOTH)
    losses = []
    for size in (len(BOTH), 1000):
        training, _ = prepare_training(dataclasses.replace(SMALL, batch_size=size), data_dir, None)
        losses.append(training.run(tmp_path / str(size)).progress.history[0]["loss"])
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0])


def test_one_face_of_one_class_to_judge_by_gives_the_numbers_that_there_are(few, tmp_path):
    numbers = train_and_evaluate(SMALL, few(train=BOTH, validation=[1], test=[0]), tmp_path / "run")
    assert numbers["n"] == 1
    assert numbers["accuracy"] in (0.0, 1.0)
    assert "roc_auc" not in numbers  # no pair of a female and a male face
    text = (tmp_path / "run" / run_folder.METRICS).read_text()
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    assert json.loads(text) == numbers


FLAGS = ["--image_size=32", "--batch_size=32", "--epochs=3", "--model=seed_cnn"]


def _diverge_in(epoch, monkeypatch):
    whole = checkpoints.Checkpoints.on_epoch_end

    def on_epoch_end(self, number, logs=None):
        whole(self, number, {**logs, "loss": float("nan")} if number + 1 == epoch else logs)

    monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", on_epoch_end)


def test_a_loss_that_is_no_number_ends_with_a_sentence_and_the_last_good_model(
    data_dir, tmp_path, monkeypatch, capsys, trained_run
):
    _diverge_in(3, monkeypatch)
    workdir = tmp_path / "run"
    assert commands.train([f"--data_dir={data_dir}", f"--workdir={workdir}", *FLAGS]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("gender-train: the loss became nan")
    assert (
        f"in epoch 3: lower --learning_rate or take --precision=float32, and start again with --overwrite; {workdir}"
        in last
    )
    assert not (workdir / run_folder.METRICS).exists()  # no number of a training that failed
    # the two epochs before are those of `trained_run`, of the same settings and seed; either one was the better
    kept, expected = (keras.saving.load_model(run / run_folder.MODEL) for run in (workdir, trained_run))
    for ours, theirs in zip(kept.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("first", [True, False])
def test_after_a_loss_that_is_no_number_no_process_waits_for_another(data_dir, tmp_path, monkeypatch, first):
    _diverge_in(2, monkeypatch)
    ended, diverging = [], checkpoints.Checkpoints.on_epoch_end

    def gather(values):
        raise AssertionError("the others have ended")

    def on_epoch_end(self, epoch, logs=None):
        try:
            diverging(self, epoch, logs)
        except DivergedError:
            monkeypatch.setattr(processes, "gather", gather)
            monkeypatch.setattr(processes, "is_first", lambda: first)
            raise

    monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", on_epoch_end)
    monkeypatch.setattr(processes, "leave", lambda: ended.append("together"))
    config = TrainConfig(image_size=32, batch_size=32, epochs=2)
    with pytest.raises(DivergedError) as error:
        train_and_evaluate(config, str(data_dir), tmp_path / "run")
    assert ("is the model of epoch 1" in str(error.value)) == first
    assert (tmp_path / "run" / run_folder.MODEL).is_file() == first
    assert ended == ["together"]


def test_a_rate_that_is_far_too_high_diverges_in_truth_and_leaves_no_model(data_dir, tmp_path, capsys):
    flags = [*FLAGS, "--learning_rate=1e30", "--optimizer=sgd"]
    assert commands.train([f"--data_dir={data_dir}", f"--workdir={tmp_path / 'run'}", *flags]) == 2
    assert "no epoch before it had an end, so there is no model" in capsys.readouterr().err
    assert not (tmp_path / "run" / run_folder.MODEL).exists()


def test_a_model_of_no_numbers_is_not_judged(own_run, data_dir):
    model = keras.saving.load_model(own_run / run_folder.MODEL)
    builder = reading.open_built("drawn_faces", str(data_dir))
    assert np.isfinite(predict_split(model, builder, "test")["p_female"]).all()
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    model.save(own_run / run_folder.MODEL)
    before = (own_run / run_folder.METRICS).read_bytes()
    with pytest.raises(UserError, match=r"gives no probability for (\d+) of \1 faces"):
        evaluate_workdir(own_run, None, "test", str(data_dir))
    assert (own_run / run_folder.METRICS).read_bytes() == before
