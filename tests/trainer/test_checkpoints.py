"""A checkpoint restores everything, is refused when it is not whole, and early stopping follows from it."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from gender_tfds.user_error import UserError
from trainer.checkpoints import Checkpoints, Progress
from trainer.config import TrainConfig
from trainer.phases import Phase

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)


def _model(ema=0.0):
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    inputs = keras.Input((4,))
    noisy = keras.layers.GaussianNoise(0.5, seed=1)(inputs)
    model = keras.Model(inputs, classifier(noisy))
    optimizer = keras.optimizers.Adam(0.1, **({"use_ema": True, "ema_momentum": ema} if ema else {}))
    entropy = keras.metrics.BinaryCrossentropy(name="cross_entropy")
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy", entropy])
    model.optimizer.build(model.trainable_variables)
    return model, classifier


def _phase(epochs, schedule=None, image_size=32):
    return Phase(0, epochs, image_size, False, 0.1, schedule or (0, epochs))


def _fit(path, epochs, *, stop_after=None, validation=(X, Y), phase=None, **settings):
    """Trains as `trainer.fit` does; with `stop_after` only so many epochs, as if killed then."""
    model, classifier = _model(settings.get("ema", 0.0))
    checkpoints = Checkpoints(path, TrainConfig(epochs=epochs, image_size=32, **settings), faces=64)
    checkpoints.load()
    checkpoints.begin(phase or _phase(epochs), model, classifier)
    done = len(checkpoints.progress.history)
    if not checkpoints.progress.finished:
        model.fit(
            *(X, Y),
            batch_size=16,
            shuffle=False,
            initial_epoch=done,
            epochs=stop_after or epochs,
            validation_data=validation,
            callbacks=[checkpoints],
            verbose=0,
        )
    return checkpoints, model


def _numbers(history):
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in history]


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path):
    whole, model = _fit(tmp_path / "whole.npz", 5)
    _fit(tmp_path / "parts.npz", 5, stop_after=2)
    parts, resumed = _fit(tmp_path / "parts.npz", 5)
    assert _numbers(parts.progress.history) == _numbers(whole.progress.history)
    assert parts.progress.finished
    for ours, theirs in zip(parts.best_weights, whole.best_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(resumed.variables, model.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("forgotten", ["optimizer", "random generator"])
def test_a_checkpoint_without_one_part_would_be_noticed(tmp_path, forgotten):
    whole, _ = _fit(tmp_path / "whole.npz", 5)
    _fit(tmp_path / "parts.npz", 5, stop_after=2)
    fresh, _ = _model()
    arrays = dict(np.load(tmp_path / "parts.npz"))
    for number, variable in enumerate(fresh.variables):
        if forgotten == "random generator" and "seed" in variable.path:
            arrays[f"model_{number}"] = variable.numpy()
    for number, variable in enumerate(fresh.optimizer.variables):
        if forgotten == "optimizer":
            arrays[f"optimizer_{number}"] = variable.numpy()
    np.savez(tmp_path / "parts.npz", **arrays)
    parts, _ = _fit(tmp_path / "parts.npz", 5)
    assert _numbers(parts.progress.history) != _numbers(whole.progress.history)


def test_the_weights_kept_are_those_of_the_lowest_validation_loss(tmp_path):
    # labels turned round: validation gets worse from the first epoch on, while training gets better
    checkpoints, model = _fit(tmp_path / "c.npz", 4, validation=(X, 1 - Y))
    assert checkpoints.progress.best_epoch == 1
    classifier = model.layers[-1]
    assert not np.array_equal(classifier.get_weights()[0], checkpoints.best_weights[0])
    losses = []
    for weights in (checkpoints.best_weights, classifier.get_weights()):
        classifier.set_weights(weights)
        losses.append(model.evaluate(X, 1 - Y, verbose=0)[0])
    assert losses[0] < losses[1]


def test_early_stopping_counts_across_a_resume(tmp_path):
    worse = (X, 1 - Y)
    stopped, _ = _fit(tmp_path / "whole.npz", 9, early_stopping=3, validation=worse)
    assert len(stopped.progress.history) == 4  # the best is the first, then three without a better one
    assert stopped.progress.finished
    _fit(tmp_path / "parts.npz", 9, early_stopping=3, stop_after=2, validation=worse)
    parts, _ = _fit(tmp_path / "parts.npz", 9, early_stopping=3, validation=worse)
    assert len(parts.progress.history) == 4
    never, _ = _fit(tmp_path / "never.npz", 5, early_stopping=0, validation=worse)
    assert len(never.progress.history) == 5


def test_a_finished_run_does_not_train_again(tmp_path):
    _fit(tmp_path / "c.npz", 2)
    before = (tmp_path / "c.npz").read_bytes()
    again, _ = _fit(tmp_path / "c.npz", 2)
    assert again.progress.finished
    assert (tmp_path / "c.npz").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "other model"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path, damage):
    path = tmp_path / "c.npz"
    _fit(path, 2, stop_after=1)
    content = path.read_bytes()
    if damage == "other model":
        arrays = dict(np.load(path))
        arrays["model_0"] = np.zeros((7, 1), np.float32)
        np.savez(path, **arrays)
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\0" * 100, "empty": b""}[damage])
    with pytest.raises(UserError, match=r"c\.npz is damaged or of another model"):
        _fit(path, 2)


def test_a_loss_that_is_no_number_stops_and_the_last_good_state_stays(tmp_path):
    path = tmp_path / "c.npz"
    _fit(path, 3, stop_after=1)
    before = path.read_bytes()
    with pytest.raises(UserError, match="loss became"):
        _fit(path, 3, validation=(np.full_like(X, np.nan), Y))
    assert path.read_bytes() == before


def _rows(*losses, sizes=None):
    sizes = sizes or [32] * len(losses)
    pairs = zip(losses, sizes, strict=True)
    return [{"epoch": n, "val_cross_entropy": loss, "image_size": size} for n, (loss, size) in enumerate(pairs, 1)]


def test_progress_names_the_best_epoch():
    assert Progress().best_epoch == 0
    rows = _rows(0.5, 0.3, 0.4)
    assert Progress(rows).best_epoch == 2
    assert json.loads(json.dumps(rows)) == rows


def test_only_epochs_on_the_largest_pictures_compete():
    assert Progress(_rows(0.1, 0.5, 0.4, sizes=[32, 64, 64])).best_epoch == 3
    assert Progress(_rows(0.1, 0.5, 0.4)).best_epoch == 1


def test_the_optimizer_goes_on_under_its_schedule_and_starts_anew_under_another(tmp_path):
    path = tmp_path / "c.npz"
    _, trained = _fit(path, 4, stop_after=2)
    steps = int(trained.optimizer.iterations)
    assert steps == 8
    iterations = {}
    for name, schedule in (("same", (0, 4)), ("other", (2, 4))):
        model, classifier = _model()
        checkpoints = Checkpoints(path, TrainConfig(epochs=4), faces=64)
        checkpoints.load()
        checkpoints.begin(_phase(4, schedule), model, classifier)
        iterations[name] = int(model.optimizer.iterations)
        np.testing.assert_array_equal(model.get_weights()[0], trained.get_weights()[0])
    assert iterations == {"same": 8, "other": 0}


def test_a_time_limit_ends_a_run_before_an_epoch_that_would_be_too_long(tmp_path):
    limited, _ = _fit(tmp_path / "limited.npz", 9, max_minutes=1e-6)
    assert len(limited.progress.history) == 1
    assert limited.progress.finished
    free, _ = _fit(tmp_path / "free.npz", 3, max_minutes=60.0)
    assert len(free.progress.history) == 3


def test_with_ema_the_averages_are_judged_and_kept_and_training_goes_on_with_the_raw_weights(tmp_path):
    averaged, model = _fit(tmp_path / "ema.npz", 3, ema=0.99)
    plain, _ = _fit(tmp_path / "plain.npz", 3)
    assert _numbers(averaged.progress.history)[-1]["loss"] == pytest.approx(plain.progress.history[-1]["loss"])
    with np.load(tmp_path / "ema.npz") as ours, np.load(tmp_path / "plain.npz") as theirs:
        for number in range(len(model.variables)):
            np.testing.assert_allclose(ours[f"model_{number}"], theirs[f"model_{number}"], rtol=1e-5)
    kept, raw = averaged.best_weights[0], plain.best_weights[0]
    assert np.linalg.norm(kept - raw) > 0.05
    classifier = model.layers[-1]
    classifier.set_weights(averaged.best_weights)
    best = averaged.progress.history[averaged.progress.best_epoch - 1]
    judged = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert judged["cross_entropy"] == pytest.approx(best["val_cross_entropy"], rel=1e-4)
    resumed, _ = _fit(tmp_path / "parts.npz", 3, stop_after=1, ema=0.99)
    resumed, _ = _fit(tmp_path / "parts.npz", 3, ema=0.99)
    np.testing.assert_allclose(resumed.best_weights[0], kept, rtol=1e-5)


def test_early_stopping_waits_for_what_comes_after_smaller_pictures(tmp_path):
    settings = {"early_stopping": 2, "validation": (X, 1 - Y), "phase": dataclasses.replace(_phase(5), image_size=16)}
    first, _ = _fit(tmp_path / "c.npz", 20, stop_after=5, **settings)
    assert len(first.progress.history) == 5
    assert not first.progress.finished
    settings["phase"] = dataclasses.replace(_phase(20), first=5)
    then, _ = _fit(tmp_path / "c.npz", 20, **settings)
    assert then.progress.best_epoch == 6
    assert len(then.progress.history) == 8
    assert then.progress.finished


def test_early_stopping_waits_for_what_comes_after_a_frozen_base(tmp_path):
    settings = {"early_stopping": 2, "validation": (X, 1 - Y)}
    frozen = dataclasses.replace(_phase(5), frozen=True)
    first, _ = _fit(tmp_path / "c.npz", 20, stop_after=5, phase=frozen, **settings)
    assert len(first.progress.history) == 5
    assert not first.progress.finished
    then, _ = _fit(tmp_path / "c.npz", 20, phase=dataclasses.replace(_phase(20, (5, 20)), first=5), **settings)
    assert then.progress.best_epoch == 1
    assert len(then.progress.history) == 7  # it has two epochs to become better, however long ago the best was
    assert then.progress.finished
