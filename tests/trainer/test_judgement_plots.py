"""The pictures of a judgement show what they should. How they look was looked at."""

import numpy as np
import pandas as pd
import pytest

from tests.trainer.pictures import count_orange, read_picture
from trainer import calibration, judgement_plots
from trainer.slices import COLUMNS, compute_slices

pytestmark = pytest.mark.usefixtures("drawn")


def _differ(path, draw, one, other):
    draw(one, path / "one.png")
    draw(other, path / "other.png")
    return not np.array_equal(read_picture(path / "one.png"), read_picture(path / "other.png"))


def _table(n=200):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, n)
    score = np.clip(rng.normal(0.3 + 0.4 * label, 0.2), 0, 1)
    return pd.DataFrame(
        {"label": label, "p_female": score, "age": rng.integers(0, 90, n), "ethnicity": rng.integers(0, 5, n)}
    )


def test_confusion_matrix(tmp_path):
    def draw(matrix, path):
        judgement_plots.plot_confusion_matrix(matrix, path, "a title")

    assert _differ(tmp_path, draw, [[90, 10], [5, 95]], [[10, 90], [95, 5]])
    draw([[0, 0], [0, 7]], tmp_path / "empty_row.png")
    read_picture(tmp_path / "empty_row.png")


def test_a_wrong_prediction_is_marked_and_a_right_one_is_not(tmp_path):
    images = np.full((2, 32, 32, 3), 128, np.uint8)
    for name, scores in (("right", [0.2, 0.8]), ("wrong", [0.2, 0.3])):
        table = pd.DataFrame({"label": [0, 1], "p_female": scores})
        judgement_plots.plot_predictions(images, table, tmp_path / f"{name}.png", "a title")
    assert count_orange(tmp_path / "right.png") == 0
    assert count_orange(tmp_path / "wrong.png") > 50


def test_reliability_of_one_set_of_scores_and_of_two(tmp_path):
    table = _table()
    label, score = table["label"].to_numpy(), table["p_female"].to_numpy()

    def draw(scores, path):
        judgement_plots.plot_reliability(label, scores, path, "a title")

    assert _differ(tmp_path, draw, {"as saved": score}, {"before": score**2, "as saved": score})


def test_coverage_shows_the_proposals(tmp_path):
    curve = calibration.coverage_curve(_table())
    reached = {"target": 0.95, "min_confidence": 0.8, "coverage": 0.5, "accuracy": 0.96}
    missed = {"target": 0.99, "min_confidence": None, "coverage": 0.0, "accuracy": None}

    def draw(proposals, path):
        judgement_plots.plot_coverage(curve, proposals, path, "a title")

    assert _differ(tmp_path, draw, [reached, missed], [missed])
    assert count_orange(tmp_path / "one.png") > count_orange(tmp_path / "other.png") == 0


@pytest.mark.parametrize("n", [200, 3])
def test_slices_of_many_faces_and_of_few(tmp_path, n):
    slices = compute_slices(_table(n))
    judgement_plots.plot_slices(slices, 0.2, tmp_path / "s.png", "a title")
    read_picture(tmp_path / "s.png")


def test_no_slice_is_a_picture_too(tmp_path):
    judgement_plots.plot_slices(pd.DataFrame(columns=COLUMNS), 0.2, tmp_path / "s.png", "a title")
    read_picture(tmp_path / "s.png")
