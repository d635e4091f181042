"""The pictures of a judgement, in the style of plots.py."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
import sklearn.calibration
from matplotlib.axes import Axes

from gender_tfds import faces, run_folder
from gender_tfds.face_slices import BOTH, MIN_SLICE
from trainer.metrics import CALIBRATION_BINS
from trainer.plots import TRAIN_COLOUR, VALIDATION_COLOUR, plot_gallery, saved_figure


def plot_confusion_matrix(matrix: Sequence[Sequence[int]], path: pathlib.Path, title: str) -> None:
    """Draws counts, and the share of each true class, as a heat map."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.array(
        [[f"{n:,}\n{share:.1%}" for n, share in zip(*rows, strict=True)] for rows in zip(counts, shares, strict=True)]
    )
    with saved_figure(path, figsize=(5.5, 4.5)) as figure:
        axes = figure.subplots()
        seaborn.heatmap(
            shares,
            ax=axes,
            annot=texts,
            fmt="",
            cmap="Blues",
            vmin=0,
            vmax=1,
            xticklabels=faces.GENDERS,
            yticklabels=faces.GENDERS,
            cbar_kws={"label": "share of the true class"},
        )
        axes.set(xlabel="predicted", ylabel="label")
        axes.set_title(title)


def plot_predictions(images: Sequence[np.ndarray], table: pd.DataFrame, path: pathlib.Path, title: str) -> None:
    """Draws up to 25 faces with the predicted and the true label; wrong ones are framed and marked.

    Args:
      images: uint8 (size, size, 3) each.
      table: columns `label` and `p_female`, a row a picture.
      path: of the picture.
      title: above it.
    """
    texts, wrong = [], []
    for score, label in zip(table["p_female"], table["label"], strict=True):
        prediction = run_folder.Prediction.from_probability("", float(score))
        texts.append(f"{prediction.gender} ({prediction.confidence:.0%}) / {faces.GENDERS[label]}")
        wrong.append(prediction.gender != faces.GENDERS[label])
    plot_gallery(images, texts, path, f"{title}\npredicted (confidence) / label; wrong ones framed and marked ✗", wrong)


def plot_reliability(label: np.ndarray, scores: Mapping[str, np.ndarray], path: pathlib.Path, title: str) -> None:
    """Draws the share of female faces against the score, and how many faces have which score.

    Args:
      label: class numbers, (n,).
      scores: name -> probabilities of female, (n,); such as those before and after calibration.
      path: of the picture.
      title: above it.
    """
    with saved_figure(path, figsize=(6, 6.5)) as figure:
        axes, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        axes.plot([0, 1], [0, 1], ":", color="grey", label="a probability that can be taken at its word")
        for (name, score), colour, marker in zip(scores.items(), (VALIDATION_COLOUR, TRAIN_COLOUR), "so", strict=False):
            shares, means = sklearn.calibration.calibration_curve(label, score, n_bins=CALIBRATION_BINS)
            axes.plot(means, shares, f"{marker}-", color=colour, label=name)
            counts.hist(score, bins=CALIBRATION_BINS, range=(0, 1), histtype="step", color=colour, linewidth=1.5)
        axes.set(ylabel="share of faces labelled female", title=title)
        axes.legend(loc="best")
        counts.set(xlabel="score, the predicted probability of female", ylabel="faces")


def plot_coverage(curve: pd.DataFrame, proposals: Sequence[Mapping], path: pathlib.Path, title: str) -> None:
    """Draws accuracy against coverage as `--min_confidence` grows, and the proposed values.

    Args:
      curve: of `calibration.coverage_curve`.
      proposals: of `calibration.apply_confidences`.
      path: of the picture.
      title: above it.
    """
    with saved_figure(path, figsize=(7, 4.5)) as figure:
        axes = figure.subplots()
        axes.plot(curve["coverage"], curve["accuracy"], color=TRAIN_COLOUR, label="accuracy on the faces decided")
        axes.fill_between(
            curve["coverage"], curve["low"], curve["high"], color=TRAIN_COLOUR, alpha=0.2, label="95 % interval"
        )
        reached = [proposal for proposal in proposals if proposal["accuracy"] is not None]
        for proposal, marker in zip(reached, itertools.cycle("osD^v")):
            name = f"--min_confidence={proposal['min_confidence']:.4f}, proposed for {proposal['target']:.0%}"
            axes.plot(proposal["coverage"], proposal["accuracy"], marker, color=VALIDATION_COLOUR, label=name)
        axes.set(
            xlabel="coverage: share of faces that are decided, as --min_confidence falls from left to right",
            ylabel="accuracy",
            xlim=(0, 1.02),
            ylim=(min(0.98, curve["accuracy"].min() - 0.02), 1.003),
            title=title,
        )
        axes.legend(loc="best")  # below a good model's curve, above a poor one's


def plot_slices(slices: pd.DataFrame, overall: float, path: pathlib.Path, title: str) -> None:
    """Draws the error rate of each slice with its interval; those by age and ethnicity together beside the others.

    Args:
      slices: of `compute_slices`.
      overall: error rate of all faces.
      path: of the picture.
      title: above it.
    """
    single, both = slices[slices["by"] != BOTH], slices[(slices["by"] == BOTH) & slices["ranked"].astype(bool)]
    height = 0.24 * max(len(single), len(both), 4) + 1.8
    with saved_figure(path, figsize=(11, height)) as figure:
        figure.suptitle(f"{title}\nerror rate with 95 % interval; dashed: of all faces; hollow: fewer than {MIN_SLICE}")
        left, right = figure.subplots(1, 2, sharex=True)
        left.set_xlim(0, 1.05 * max(slices["error_rate_high"], default=1))
        _forest(left, single, overall, "by age, by ethnicity")
        _forest(right, both, overall, f"by both, {MIN_SLICE} faces or more")


def _forest(axes: Axes, slices: pd.DataFrame, overall: float, title: str) -> None:
    slices = slices.iloc[::-1]  # the worst comes first in the table, and on top
    rate = slices["error_rate"].to_numpy()
    ends = [rate - slices["error_rate_low"], slices["error_rate_high"] - rate]
    places = np.arange(len(slices))
    axes.axvline(overall, color="grey", linestyle="--")
    axes.errorbar(rate, places, xerr=np.maximum(ends, 0), fmt="none", color=TRAIN_COLOUR)
    ranked = slices["ranked"].to_numpy(bool)
    axes.plot(rate[ranked], places[ranked], "o", color=TRAIN_COLOUR)
    axes.plot(rate[~ranked], places[~ranked], "o", color=TRAIN_COLOUR, markerfacecolor="white")
    axes.set_yticks(places, [f"{name} (n = {n:,})" for name, n in zip(slices["slice"], slices["n"], strict=True)])
    if slices.empty:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes, backgroundcolor="white")
    axes.set(xlabel="error rate", ylabel="slice", title=title)
