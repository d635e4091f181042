"""From a built data set to a run folder with a judged model."""

import dataclasses
import json
import logging
import math
import pathlib

import keras
import pandas as pd

from gender_tfds import faces, reading, run_folder
from gender_tfds.atomic_files import atomic_path, write_text
from gender_tfds.command_line import UserError
from trainer import distribution, plots
from trainer.augmentation import make_augmentation
from trainer.checkpoints import Checkpoints
from trainer.config import TrainConfig
from trainer.evaluate import evaluate_run
from trainer.input_pipeline import count_labels, make_eval_dataset, make_train_dataset, make_validation_dataset
from trainer.models import build_model, make_training_model, with_precision
from trainer.progress_bar import ProgressBar
from trainer.run_state import make_record, prepare_workdir

log = logging.getLogger(__name__)


def train_and_evaluate(
    config: TrainConfig,
    data_dir: str | None,
    workdir: str | pathlib.Path,
    *,
    cache_dir: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict:
    """Trains a classifier, judges it on the test split, and writes the run folder.

    Args:
      config: the settings.
      data_dir: where the data set was built; TFDS' default if None.
      workdir: the run folder.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      resume: go on after the last finished epoch of the run in `workdir`, or start if there is none.
      overwrite: replace the run in `workdir`.

    Returns:
      The content of `metrics.json`.

    Raises:
      UserError: no such data set, settings that exclude each other, or a workdir in use.
    """
    config.checked(cache_dir)
    workdir = pathlib.Path(workdir).expanduser()
    builder = reading.open_built(config.dataset, data_dir)
    for split in faces.SPLIT_FOLDS:
        reading.check_split(builder, split)

    keras.utils.set_random_seed(config.seed)
    classifier = build_model(config)
    config = dataclasses.replace(config, image_size=classifier.input_shape[1])
    device = distribution.device_kind()
    precision = distribution.choose_precision(config, device)
    record = make_record(config, reading.fingerprint(builder), reading.resolve_data_dir(data_dir), device, precision)
    prepare_workdir(workdir, record, resume=resume, overwrite=overwrite)
    if (workdir / run_folder.METRICS).is_file():
        log.info("The run in %s is finished; nothing to resume.", workdir)
        return json.loads((workdir / run_folder.METRICS).read_text())

    counts = count_labels(builder, "train")
    log.info("Training faces: %s.", ", ".join(f"{number:,} {gender}" for gender, number in counts.items()))
    if not all(counts.values()):
        raise UserError(f"the training faces of {builder.info.full_name} are all of one class: nothing can be learnt")

    history, best_weights = _fit(config, builder, classifier, precision, workdir, cache_dir)
    classifier.set_weights(best_weights)
    with atomic_path(workdir / run_folder.MODEL) as partial:
        classifier.save(partial)
    write_text(workdir / run_folder.LABELS, "".join(f"{gender}\n" for gender in faces.GENDERS))
    plots.plot_history(history, workdir, title=f"{config.model} on {builder.info.full_name}")
    plots.plot_model(classifier, workdir / run_folder.MODEL_PLOT)
    return evaluate_run(workdir, classifier, builder, "test")


def _fit(
    config: TrainConfig,
    builder: reading.tfds.core.DatasetBuilder,
    classifier: keras.Model,
    precision: str,
    workdir: pathlib.Path,
    cache_dir: str | None,
) -> tuple[list[dict[str, float]], list]:
    """Trains from the last checkpoint on; returns the history of all epochs and the best weights."""
    number = builder.info.splits["train"].num_examples
    steps = math.ceil(number / config.batch_size)
    trained = with_precision(classifier, precision)
    augmentation = make_augmentation(config)
    model = make_training_model(trained, augmentation)
    model.compile(
        optimizer=_make_optimizer(config, steps, precision),
        loss="binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
        jit_compile=distribution.choose_jit(config, distribution.device_kind()),
    )
    model.optimizer.build(model.trainable_variables)
    checkpoints = Checkpoints(
        workdir / run_folder.CHECKPOINT, trained, faces=number, patience=config.early_stopping, epochs=config.epochs
    )
    checkpoints.restore(model)
    progress = checkpoints.progress
    if progress.finished:
        return progress.history, checkpoints.best_weights

    done = len(progress.history)
    if done:
        log.info("Resuming after epoch %d of %d.", done, config.epochs)
    train = make_train_dataset(builder, config, cache_dir=cache_dir, initial_epoch=done)
    if not done:
        batch = next(iter(make_eval_dataset(builder, "train", config.image_size, 25)))
        plots.plot_train_batch(batch, augmentation, workdir / run_folder.TRAIN_BATCH)
    model.fit(
        train,
        steps_per_epoch=steps,
        initial_epoch=done,
        epochs=config.epochs,
        validation_data=make_validation_dataset(builder, config, cache_dir=cache_dir),
        callbacks=[
            ProgressBar(number, config.batch_size, config.epochs),
            checkpoints,
            _HistoryFile(checkpoints, workdir / run_folder.HISTORY),
            keras.callbacks.TensorBoard(workdir / run_folder.TENSORBOARD, write_graph=False),
        ],
        shuffle=False,
        verbose=0,
    )
    return progress.history, checkpoints.best_weights


class _HistoryFile(keras.callbacks.Callback):
    """Writes `history.csv`, a line an epoch, after each epoch."""

    def __init__(self, checkpoints: Checkpoints, path: pathlib.Path) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        write_text(self.path, pd.DataFrame(self.checkpoints.progress.history).to_csv(index=False))


def _make_optimizer(config: TrainConfig, steps_per_epoch: int, precision: str) -> keras.Optimizer:
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps_per_epoch * config.epochs)
    optimizer = keras.optimizers.get({"class_name": config.optimizer, "config": {"learning_rate": rate}})
    # Keras scales the loss by itself only where the fitted model, not just its layers, has the policy
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer
