"""Judge a classifier on a split: one ordered pass, a table, numbers from the table, pictures, a report, a card."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow_datasets as tfds
import tqdm

from gender_tfds import faces, reading, run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.run_folder import Prediction
from gender_tfds.saved_run import data_note, load_classifier, load_record
from trainer import metrics, plots, report
from trainer.config import TrainConfig
from trainer.input_pipeline import make_eval_dataset

TRUTH = ("label", "age", "ethnicity", "group", "fold")  # what a table of judged faces adds to a prediction's columns
_BATCH = 256


def predict_split(
    model: keras.Model, builder: tfds.core.DatasetBuilder, split: str, folds: Sequence[int] | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the table of `predictions.csv`, a row a face in the order of `read_encoded`, and the first pictures.

    Args:
      model: pixels in [0, 255] to probability of female.
      builder: of the data set.
      split: of it.
      folds: to take instead of the split's own.

    Returns:
      A table with the columns of `Prediction` and `TRUTH`, and uint8 (≤ 25, size, size, 3).
    """
    size = model.input_shape[1]
    total = reading.check_split(builder, split) if folds is None else None
    rows, shown = [], []
    with tqdm.tqdm(desc=f"Judging {split}", total=total, unit=" images", disable=None, leave=False) as bar:
        for batch in make_eval_dataset(builder, split, size, _BATCH, folds).as_numpy_iterator():
            scores = keras.ops.convert_to_numpy(model.predict_on_batch(batch["image"]))[:, 0]
            for number, score in enumerate(scores):
                prediction = Prediction.from_probability(batch["filename"][number].decode(), float(score))
                truth = {name: batch[name][number] for name in TRUTH}
                truth["group"] = truth["group"].decode()
                rows.append({**dataclasses.asdict(prediction), **truth})
            if not shown:
                shown = list(batch["image"][:25])
            bar.update(len(scores))
    return pd.DataFrame(rows), np.stack(shown)


def evaluate_run(
    workdir: pathlib.Path,
    model: keras.Model,
    builder: tfds.core.DatasetBuilder,
    split: str,
    folder: pathlib.Path | None = None,
    folds: Sequence[int] | None = None,
) -> dict:
    """Judges a model and writes the numbers and pictures of it.

    Args:
      workdir: the run folder, for settings and history.
      model: pixels in [0, 255] to probability of female.
      builder: of the data set to judge on.
      split: of it.
      folder: where to write; the run folder if None.
      folds: to take instead of the split's own.

    Returns:
      The content of `metrics.json`, which is the last file written.
    """
    folder = folder or workdir
    table, shown = predict_split(model, builder, split, folds)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / run_folder.PREDICTIONS, table.to_csv(index=False))
    # from the file, not from memory: anybody can compute the same numbers from it
    table = pd.read_csv(folder / run_folder.PREDICTIONS)
    record = load_record(workdir)
    numbers = {"dataset": builder.info.full_name, "split": split, "note": _notes(record, builder)}
    numbers |= metrics.compute_metrics(table)
    slices = metrics.compute_slices(table)
    numbers["worst_slice"] = metrics.worst_slice(slices)
    write_text(folder / run_folder.SLICES, slices.to_csv(index=False))
    title = f"{builder.info.full_name}, {split}, n = {len(table):,}"
    plots.plot_confusion_matrix(
        numbers["confusion_matrix"],
        folder / run_folder.CONFUSION_MATRIX,
        f"{title}\naccuracy {numbers['accuracy']:.1%}",
    )
    first = table.head(len(shown))
    plots.plot_sample_predictions(
        shown, first["label"], first["p_female"], folder / run_folder.SAMPLE_PREDICTIONS, title
    )
    write_text(folder / run_folder.REPORT, report.make_report(record, numbers, slices, workdir, folder))
    if folder == workdir:
        write_text(folder / run_folder.MODEL_CARD, report.make_model_card(record, numbers, slices))
    write_text(folder / run_folder.METRICS, json.dumps(numbers, indent=2) + "\n")
    return numbers


def _notes(record: dict[str, Any], judged: tfds.core.DatasetBuilder) -> str:
    """Returns what must be said of the data that the run was trained on and of those it is judged on, each once."""
    notes = [data_note(record), data_note({"data": reading.fingerprint(judged)})]
    return " ".join(dict.fromkeys(notes))


def evaluate_workdir(
    workdir: str | pathlib.Path, dataset: str | None, split: str, data_dir: str | None
) -> tuple[dict, pathlib.Path]:
    """Judges the model of a run folder again.

    Args:
      workdir: the run folder.
      dataset: name of a built data set; the run's first if None.
      split: of it.
      data_dir: where it was built; where the run found its own if None.

    Returns:
      The content of `metrics.json`, and the folder it is in: the run folder for the run's own test faces, else one
      below it, so that the run's own judgement stays.

    Raises:
      UserError: no run folder, no such data set, or no such split.
    """
    workdir = pathlib.Path(workdir).expanduser()
    record = load_record(workdir)
    config = TrainConfig.from_json(record["settings"])
    dataset = dataset or config.datasets[0]
    builder = reading.open_built(dataset, data_dir or record["data_dir"])
    reading.check_split(builder, split)
    model = load_classifier(workdir / run_folder.MODEL)
    own = dataset == config.datasets[0] and split == "test"
    folder = workdir if own else evaluation_folder(workdir, dataset, split)
    # the splits of a run are its own where it was trained on the data set
    folds = config.folds(split) if dataset in config.datasets and split in faces.SPLIT_FOLDS else None
    return evaluate_run(workdir, model, builder, split, folder, folds), folder


def evaluation_folder(workdir: pathlib.Path, dataset: str, split: str) -> pathlib.Path:
    """Returns the folder for a judgement that is not the run's own."""
    return workdir / run_folder.EVALUATIONS / f"{dataset}-{split}".replace(":", "-")
