"""The pictures of several runs together, in the style of plots.py."""

import contextlib
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer.plots import TRAIN_COLOUR, VALIDATION_COLOUR, saved_figure

_COLUMNS = 3
_VALUE = "validation cross-entropy"


def plot_parts(metrics: Mapping[str, Mapping[str, Any]], path: pathlib.Path, title: str) -> None:
    """Draws each number of a cross-validation: its value in every part, its mean and the interval of that.

    Args:
      metrics: name -> `mean`, `interval` and `values`.
      path: of the picture.
      title: above it.
    """
    with _grid(len(metrics), path, title) as every:
        for axes, (name, numbers) in zip(every, metrics.items(), strict=True):
            values, (low, high) = numbers["values"], numbers["interval"]
            axes.axhspan(low, high, color=VALIDATION_COLOUR, alpha=0.15, linewidth=0, label="95 % interval of the mean")
            axes.axhline(numbers["mean"], color=VALIDATION_COLOUR, label="mean")
            axes.plot(range(len(values)), values, "o", color=TRAIN_COLOUR, label="a part")
            axes.set(xlabel="part", ylabel=name.replace("_", " "), xticks=range(len(values)))
            axes.set_title(f"{numbers['mean']:.4f} ± {high - numbers['mean']:.4f}", fontsize=10)
            axes.margins(x=0.1)


def plot_trials(table: pd.DataFrame, path: pathlib.Path, title: str) -> None:
    """Draws the value of each trial of a search, and the best one so far.

    Args:
      table: columns `trial`, `state` and `val_cross_entropy`, a row a trial.
      path: of the picture.
      title: above it.
    """
    completed = table[table["state"] == "complete"]
    with saved_figure(path, figsize=(8, 4.5)) as figure:
        axes = figure.subplots()
        _scatter(axes, table, "trial")
        lowest = completed["val_cross_entropy"].cummin()
        axes.step(completed["trial"], lowest, where="post", color=VALIDATION_COLOUR, label="lowest so far")
        axes.set(xlabel="trial; the first one has the settings that the search started from", ylabel=_VALUE)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.set_title(title)
        _legend(figure, axes)


def plot_parameters(
    table: pd.DataFrame, names: Sequence[str], logarithmic: Collection[str], path: pathlib.Path, title: str
) -> None:
    """Draws the value of each trial against each setting.

    Args:
      table: as for `plot_trials`, with a column for each setting.
      names: of the settings.
      logarithmic: those with a logarithmic axis.
      path: of the picture.
      title: above it.
    """
    with _grid(len(names), path, title) as every:
        for axes, name in zip(every, names, strict=True):
            numeric = pd.api.types.is_numeric_dtype(table[name])
            shown = table if numeric else table.assign(**{name: table[name].astype(str)}).sort_values(name)
            _scatter(axes, shown, name)
            axes.set(xlabel=name.replace("_", " "), ylabel=_VALUE)
            if name in logarithmic:
                axes.set_xscale("log")


def plot_importance(shares: Mapping[str, float], path: pathlib.Path, title: str) -> None:
    """Draws how much of the differences between trials each setting explains.

    Args:
      shares: setting -> its part, in [0, 1].
      path: of the picture.
      title: above it.
    """
    names = sorted(shares, key=lambda name: shares[name])
    with saved_figure(path, figsize=(7, 0.32 * len(names) + 1.6)) as figure:
        axes = figure.subplots()
        bars = axes.barh([name.replace("_", " ") for name in names], [shares[name] for name in names])
        axes.bar_label(bars, fmt="{:.2f}", padding=3)
        axes.margins(x=0.1)
        for bar in bars:
            bar.set_color(TRAIN_COLOUR)
        axes.set(xlabel="part of the variance of the validation cross-entropy (fANOVA)", ylabel="setting")
        axes.set_title(title)


def _scatter(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draws completed trials as dots, stopped ones as crosses, the best as a star; far values at the upper edge."""
    completed, stopped = (table[table["state"] == state] for state in ("complete", "pruned"))
    best = completed.loc[[completed["val_cross_entropy"].idxmin()]]
    low, high = completed["val_cross_entropy"].min(), completed["val_cross_entropy"].max()
    edge = high + 0.1 * (high - low)
    axes.plot(completed[name], completed["val_cross_entropy"], "o", color=TRAIN_COLOUR, label="completed")
    if len(stopped):
        values = stopped["val_cross_entropy"].clip(upper=edge)
        axes.plot(stopped[name], values, "x", color="grey", label="stopped early (if far above, at the edge)")
    axes.plot(best[name], best["val_cross_entropy"], "*", color=VALIDATION_COLOUR, markersize=14, label="the best")


@contextlib.contextmanager
def _grid(number: int, path: pathlib.Path, title: str) -> Iterator[np.ndarray]:
    """Yields that many axes in three columns, and puts the first one's legend below all."""
    rows = -(-number // _COLUMNS)
    with saved_figure(path, figsize=(10, 2.8 * rows + 0.8)) as figure:
        figure.suptitle(title)
        every = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        yield every[:number]
        for axes in every[number:]:
            axes.set_axis_off()
        _legend(figure, every[0])


def _legend(figure: Figure, axes: Axes) -> None:
    """Puts the legend of some axes below the figure, where it hides nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
