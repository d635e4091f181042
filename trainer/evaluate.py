"""Judge a classifier on a split: one ordered pass, a table, numbers from the table, pictures, a report, a card."""

import dataclasses
import json
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import pandas as pd
import tensorflow_datasets as tfds
import tqdm

from gender_tfds import reading, run_folder, shards
from gender_tfds.atomic_files import write_text
from gender_tfds.folder_lock import locked
from gender_tfds.run_folder import Prediction
from gender_tfds.saved_run import data_folder, data_note, load_classifier, load_record, load_run
from gender_tfds.user_error import UserError
from trainer import calibration, explain, judgement_plots, metrics, mistakes, model_card, report, slices
from trainer.config import TrainConfig
from trainer.evaluations import evaluation_folder, is_of_run, own_folds, saw_test
from trainer.input_pipeline import make_eval_dataset
from trainer.plots import GALLERY
from trainer.predictions import read_table

log = logging.getLogger(__name__)

TRUTH = ("label", "age", "ethnicity", "group", "fold")  # what a table of judged faces adds to a prediction's columns
_BATCH = 256
_SHOWN_SIZE = 96  # pixels of a face in a picture of faces, if the model's are smaller


def predict_split(
    model: keras.Model,
    builder: tfds.core.DatasetBuilder,
    split: str,
    folds: Sequence[int] | None = None,
    min_confidence: float = 0.0,
) -> pd.DataFrame:
    """Returns the table of `predictions.csv`, a row a face in the order of `read_encoded`.

    Args:
      model: pixels in [0, 255] to probability of female.
      builder: of the data set.
      split: of it.
      folds: to take instead of the split's own.
      min_confidence: below it a face is undecided.

    Returns:
      A table with the columns of `Prediction` and `TRUTH`.

    Raises:
      UserError: no faces, labels that are no class, or a model that gives no probabilities.
    """
    total = reading.check_split(builder, split) if folds is None else None
    rows = []
    with tqdm.tqdm(desc=f"Judging {split}", total=total, unit=" images", disable=None, leave=False) as bar:
        for batch in make_eval_dataset(builder, split, model.input_shape[1], _BATCH, folds).as_numpy_iterator():
            scores = keras.ops.convert_to_numpy(model.predict_on_batch(batch["image"]))[:, 0]
            for number, score in enumerate(scores):
                path = batch["filename"][number].decode()
                prediction = Prediction.from_probability(path, float(score), min_confidence)
                truth = {name: batch[name][number] for name in TRUTH}
                truth["group"] = truth["group"].decode()
                rows.append({**dataclasses.asdict(prediction), **truth})
            bar.update(len(scores))
    table = pd.DataFrame(rows, columns=[*Prediction.__dataclass_fields__, *TRUTH])
    if table.empty:
        raise UserError(f"the data set {builder.info.full_name} has no faces to judge on in the split {split!r}")
    reading.check_labels(builder, table["label"])
    if strange := int(table["p_female"].isna().sum()):
        raise UserError(
            f"the model gives no probability for {strange:,} of {len(table):,} faces of {builder.info.full_name}: it is"
            " damaged, or its training diverged; train it again"
        )
    return table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a model is judged on, and where the results go.

    Attributes:
      workdir: the run folder, for settings, history and calibration.
      model: pixels in [0, 255] to probability of female.
      builder: of the data set to judge on.
      split: of it.
      folds: to take instead of the split's own.
      folder: where to write.
      min_confidence: below it a face is undecided.
      explained: right and wrong faces, so many of each, whose heat maps are drawn.
    """

    workdir: pathlib.Path
    model: keras.Model
    builder: tfds.core.DatasetBuilder
    split: str
    folds: Sequence[int] | None
    folder: pathlib.Path
    min_confidence: float = 0.0
    explained: int = 0

    def run(self) -> dict:
        """Writes table, numbers and pictures; returns the content of `metrics.json`, which is the last file written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        table = predict_split(self.model, self.builder, self.split, self.folds, self.min_confidence)
        write_text(self.folder / run_folder.PREDICTIONS, table.to_csv(index=False))
        # from the file, not from memory: anybody can compute the same numbers from it
        table = read_table(self.folder / run_folder.PREDICTIONS, ("label", "p_female"), "judge again")
        record = load_record(self.workdir)
        fitted = load_calibration(self.workdir)
        of_slices = slices.compute_slices(table)
        numbers = {
            "dataset": self.builder.info.full_name,
            "split": self.split,
            "note": _notes(record, self.builder),
            **metrics.compute_metrics(table),
            "worst_slice": slices.worst_slice(of_slices),
            "min_confidence": self.min_confidence,
            "proposals": calibration.apply_confidences(table, fitted["proposals"]),
        }
        write_text(self.folder / run_folder.SLICES, of_slices.to_csv(index=False))
        write_text(self.folder / run_folder.CLASSIFICATION_REPORT, metrics.classification_report(table))
        self._draw(table, of_slices, numbers, fitted)
        page = report.make_report(record, numbers, of_slices, fitted, self.workdir, self.folder)
        write_text(self.folder / run_folder.REPORT, page)
        if self.folder == self.workdir:
            write_text(self.folder / run_folder.MODEL_CARD, model_card.make_model_card(record, numbers, of_slices))
        write_text(self.folder / run_folder.METRICS, json.dumps(numbers, indent=2) + "\n")
        return numbers

    def _draw(self, table: pd.DataFrame, of_slices: pd.DataFrame, numbers: dict, fitted: dict) -> None:
        title = f"{self.builder.info.full_name}, {self.split}, n = {len(table):,}"
        judgement_plots.plot_confusion_matrix(
            numbers["confusion_matrix"],
            self.folder / run_folder.CONFUSION_MATRIX,
            f"{title}\naccuracy {numbers['accuracy']:.1%}",
        )
        judgement_plots.plot_slices(of_slices, 1 - numbers["accuracy"], self.folder / run_folder.SLICES_PLOT, title)
        score = table["p_female"].to_numpy()
        before = calibration.at_temperature(score, 1 / fitted["temperature"])
        judgement_plots.plot_reliability(
            table["label"].to_numpy(),
            {"before calibration": before, "as saved": score},
            self.folder / run_folder.RELIABILITY_PLOT,
            title,
        )
        curve = calibration.coverage_curve(table)
        judgement_plots.plot_coverage(curve, numbers["proposals"], self.folder / run_folder.COVERAGE_PLOT, title)
        shown = {
            run_folder.SAMPLE_PREDICTIONS: ("first faces", table.head(GALLERY)),
            run_folder.CONFIDENT_ERRORS: ("most confident errors", mistakes.most_confident_errors(table, GALLERY)),
            run_folder.UNCERTAIN_FACES: ("most uncertain faces", mistakes.most_uncertain(table, GALLERY)),
        }
        paths = {path for _, rows in shown.values() for path in rows["path"]}
        size = max(self.model.input_shape[1], _SHOWN_SIZE)
        pictures = mistakes.read_pictures(self.builder, self.split, self.folds, paths, size)
        for name, (what, rows) in shown.items():
            images = [pictures[path] for path in rows["path"]]
            judgement_plots.plot_predictions(images, rows, self.folder / name, f"{title}: {what}")
        (self.folder / run_folder.EXPLANATIONS).unlink(missing_ok=True)  # of a model that may have learned since
        if self.explained:
            self._explain(explain.choose_examples(table, self.explained), title)

    def _explain(self, examples: pd.DataFrame, title: str) -> None:
        size = self.model.input_shape[1]
        pictures = mistakes.read_pictures(self.builder, self.split, self.folds, set(examples["path"]), size)
        explain.plot_explanations(self.model, examples, pictures, self.folder / run_folder.EXPLANATIONS, title)


def load_calibration(workdir: pathlib.Path) -> dict[str, Any]:
    """Returns the content of a run's `calibration.json`; a temperature of 1 and no proposals where there is none."""
    path = workdir / run_folder.CALIBRATION
    return json.loads(path.read_text()) if path.is_file() else {"temperature": 1.0, "proposals": []}


def _notes(record: dict[str, Any], judged: tfds.core.DatasetBuilder) -> str:
    """Returns what must be said of the data that the run was trained on and of those it is judged on, each once."""
    notes = [data_note(record), data_note({"data": reading.fingerprint(judged)})]
    return " ".join(dict.fromkeys(notes))


def evaluate_workdir(
    workdir: str | pathlib.Path,
    dataset: str | None,
    split: str,
    data_dir: str | None,
    min_confidence: float = 0.0,
    explained: int = 0,
) -> tuple[dict, pathlib.Path]:
    """Judges the model of a run folder again.

    Args:
      workdir: the run folder.
      dataset: name of a built data set; the run's first if None.
      split: of it.
      data_dir: where it was built; where the run found its own if None.
      min_confidence: below it a face is undecided.
      explained: right and wrong faces, so many of each, whose heat maps are drawn.

    Returns:
      The content of `metrics.json`, and the folder it is in: the run folder for the run's own test faces, else one
      below it, so that the run's own judgement stays.

    Raises:
      UserError: no run folder, or one in which another command works; no such data set, no such split, or a damaged
        shard; faces to explain on a backend without gradients; a model that gives no numbers.
    """
    if explained:
        explain.check_backend()
    workdir = pathlib.Path(workdir).expanduser()
    record = load_run(workdir)
    config = TrainConfig.from_json(record["settings"])
    dataset = dataset or config.datasets[0]
    data_dir = data_folder(record, data_dir)
    builder = reading.open_built(dataset, data_dir)
    reading.check_split(builder, split)
    model = load_classifier(workdir / run_folder.MODEL)
    own, folds = config.datasets[0], own_folds(config, dataset, split)
    if dataset in config.datasets and not is_of_run(record, builder):
        log.warning(
            "The run in %s was trained on another build of %s than that in %s: some of these faces may be among those"
            " that it was trained on.",
            *(workdir, dataset, reading.resolve_data_dir(data_dir)),
        )
        own, folds = "", None
    if split == "test" and saw_test(record, dataset):
        log.warning(
            "The run in %s, or a model it came from, has seen faces of this test split of %s.", workdir, dataset
        )
    folder = evaluation_folder(workdir, own, dataset, split)
    judgement = Judgement(
        workdir=workdir,
        model=model,
        builder=builder,
        split=split,
        folds=folds,
        folder=folder,
        min_confidence=min_confidence,
        explained=explained,
    )
    with locked(workdir, "--workdir"), shards.told([builder]):
        return judgement.run(), folder
