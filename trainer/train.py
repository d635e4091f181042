"""From a built data set to a run folder with a judged model."""

import contextlib
import dataclasses
import json
import logging
import pathlib
from typing import Any

import keras
import numpy as np
import pandas as pd

from gender_tfds import faces, reading, run_folder, shards
from gender_tfds.atomic_files import atomic_path, write_text
from gender_tfds.folder_lock import locked
from trainer import distribution, plots, processes
from trainer.architectures import unused_flags
from trainer.augmentation import make_augmentation
from trainer.calibration import calibrate
from trainer.checkpoints import Checkpoints, DivergedError
from trainer.config import TrainConfig
from trainer.data_service import check_service
from trainer.epoch import Epoch
from trainer.evaluate import Judgement, predict_split
from trainer.evaluations import evaluation_folder
from trainer.fit import Training
from trainer.input_pipeline import make_eval_dataset
from trainer.models import build_model, load_teachers
from trainer.plots import GALLERY
from trainer.run_state import make_record, prepare_workdir

log = logging.getLogger(__name__)


def prepare_training(
    config: TrainConfig, data_dir: str | None, cache_dir: str | None, data_service: str | None = None
) -> tuple[Training, dict[str, Any]]:
    """Opens the data, sets the seed, builds the model, loads teachers. Arguments and errors as `train_and_evaluate`.

    Returns:
      The training, and the content of its `config.json`.
    """
    config.checked(cache_dir)
    check_service(data_service)
    # which raise, before the run folder is touched
    distribution.choose_jit(config, distribution.device_kind(), distribution.choose_workers(config))
    distribution.leave_accelerators_to_jax()
    builders = [reading.open_built(name, data_dir) for name in config.datasets]
    for builder in builders:
        for split in faces.SPLIT_FOLDS:
            reading.check_folds(builder, config.folds(split))

    keras.utils.set_random_seed(config.seed)
    classifier = build_model(config)
    if unused := unused_flags(config):  # refused without --init_from; with it they may be a preset's
        log.info("The network is that of --init_from=%s; not used: %s.", config.init_from, ", ".join(unused))
    config = dataclasses.replace(config, image_size=classifier.input_shape[1])
    teachers = load_teachers(config)
    device = distribution.device_kind()
    precision = distribution.choose_precision(config, device)
    data = reading.joint_fingerprint(builders)
    record = make_record(config, classifier.name, data, reading.resolve_data_dir(data_dir), device, precision)
    training = Training(
        config=config,
        builders=builders,
        classifier=classifier,
        precision=precision,
        teachers=teachers,
        cache_dir=cache_dir,
        data_service=data_service,
    )
    return training, record


def train_and_evaluate(
    config: TrainConfig,
    data_dir: str | None,
    workdir: str | pathlib.Path,
    *,
    cache_dir: str | None = None,
    data_service: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict:
    """Trains a classifier, judges it on the test split, and writes the run folder.

    Args:
      config: the settings.
      data_dir: where the data set was built; TFDS' default if None.
      workdir: the run folder.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      data_service: address of a tf.data service to read the training faces by.
      resume: go on after the last finished epoch of the run in `workdir`, or start if there is none.
      overwrite: replace the run in `workdir`.

    Returns:
      The content of `metrics.json`; nothing in a process other than the first, see `trainer.processes`.

    Raises:
      UserError: no such data set, settings that exclude each other, data that can't be learnt from, a workdir that
        holds a run or in which another command works, or a damaged shard.
      DivergedError: the loss is no number any more; the best model of the epochs before is kept.
    """
    workdir = pathlib.Path(workdir).expanduser()
    training, record = prepare_training(config, data_dir, cache_dir, data_service)
    processes.check_alike(
        [record["settings"], record["data"]["sha256"], resume, overwrite],
        "the processes were started with different settings or data; give each the same flags, but for --process_id",
    )
    with contextlib.ExitStack() as held, shards.told(training.builders):

        def begin() -> None:
            held.enter_context(locked(workdir, "--workdir"))
            prepare_workdir(workdir, record, resume=resume, overwrite=overwrite)

        shown = training.count()  # which raises, before the run folder is touched
        processes.first_does(begin)
        if (workdir / run_folder.METRICS).is_file():
            log.info("The run in %s is finished; nothing to resume.", workdir)
            return json.loads((workdir / run_folder.METRICS).read_text())
        return _train_and_judge(training, shown, workdir)


def _train_and_judge(training: Training, shown: Epoch, workdir: pathlib.Path) -> dict:
    config, builders, classifier = training.config, training.builders, training.classifier
    if processes.is_first():
        _plot_train_batch(training, workdir)
    try:
        with processes.losses_told():
            trained = training.run(workdir, shown=shown)
    except DivergedError as error:
        processes.leave()
        kept = _keep_last_good(training, workdir) if processes.is_first() else ""
        raise DivergedError(f"{error}{kept}") from error
    processes.leave()
    if not processes.is_first():
        return {}
    _keep(training, trained.best_weights, workdir)
    write_text(workdir / run_folder.LABELS, "".join(f"{gender}\n" for gender in faces.GENDERS))
    title = f"{classifier.name} on {', '.join(builder.info.full_name for builder in builders)}"
    plots.plot_history(trained.progress.history, trained.progress.best_epoch, workdir, title)
    plots.plot_model(classifier, workdir / run_folder.MODEL_PLOT)
    folds = config.folds("test")
    folders = [evaluation_folder(workdir, config.datasets[0], name, "test") for name in config.datasets]
    numbers = [
        Judgement(workdir=workdir, model=classifier, builder=builder, split="test", folds=folds, folder=folder).run()
        for builder, folder in reversed(list(zip(builders, folders, strict=True)))
    ]
    return numbers[-1]


def _keep(training: Training, weights: list[np.ndarray], workdir: pathlib.Path) -> None:
    """Writes the model of these weights, calibrated."""
    training.classifier.set_weights(weights)
    _calibrate(training, workdir)
    with atomic_path(workdir / run_folder.MODEL) as partial:
        training.classifier.save(partial)


def _keep_last_good(training: Training, workdir: pathlib.Path) -> str:
    """Writes the best model of the epochs before a loss that is no number; returns the end of a sentence about it."""
    checkpoints = Checkpoints(workdir / run_folder.CHECKPOINT, training.config, faces=0)
    checkpoints.read()  # alone: the other processes have ended
    if not checkpoints.best_weights:
        return "; no epoch before it had an end, so there is no model"
    _keep(training, checkpoints.best_weights, workdir)
    return f"; {workdir / run_folder.MODEL} is the model of epoch {checkpoints.progress.best_epoch}, the best before it"


def _calibrate(training: Training, workdir: pathlib.Path) -> None:
    """Folds into the classifier the temperature that fits the validation faces of all data sets best."""
    folds = training.config.folds("validation")
    tables = [predict_split(training.classifier, builder, "validation", folds) for builder in training.builders]
    fitted = calibrate(training.classifier, pd.concat(tables, ignore_index=True))
    write_text(workdir / run_folder.CALIBRATION, json.dumps(fitted, indent=2) + "\n")
    name = "expected_calibration_error"
    log.info(
        "Calibrated with temperature %.3f on %d validation faces: calibration error %.4f before, %.4f after.",
        *(fitted["temperature"], fitted["n"], fitted["before"][name], fitted["after"][name]),
    )


def _plot_train_batch(training: Training, workdir: pathlib.Path) -> None:
    config = training.config
    augmentation = make_augmentation(config, config.image_size)
    faces_of_first = make_eval_dataset(training.builders[0], "train", config.image_size, GALLERY, config.folds("train"))
    plots.plot_train_batch(next(iter(faces_of_first)), augmentation, workdir / run_folder.TRAIN_BATCH)
