"""Two runs on the same faces."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from gender_tfds import reading, run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.face_slices import MIN_SLICE, slice_members
from gender_tfds.faces import GENDERS
from gender_tfds.saved_run import data_folder, dataset_names, load_record, load_run
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.evaluations import evaluation_folder, is_of_run, own_folds
from trainer.metrics import predicted_labels
from trainer.mistakes import read_pictures
from trainer.plots import GALLERY, plot_gallery
from trainer.predictions import read_table

SLICES, CHANGED = "slice_differences.csv", "changed_faces.csv"
GAINED, LOST = "wrong_to_right.png", "right_to_wrong.png"
_SIGNIFICANT = 0.05
_SIZE = 96  # pixels of a face in a picture


def read_judgement(workdir: pathlib.Path, dataset: str, split: str) -> pd.DataFrame:
    """Returns a run's predictions of a data set's split.

    Raises:
      UserError: there are none, or their table is damaged.
    """
    own = dataset_names(load_run(workdir))[0]
    path = evaluation_folder(workdir, own, dataset, split) / run_folder.PREDICTIONS
    remedy = f"make it with gender-evaluate --workdir={workdir} --dataset={dataset} --split={split}"
    if not path.is_file():
        raise UserError(f"{workdir} has no judgement of {dataset}, split {split}; {remedy}")
    return read_table(path, ["path", "label", "p_female", "age", "ethnicity"], remedy)


def pair(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Returns both runs' predictions of the same faces, a row a face.

    Args:
      first: content of a `predictions.csv`.
      second: another.

    Returns:
      Columns `path`, `label`, `age`, `ethnicity`; `first` and `second`, p(female) of each run; `first_right` and
      `second_right`.

    Raises:
      UserError: the tables are of other faces, or of other labels.
    """
    if set(first["path"]) != set(second["path"]) or len(first) != len(second):
        common = len(set(first["path"]) & set(second["path"]))
        raise UserError(
            f"the runs were judged on other faces: {len(first)} and {len(second)}, of which {common} are the same;"
            " judge both on the same data set and split"
        )
    second = second.set_index("path").loc[first["path"]].reset_index()
    other = int((first["label"].to_numpy() != second["label"].to_numpy()).sum())
    if other:
        raise UserError(f"{other} faces have another label in one run than in the other: they are of other data")
    right = {
        f"{name}_right": predicted_labels(table) == table["label"].to_numpy()
        for name, table in (("first", first), ("second", second))
    }
    scores = {"first": first["p_female"].to_numpy(), "second": second["p_female"].to_numpy()}
    return first[["path", "label", "age", "ethnicity"]].assign(**scores, **right)


def compare(paired: pd.DataFrame) -> dict[str, Any]:
    """Returns the accuracies, their difference and McNemar's exact test of it.

    The test asks of the faces that only one of the runs has right whether they are as many of either ("Note on the
    sampling error of the difference between correlated proportions or percentages", 1947); the binomial distribution
    gives its p-value exactly at every size. The interval of the difference is the percentile bootstrap's over faces.

    Args:
      paired: of `pair`.

    Returns:
      `n`, `first`, `second` (accuracies), `difference` (second less first), `interval` (95 %), `only_first`,
      `only_second` (faces that only one has right), `p_value`.
    """
    first, second = paired["first_right"].to_numpy(), paired["second_right"].to_numpy()
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    unequal = only_first + only_second
    gains = second.astype(float) - first
    interval = [0.0, 0.0]
    if unequal and len(paired) > 1:
        sampled = scipy.stats.bootstrap(
            (gains,), np.mean, vectorized=True, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
        )
        interval = [float(sampled.confidence_interval.low), float(sampled.confidence_interval.high)]
    return {
        "n": len(paired),
        "first": float(first.mean()),
        "second": float(second.mean()),
        "difference": float(gains.mean()),
        "interval": interval,
        "only_first": only_first,
        "only_second": only_second,
        "p_value": float(scipy.stats.binomtest(only_first, unequal).pvalue) if unequal else 1.0,
    }


def verdict(numbers: dict[str, Any]) -> str:
    """Returns what the numbers of `compare` say, in words."""
    counts = f"only the first has {numbers['only_first']:,} faces right, only the second {numbers['only_second']:,}"
    if numbers["p_value"] >= _SIGNIFICANT:
        return f"No difference is shown: {counts} (McNemar's exact test, p = {numbers['p_value']:.3g})."
    better = "second" if numbers["difference"] > 0 else "first"
    points = f"{100 * abs(numbers['difference']):.2f} points"
    return f"The {better} is better, by {points}: {counts} (McNemar's exact test, p = {numbers['p_value']:.3g})."


def compare_slices(paired: pd.DataFrame) -> pd.DataFrame:
    """Returns `compare` for each slice of faces, the largest loss first; `ranked` tells whether there are enough faces.

    With some 50 slices, two or three have a p-value below 0.05 by chance.
    """
    rows = []
    for (by, name), chosen in slice_members(paired).items():
        numbers = compare(paired[chosen])
        low, high = numbers.pop("interval")
        rows.append({"by": by, "slice": name, **numbers, "low": low, "high": high, "ranked": numbers["n"] >= MIN_SLICE})
    columns = ["by", "slice", *(field for field in compare(paired) if field != "interval"), "low", "high", "ranked"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["ranked", "difference"], ascending=[False, True], ignore_index=True)


def changed_faces(paired: pd.DataFrame) -> pd.DataFrame:
    """Returns the faces that one run has right and the other wrong, the largest change of the score first."""
    changed = paired[paired["first_right"] != paired["second_right"]]
    order = (changed["second"] - changed["first"]).abs().sort_values(ascending=False).index
    return changed.loc[order].reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two judged runs.

    Attributes:
      numbers: of `compare`.
      slices: of `compare_slices`.
      changed: of `changed_faces`.
      title: data set, split and number of faces.
    """

    numbers: dict[str, Any]
    slices: pd.DataFrame
    changed: pd.DataFrame
    title: str


def compare_runs(runs: tuple[pathlib.Path, pathlib.Path], dataset: str | None, split: str) -> Comparison:
    """Compares two runs on one data set's split; on the first run's own data set if None.

    Raises:
      UserError: a run has no such judgement or a damaged one, or they are of other faces.
    """
    dataset = dataset or dataset_names(load_record(runs[0]))[0]
    paired = pair(*(read_judgement(run, dataset, split) for run in runs))
    title = f"{dataset}, {split}, n = {len(paired):,}"
    return Comparison(compare(paired), compare_slices(paired), changed_faces(paired), title)


def describe(found: Comparison) -> str:
    """Returns a comparison for reading: both accuracies, the verdict, and the slices."""
    numbers = found.numbers
    low, high = numbers["interval"]
    ranked = found.slices[found.slices["ranked"].astype(bool)]
    columns = ["by", "slice", "n", "first", "second", "difference", "low", "high", "p_value"]
    slices = f"Slices of {MIN_SLICE} faces or more, the largest loss first:\n"
    slices += ranked[columns].to_string(index=False, float_format="{:.3f}".format)
    if ranked.empty:
        slices = f"No slice has {MIN_SLICE} faces: too few have a known age or ethnicity."
    return (
        f"{found.title}: accuracy {numbers['first']:.4f} and {numbers['second']:.4f},"
        f" difference {numbers['difference']:+.4f} (95 % interval {low:+.4f} to {high:+.4f})\n{verdict(numbers)}\n\n"
        f"{slices}"
    )


def write_comparison(
    found: Comparison, run: pathlib.Path, dataset: str | None, split: str, data_dir: str | None, folder: pathlib.Path
) -> None:
    """Writes the numbers, both tables, and pictures of the faces that changed.

    Args:
      found: the comparison.
      run: one of the runs, for where its data are.
      dataset: name of the data set; the run's own if None.
      split: of it.
      data_dir: where it was built; where the run found its own if None.
      folder: to write into.

    Raises:
      UserError: the data set is not there, or is not the one judged, after everything but the pictures was written.
    """
    write_text(folder / SLICES, found.slices.to_csv(index=False))
    write_text(folder / CHANGED, found.changed.to_csv(index=False))
    write_text(folder / run_folder.METRICS, json.dumps(found.numbers, indent=2) + "\n")
    record = load_record(run)
    config = TrainConfig.from_json(record["settings"])
    dataset = dataset or config.datasets[0]
    data_dir = data_folder(record, data_dir)
    builder = reading.open_built(dataset, data_dir)
    shown = {
        name: (found.changed[chosen.astype(bool)].head(GALLERY), what)
        for name, chosen, what in (
            (GAINED, found.changed["second_right"], "wrong in the first run, right in the second"),
            (LOST, found.changed["first_right"], "right in the first run, wrong in the second"),
        )
    }
    paths = {path for rows, _ in shown.values() for path in rows["path"]}
    same = dataset not in config.datasets or is_of_run(record, builder)
    pictures = read_pictures(builder, split, own_folds(config, dataset, split), paths, _SIZE) if same else {}
    if not same or paths - set(pictures):
        raise UserError(
            f"the data set {dataset!r} in {reading.resolve_data_dir(data_dir)} is another build than the one judged:"
            f" {folder} has the tables, but no pictures; give the --data_dir of that build"
        )
    for name, (rows, what) in shown.items():
        texts = [
            f"{GENDERS[label]}: {first:.2f} → {second:.2f}"
            for label, first, second in zip(rows["label"], rows["first"], rows["second"], strict=True)
        ]
        title = f"{found.title}: {what}\nlabel: probability of female, first → second"
        plot_gallery([pictures[path] for path in rows["path"]], texts, folder / name, title)
