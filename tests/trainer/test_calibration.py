"""Calibration: the temperature is found again, folded in exactly, and coverage is counted rightly."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.special

from trainer import calibration
from trainer.config import TrainConfig
from trainer.metrics import METRICS
from trainer.models import build_model


def _drawn(temperature, n=20_000, seed=0):
    """Labels drawn from true probabilities, and the scores of a model that is too sure by this temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    label = (rng.random(n) < scipy.special.expit(logits)).astype(int)
    return label, scipy.special.expit(logits * temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_model_that_is_too_sure_is_found_again(temperature):
    label, score = _drawn(temperature)
    assert calibration.fit_temperature(label, score) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_one_of_the_lowest_log_loss():
    label, score = _drawn(2.0, n=2000)
    best = calibration.fit_temperature(label, score)
    losses = [METRICS["log_loss"](label, calibration.at_temperature(score, best * factor)) for factor in (0.8, 1, 1.25)]
    assert losses[1] == min(losses)


def test_scores_without_a_fault_do_not_become_certain():
    label, score = np.array([0] * 20 + [1] * 20), np.array([0.4] * 20 + [0.6] * 20)
    scaled = calibration.at_temperature(score, calibration.fit_temperature(label, score))
    assert scaled.max() == pytest.approx(21 / 22, abs=0.01)  # Platt's target
    everything = calibration.fit_temperature(label, label.astype(float))  # scores of exactly 0 and 1
    assert np.isfinite(everything)


def test_the_saved_model_holds_the_temperature(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(TrainConfig(image_size=32))
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("float32")
    before = model.predict(images, verbose=0)
    score = before[:, 0].astype(float)
    table = pd.DataFrame({"label": (score > np.median(score)).astype(int), "p_female": score})
    fitted = calibration.calibrate(model, table)
    model.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras").predict(images, verbose=0)
    np.testing.assert_allclose(after, calibration.at_temperature(before, fitted["temperature"]), atol=1e-6)
    assert not np.allclose(after, before, atol=1e-4)
    np.testing.assert_array_equal(after > 0.5, before > 0.5)
    assert fitted["after"]["log_loss"] < fitted["before"]["log_loss"]
    assert fitted["n"] == 8


TABLE = pd.DataFrame({"label": [1, 0, 1, 0, 1], "p_female": [0.95, 0.1, 0.8, 0.8, 0.4]})


def test_coverage_on_a_small_table():
    curve = calibration.coverage_curve(TABLE)
    np.testing.assert_allclose(curve["min_confidence"], [0.95, 0.9, 0.8, 0.6])
    np.testing.assert_allclose(curve["coverage"], [1 / 5, 2 / 5, 4 / 5, 1])
    np.testing.assert_allclose(curve["accuracy"], [1, 1, 3 / 4, 3 / 5])
    assert (curve["low"] < curve["accuracy"]).all()


def test_the_proposal_is_the_one_of_the_largest_coverage_and_is_measured_elsewhere():
    proposals = calibration.propose_confidences(TABLE, targets=(0.7, 0.9))
    assert [proposal["min_confidence"] for proposal in proposals] == [pytest.approx(0.8), pytest.approx(0.9)]
    assert [proposal["coverage"] for proposal in proposals] == [4 / 5, 2 / 5]
    others = pd.DataFrame({"label": [1, 1, 0, 0], "p_female": [0.99, 0.85, 0.91, 0.45]})
    applied = calibration.apply_confidences(others, proposals)
    assert [(one["coverage"], one["accuracy"]) for one in applied] == [(3 / 4, 2 / 3), (2 / 4, 1 / 2)]


def test_a_target_that_nothing_reaches_is_said_to_be_none():
    wrong = TABLE.assign(label=1 - TABLE["label"])[:2]
    (proposal,) = calibration.propose_confidences(wrong, targets=(0.9,))
    assert proposal == {"target": 0.9, "min_confidence": None}
    assert calibration.apply_confidences(TABLE, [proposal])[0]["accuracy"] is None
