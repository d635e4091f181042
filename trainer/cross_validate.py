"""Train and judge on each part of the data in turn: every picture is predicted by a model that has not seen it."""

import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from gender_tfds import faces, run_folder, shards
from gender_tfds.atomic_files import write_text
from gender_tfds.folder_lock import locked
from gender_tfds.saved_run import architecture, data_note, dataset_names
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.epoch import check_shown
from trainer.out_of_fold import count_folds, gather_predictions, part_folder, summarize
from trainer.parts import split_parts
from trainer.run_state import CROSS_VALIDATION, prepare_workdir
from trainer.series_plots import plot_parts
from trainer.train import prepare_training, train_and_evaluate

log = logging.getLogger(__name__)

PICTURE = "cross_validation.png"
_OWN = ("fold_*", PICTURE)


def cross_validate(
    config: TrainConfig,
    folds: int,
    data_dir: str | None,
    workdir: str | pathlib.Path,
    *,
    cache_dir: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict:
    """Trains a classifier for each part of the data, and judges each on the faces it has not seen.

    Args:
      config: the settings of every part but for its folds.
      folds: into how many parts to divide the data, one of `parts.PARTS`.
      data_dir: where the data set was built; TFDS' default if None.
      workdir: folder for a run folder a part, `fold_0` and on, and for the results over all of them.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      resume: go on after the last finished epoch of the last begun part, or start if there is none.
      overwrite: replace the cross-validation in `workdir`.

    Returns:
      The content of `metrics.json`: `metrics`, each over the parts as in `over_parts`; `pooled`, the numbers of all
      predictions together; and with several data sets the same for each of them, under `datasets`.

    Raises:
      UserError: a number of parts that the ten folds don't give, folds among the settings, a part without faces or
        that nothing can be learnt from, no such data set, a damaged shard, settings that exclude each other, or a
        workdir in use.
    """
    parts = [part.checked(cache_dir) for part in split_parts(config, folds)]
    workdir = pathlib.Path(workdir).expanduser()
    training, record = prepare_training(config, data_dir, cache_dir)
    with shards.told(training.builders):
        counts = {name: count_folds(of) for name, of in zip(config.datasets, training.builders, strict=True)}
    _check_faces(parts, counts)
    record |= {"kind": CROSS_VALIDATION, "kind_settings": {"folds": folds}}
    with locked(workdir, "--workdir"):
        prepare_workdir(workdir, record, resume=resume, overwrite=overwrite, own=_OWN)
        if (workdir / run_folder.METRICS).is_file():
            log.info("The cross-validation in %s is finished; nothing to resume.", workdir)
            return json.loads((workdir / run_folder.METRICS).read_text())
        _train_parts(parts, data_dir, workdir, cache_dir)
        table = gather_predictions(workdir, parts, counts)
        write_text(workdir / run_folder.PREDICTIONS, table.to_csv(index=False))
        return _write_numbers(workdir, record)


def _train_parts(
    parts: Sequence[TrainConfig], data_dir: str | None, workdir: pathlib.Path, cache_dir: str | None
) -> None:
    for number, part in enumerate(parts):
        keras.backend.clear_session()  # Keras keeps something of every model that a process builds
        numbers = train_and_evaluate(part, data_dir, part_folder(workdir, number), cache_dir=cache_dir, resume=True)
        log.info(
            "Part %d of %d, judged on the folds %s: accuracy %.4f, log loss %.4f.",
            *(number + 1, len(parts), ", ".join(part.test_folds), numbers["accuracy"], numbers["log_loss"]),
        )


def _check_faces(parts: Sequence[TrainConfig], counts: Mapping[str, np.ndarray]) -> None:
    for folds in [part.folds(split) for part in parts for split in faces.SPLIT_FOLDS]:
        for name, of_set in counts.items():
            if not of_set[list(folds)].any():
                raise UserError(
                    f"the data set {name!r} has no faces in the folds {', '.join(map(str, folds))}: it is too small for"
                    f" --folds={len(parts)}"
                )
    for part in parts:
        numbers = (of_set[list(part.folds("train"))].sum(axis=0) for of_set in counts.values())
        check_shown(part, [dict(zip(faces.GENDERS, map(int, of_set), strict=True)) for of_set in numbers])


def _write_numbers(workdir: pathlib.Path, record: dict[str, Any]) -> dict:
    # from the file, not from memory: anybody can compute the same numbers from it
    table = pd.read_csv(workdir / run_folder.PREDICTIONS)
    folds, names = record["kind_settings"]["folds"], dataset_names(record)
    numbers = {"dataset": record["data"]["name"], "folds": folds, "note": data_note(record), **summarize(table)}
    if len(names) > 1:
        numbers["datasets"] = {name: summarize(table[table["dataset"] == name]) for name in names}
    title = f"{architecture(record)} on {numbers['dataset']}, {folds} parts, n = {len(table):,}"
    plot_parts(numbers["metrics"], workdir / PICTURE, title)
    write_text(workdir / run_folder.METRICS, json.dumps(numbers, indent=2) + "\n")
    return numbers
