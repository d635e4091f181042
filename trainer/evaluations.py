"""Which faces a run is judged on, and where that judgement lies."""

import pathlib
import re
from typing import Any

import tensorflow_datasets as tfds

from gender_tfds import faces, reading, run_folder
from gender_tfds.saved_run import dataset_name, dataset_names
from trainer.config import TrainConfig
from trainer.lineage import seen_by_record


def own_folds(config: TrainConfig, dataset: str, split: str) -> tuple[int, ...] | None:
    """Returns the folds that are a split in a run, its own where it was trained on the data set; else None."""
    return config.folds(split) if dataset in config.datasets and split in faces.SPLIT_FOLDS else None


def is_of_run(record: dict[str, Any], builder: tfds.core.DatasetBuilder) -> bool:
    """Returns whether a run was trained on this very build of a data set."""
    parts = record["data"].get("parts", [record["data"]])
    return reading.fingerprint(builder)["sha256"] in [part["sha256"] for part in parts]


def saw_test(record: dict[str, Any], dataset: str) -> bool:
    """Returns whether a run, or a model it came from, has seen faces of the test split of a data set not its own."""
    seen = seen_by_record(record).get(dataset_name(dataset), ())
    return dataset not in dataset_names(record) and not set(seen).isdisjoint(faces.SPLIT_FOLDS["test"])


def evaluation_folder(workdir: pathlib.Path, own: str, dataset: str, split: str) -> pathlib.Path:
    """Returns the folder of a judgement: the run's for the test split of `own`, its first data set; else one below."""
    if (dataset, split) == (own, "test"):
        return workdir
    return workdir / run_folder.EVALUATIONS / re.sub("[:/]", "-", f"{dataset}-{split}")
