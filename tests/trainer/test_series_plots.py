"""The pictures of several runs: they appear for ordinary and for odd results."""

import contextlib

import cv2
import pandas as pd
import pytest

from trainer import plots, series_plots

pytestmark = pytest.mark.usefixtures("drawn")


def _table(values, states=None):
    number = len(values)
    return pd.DataFrame(
        {
            "trial": range(number),
            "state": states or ["complete"] * number,
            "val_cross_entropy": values,
            "optimizer": (["adam", "sgd"] * number)[:number],
            "depth": ["1,1,1"] * number,
            "batch_size": ([32, 64] * number)[:number],
            "learning_rate": [10.0 ** -(2 + index % 3) for index in range(number)],
        }
    )


def _size(path):
    height, width, _ = cv2.imread(str(path)).shape
    return height, width


@pytest.mark.parametrize("number", [1, 3, 4])
def test_parts_are_drawn_in_rows_of_three(tmp_path, number):
    numbers = {"mean": 0.8, "interval": [0.7, 0.9], "values": [0.75, 0.85]}
    series_plots.plot_parts({f"metric_{index}": numbers for index in range(number)}, tmp_path / "a.png", "two parts")
    height, width = _size(tmp_path / "a.png")
    assert width == 10 * plots.DPI
    assert height == round(plots.DPI * (2.8 * (2 if number > 3 else 1) + 0.8))


@pytest.mark.parametrize(
    "table",
    [
        _table([0.5]),
        _table([0.5, 0.5, 0.5]),
        _table([0.5, 0.4, 300.0, 0.45], ["complete", "complete", "pruned", "complete"]),
    ],
    ids=["one", "equal", "stopped far above"],
)
def test_a_search_is_drawn(tmp_path, table):
    series_plots.plot_trials(table, tmp_path / "history.png", "a search")
    names = ["optimizer", "depth", "batch_size", "learning_rate"]
    series_plots.plot_parameters(table, names, ["learning_rate"], tmp_path / "parameters.png", "a search")
    assert _size(tmp_path / "history.png") == (round(4.5 * plots.DPI), 8 * plots.DPI)
    assert _size(tmp_path / "parameters.png") == (round(plots.DPI * 6.4), 10 * plots.DPI)


def test_names_stand_at_the_axis_and_rates_on_a_logarithmic_one(tmp_path, monkeypatch):
    kept, saved_figure = [], series_plots.saved_figure

    @contextlib.contextmanager
    def keep(path, **options):
        with saved_figure(path, **options) as figure:
            kept.append(figure)
            yield figure

    monkeypatch.setattr(series_plots, "saved_figure", keep)
    names = ["optimizer", "batch_size", "learning_rate"]
    series_plots.plot_parameters(_table([0.5, 0.4, 0.6]), names, ["learning_rate"], tmp_path / "a.png", "a search")
    optimizer, batch_size, learning_rate = kept[0].axes
    assert [tick.get_text() for tick in optimizer.get_xticklabels()] == ["adam", "sgd"]
    assert [axes.get_xscale() for axes in (batch_size, learning_rate)] == ["linear", "log"]
    assert [axes.get_xlabel() for axes in kept[0].axes] == ["optimizer", "batch size", "learning rate"]


def test_importance_is_drawn_a_bar_a_setting(tmp_path):
    series_plots.plot_importance({"learning_rate": 0.7, "zoom": 0.3}, tmp_path / "two.png", "a search")
    series_plots.plot_importance({f"s{index}": 0.1 for index in range(12)}, tmp_path / "twelve.png", "a search")
    assert _size(tmp_path / "twelve.png")[0] > _size(tmp_path / "two.png")[0]
