"""Trainings of several phases, with what they can have beside them; whole runs, judged too, are in test_train.py."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gender_tfds import run_folder
from gender_tfds.user_error import UserError
from tests.trainer.conftest import step_by_step
from trainer.config import TrainConfig
from trainer.models import build_model
from trainer.train import prepare_training

TINY = TrainConfig(model="resnet", width=8, depth=("1", "1"), image_size=48, batch_size=110, epochs=3)
TIMES = ["seconds", "images_per_second"]
pytestmark = pytest.mark.usefixtures("untraced")


def _history(workdir):
    return pd.read_csv(workdir / run_folder.HISTORY).drop(columns=TIMES)


def _fit(data_dir, workdir, **settings):
    """Trains, or goes on, in `workdir`; returns the best weights."""
    workdir.mkdir(exist_ok=True)
    training, _ = prepare_training(dataclasses.replace(TINY, **settings), str(data_dir), None)
    return training.run(workdir).best_weights


@pytest.fixture
def train(data_dir, tmp_path):
    def run(name, **settings):
        _fit(data_dir, tmp_path / name, **settings)
        return tmp_path / name

    return run


def _stop_after(epochs):
    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    return on_epoch_end


@pytest.fixture(scope="module")
def grown(data_dir, tmp_path_factory):
    """The folder and the best weights of an uninterrupted run on pictures that grow."""
    workdir = tmp_path_factory.mktemp("grown") / "run"
    with step_by_step():
        return workdir, _fit(data_dir, workdir, **GROWING)


GROWING = {"epochs": 4, "start_size": 32, "schedule": "cosine", "optimizer": "muon", "mixup": 0.2, "age_weight": 0.1}


def test_pictures_grow_to_the_models_size(grown):
    assert list(_history(grown[0])["image_size"]) == [32, 32, 48, 48]  # the size between, 40, is no multiple of 16


@pytest.mark.parametrize("stop_after", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_between_or_within_phases_resumes_to_the_same_end(data_dir, grown, tmp_path, stop_after):
    with pytest.MonkeyPatch.context() as patch:  # what a killed run leaves: the checkpoint of its last epoch
        patch.setattr("trainer.fit._HistoryFile.on_epoch_end", _stop_after(stop_after))
        with pytest.raises(KeyboardInterrupt):
            _fit(data_dir, tmp_path / "parts", **GROWING)
    weights = _fit(data_dir, tmp_path / "parts", **GROWING)
    pd.testing.assert_frame_equal(_history(tmp_path / "parts"), _history(grown[0]))
    for ours, theirs in zip(weights, grown[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_plateau_lowers_the_rate_when_nothing_gets_better(train):
    rates = _history(train("run", schedule="plateau", learning_rate=1e-9, epochs=6))["learning_rate"].to_numpy()
    np.testing.assert_allclose(rates[0], 1e-9, rtol=1e-3)
    assert rates[-1] < 0.3e-9
    warm = _history(train("warm", schedule="plateau", learning_rate=0.01, warmup_epochs=1, epochs=2))
    np.testing.assert_allclose(warm["learning_rate"], [0.005, 0.01], rtol=1e-4)


def test_a_time_limit_keeps_what_was_learnt(data_dir, tmp_path):
    weights = _fit(data_dir, tmp_path / "run", max_minutes=1e-6)
    assert len(_history(tmp_path / "run")) == 1
    first = build_model(TINY).get_weights()
    assert any(not np.array_equal(ours, theirs) for ours, theirs in zip(weights, first, strict=True))


def test_a_teacher_changes_what_is_learnt_and_must_fit(train, trained_run, tmp_path):
    plain = _history(train("plain", image_size=32, epochs=1))
    taught = _history(train("taught", image_size=32, epochs=1, teacher=(str(trained_run / run_folder.MODEL),)))
    build_model(TINY).save(tmp_path / "larger.keras")
    both = (str(tmp_path / "larger.keras"), str(trained_run / run_folder.MODEL))
    of_two_sizes = _history(train("both", image_size=32, epochs=1, teacher=both))
    assert len({history["loss"][0] for history in (plain, taught, of_two_sizes)}) == 3
    with pytest.raises(UserError, match="pictures of 32, 48 pixels and the model of --image_size=80; the largest may"):
        train("other", image_size=80, teacher=both)


def test_a_model_on_growing_pictures_is_taught_by_one_of_the_full_size(train, tmp_path):
    build_model(TINY).save(tmp_path / "teacher.keras")
    growing = GROWING | {"mixup": 0.0, "epochs": 3}
    alone = _history(train("alone", **growing))
    taught = _history(train("taught", **growing, teacher=(str(tmp_path / "teacher.keras"),)))
    assert list(taught["image_size"]) == list(alone["image_size"]) == [32, 32, 48]
    assert (taught["loss"] != alone["loss"]).all()
    with pytest.raises(UserError, match="pictures of 48 pixels and the model of --start_size=32 --image_size=96"):
        train("other", image_size=96, start_size=32, teacher=(str(tmp_path / "teacher.keras"),))


def test_every_kind_of_balance_trains_and_says_what_an_epoch_shows(train, caplog):
    caplog.set_level("INFO")
    losses = {}
    for balance in ("none", "class_weights", "oversample", "undersample"):
        weights = ("1", "3") if balance == "class_weights" else ()
        workdir = train(balance, balance=balance, class_weights=weights, epochs=1, image_size=32)
        losses[balance] = _history(workdir)["loss"][0]
    assert len(set(losses.values())) == 4
    shown = [line for line in caplog.messages if line.startswith("An epoch shows")]
    assert len(shown) == 2  # those of over- and undersampling
