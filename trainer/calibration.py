"""How far a score can be taken for a probability: a temperature, and what leaving faces undecided buys.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from collections.abc import Iterable

import keras
import numpy as np
import pandas as pd
import scipy.optimize
import scipy.special

from gender_tfds.face_slices import rate_interval
from trainer.metrics import METRICS, predicted_labels

TARGETS = (0.95, 0.97, 0.98, 0.99)  # accuracies for which a confidence is proposed
_BOUNDS = (0.05, 20.0)
_TOLD = ("log_loss", "brier_score", "expected_calibration_error")


def fit_temperature(label: np.ndarray, score: np.ndarray) -> float:
    """Returns the temperature T at which sigmoid(logit(score) / T) has the lowest log loss.

    Platt's targets, not 0 and 1, are aimed at ("Probabilistic Outputs for Support Vector Machines", 1999): where scores
    separate the classes without a fault, as they may on a few faces, T would else go to 0.

    Args:
      label: class numbers, (n,).
      score: probabilities of female, (n,).
    """
    logits = scipy.special.logit(_inside(score))
    female = int(label.sum())
    target = np.where(label == 1, (female + 1) / (female + 2), 1 / (len(label) - female + 2))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=np.log(_BOUNDS), method="bounded").x))


def at_temperature(score: np.ndarray, temperature: float) -> np.ndarray:
    """Returns sigmoid(logit(score) / temperature). No label changes: 0.5 stays 0.5."""
    return scipy.special.expit(scipy.special.logit(_inside(score)) / temperature)


def fold_temperature(model: keras.Model, temperature: float) -> None:
    """Divides kernel and bias of a classifier's last layer, dense with a sigmoid, so that its scores are calibrated."""
    last = model.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])


def calibrate(model: keras.Model, table: pd.DataFrame) -> dict:
    """Fits a temperature on validation faces and folds it into the model.

    Args:
      model: a classifier; its last layer is changed.
      table: its predictions on validation faces, as for `compute_metrics`.

    Returns:
      `temperature`; `n`; `before` and `after`: log loss, Brier score and calibration error on these faces; `proposals`,
      see `propose_confidences`.
    """
    temperature = fit_temperature(table["label"].to_numpy(), table["p_female"].to_numpy())
    after = table.assign(p_female=at_temperature(table["p_female"].to_numpy(), temperature))
    fold_temperature(model, temperature)
    told = [
        {name: float(METRICS[name](of["label"].to_numpy(), of["p_female"].to_numpy())) for name in _TOLD}
        for of in (table, after)
    ]
    return {
        "temperature": temperature,
        "n": len(table),
        "before": told[0],
        "after": told[1],
        "proposals": propose_confidences(after),
    }


def coverage_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Returns what each choice of `min_confidence` gives: a row for each confidence that occurs, falling.

    Args:
      table: columns `label` and `p_female`.

    Returns:
      Columns `min_confidence`; `coverage`, the share of faces of that confidence or more; `accuracy` on them, and the
      ends `low` and `high` of its 95 % Wilson interval.
    """
    score = table["p_female"].to_numpy()
    faces_of = pd.DataFrame(
        {"min_confidence": np.maximum(score, 1 - score), "right": predicted_labels(table) == table["label"].to_numpy()}
    )
    by_confidence = (
        faces_of.groupby("min_confidence")["right"].agg(["sum", "size"]).sort_index(ascending=False).cumsum()
    )
    intervals = [rate_interval(int(right), int(n)) for right, n in by_confidence.to_numpy()]
    return pd.DataFrame(
        {
            "min_confidence": by_confidence.index,
            "coverage": by_confidence["size"].to_numpy() / len(table),
            "accuracy": (by_confidence["sum"] / by_confidence["size"]).to_numpy(),
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
        }
    )


def propose_confidences(table: pd.DataFrame, targets: Iterable[float] = TARGETS) -> list[dict]:
    """Returns for each target accuracy the lowest `min_confidence` that reaches it: the one of the largest coverage.

    Args:
      table: as for `coverage_curve`; of faces that the confidences are not judged by afterwards.
      targets: accuracies.

    Returns:
      Of each: `target`, `min_confidence`, and `coverage` and `accuracy` on these faces; if no confidence reaches it,
      `min_confidence` is None, and that is all.
    """
    curve = coverage_curve(table)
    proposals = []
    for target in targets:
        reached = curve[curve["accuracy"] >= target]
        found = {} if reached.empty else reached.iloc[-1][["min_confidence", "coverage", "accuracy"]].to_dict()
        proposals.append({"target": target, "min_confidence": None} | found)
    return proposals


def apply_confidences(table: pd.DataFrame, proposals: Iterable[dict]) -> list[dict]:
    """Returns what proposed confidences give on other faces: of each `coverage`, and `accuracy`, None if of no face.

    Args:
      table: as for `coverage_curve`.
      proposals: of `propose_confidences`.
    """
    score = table["p_female"].to_numpy()
    confidence, right = np.maximum(score, 1 - score), predicted_labels(table) == table["label"].to_numpy()
    applied = []
    for proposal in proposals:
        wanted = proposal["min_confidence"]
        chosen = confidence >= wanted if wanted is not None else np.zeros(len(table), bool)
        accuracy = float(right[chosen].mean()) if chosen.any() else None
        given = {"coverage": float(chosen.mean()), "accuracy": accuracy}
        applied.append({"target": proposal["target"], "min_confidence": wanted} | given)
    return applied


def _inside(score: np.ndarray) -> np.ndarray:
    """Keeps scores off 0 and 1, whose logits are infinite; float32's sigmoid gives them from 17 on."""
    return np.clip(np.asarray(score, float), 1e-7, 1 - 1e-7)
