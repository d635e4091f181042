"""Trainings of several phases, with what they can have beside them; whole runs are in test_train.py."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

from gender_tfds import run_folder
from gender_tfds.command_line import UserError
from trainer.config import TrainConfig
from trainer.models import build_model
from trainer.train import train_and_evaluate

TINY = TrainConfig(model="resnet", width=8, depth=("1", "1"), image_size=48, batch_size=32, epochs=3)
TIMES = ["seconds", "images_per_second"]


def _history(workdir):
    return pd.read_csv(workdir / run_folder.HISTORY).drop(columns=TIMES)


@pytest.fixture
def train(data_dir, tmp_path):
    def run(name, stop_after=None, **settings):
        config = dataclasses.replace(TINY, **settings)
        if stop_after:  # what a killed run leaves: the checkpoint of its last epoch
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("trainer.fit._HistoryFile.on_epoch_end", _stop_after(stop_after))
                with pytest.raises(KeyboardInterrupt):
                    train_and_evaluate(config, str(data_dir), tmp_path / name)
        else:
            train_and_evaluate(config, str(data_dir), tmp_path / name, resume=True)
        return tmp_path / name

    return run


def _stop_after(epochs):
    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    return on_epoch_end


@pytest.fixture(scope="module")
def grown(data_dir, tmp_path_factory):
    """An uninterrupted run on pictures that grow."""
    workdir = tmp_path_factory.mktemp("grown") / "run"
    train_and_evaluate(dataclasses.replace(TINY, **GROWING), str(data_dir), workdir)
    return workdir


GROWING = {"epochs": 4, "start_size": 32, "schedule": "cosine", "optimizer": "adamw", "mixup": 0.2, "age_weight": 0.1}


def test_pictures_grow_to_the_models_size(grown):
    assert list(_history(grown)["image_size"]) == [32, 32, 48, 48]  # the size between, 40, is no multiple of 16
    assert keras.saving.load_model(grown / run_folder.MODEL).input_shape == (None, 48, 48, 3)


@pytest.mark.parametrize("stop_after", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_between_or_within_phases_resumes_to_the_same_end(train, grown, stop_after):
    train("parts", stop_after=stop_after, **GROWING)
    parts = train("parts", **GROWING)
    pd.testing.assert_frame_equal(_history(parts), _history(grown))
    ours, theirs = (pd.read_csv(folder / run_folder.PREDICTIONS) for folder in (parts, grown))
    pd.testing.assert_frame_equal(ours, theirs)


def test_plateau_lowers_the_rate_when_nothing_gets_better(train):
    rates = _history(train("run", schedule="plateau", learning_rate=1e-9, epochs=6))["learning_rate"].to_numpy()
    np.testing.assert_allclose(rates[0], 1e-9, rtol=1e-3)
    assert rates[-1] < 0.3e-9
    warm = _history(train("warm", schedule="plateau", learning_rate=0.01, warmup_epochs=1, epochs=2))
    np.testing.assert_allclose(warm["learning_rate"], [0.005, 0.01], rtol=1e-4)


def test_a_time_limit_keeps_what_was_learnt(train):
    workdir = train("run", max_minutes=1e-6)
    assert len(_history(workdir)) == 1
    assert json.loads((workdir / run_folder.METRICS).read_text())["n"]


def test_a_teacher_changes_what_is_learnt_and_must_fit(train, trained_run, tmp_path):
    plain = _history(train("plain", image_size=32, epochs=1))
    taught = _history(train("taught", image_size=32, epochs=1, teacher=(str(trained_run / run_folder.MODEL),)))
    build_model(TINY).save(tmp_path / "larger.keras")
    larger = _history(train("larger", image_size=32, epochs=1, teacher=(str(tmp_path / "larger.keras"),)))
    assert len({plain["loss"][0], taught["loss"][0], larger["loss"][0]}) == 3
    with pytest.raises(UserError, match="take pictures of 32 pixels; give teachers of one size, which is --image_size=48"):
        train("other", teacher=(str(trained_run / run_folder.MODEL),))


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
