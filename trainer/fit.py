"""The training itself: phase after phase, from the last checkpoint on."""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Sequence

import keras
import pandas as pd
import tensorflow_datasets as tfds

from gender_tfds import run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.command_line import UserError
from gender_tfds.saved_run import load_classifier
from trainer import balance, distribution, input_pipeline, objective, plots, transfer
from trainer.augmentation import make_augmentation
from trainer.checkpoints import Checkpoints
from trainer.config import TrainConfig
from trainer.models import build_model, make_training_model, with_precision
from trainer.optimization import make_optimizer, plateau_rate
from trainer.phases import Phase, make_phases
from trainer.progress_bar import ProgressBar

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """One training.

    Attributes:
      config: the settings.
      builders: of the data sets.
      precision: dtype policy of the layers.
      workdir: the run folder.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      callbacks: of Keras, called after this program's own.
    """

    config: TrainConfig
    builders: Sequence[tfds.core.DatasetBuilder]
    precision: str
    workdir: pathlib.Path
    cache_dir: str | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()

    def run(self, classifier: keras.Model) -> Checkpoints:
        """Trains what the last checkpoint left to do; returns the history of all epochs and the best weights.

        Args:
          classifier: of the full image size, with its first weights. It is not changed.

        Raises:
          UserError: faces of one class only, or a damaged checkpoint.
        """
        counts = input_pipeline.count_faces(self.builders, self.config.folds("train"))
        for builder, of_set in zip(self.builders, counts, strict=True):
            numbers = ", ".join(f"{number:,} {gender}" for gender, number in of_set.items())
            log.info("Training faces of %s: %s.", builder.info.full_name, numbers)
        if not all(sum(numbers) for numbers in zip(*(of_set.values() for of_set in counts), strict=True)):
            raise UserError(f"the training faces of {self.config.dataset} are all of one class: nothing can be learnt")
        shown = balance.faces_per_epoch(self.config, counts)
        if shown != counts:
            log.info("An epoch shows %s.", "; ".join(str(of_set) for of_set in shown))
        faces = sum(sum(of_set.values()) for of_set in shown)

        checkpoints = Checkpoints(self.workdir / run_folder.CHECKPOINT, self.config, faces=faces)
        checkpoints.load()
        done = len(checkpoints.progress.history)
        if done and not checkpoints.progress.finished:
            log.info("Resuming after epoch %d of %d.", done, self.config.epochs)
        for phase in make_phases(self.config):
            if phase.end > len(checkpoints.progress.history) and not checkpoints.progress.finished:
                self._fit_phase(phase, classifier, checkpoints, counts, shown)
        return checkpoints

    def _fit_phase(
        self,
        phase: Phase,
        classifier: keras.Model,
        checkpoints: Checkpoints,
        counts: input_pipeline.Counts,
        shown: input_pipeline.Counts,
    ) -> None:
        config, first = self.config, len(checkpoints.progress.history)
        steps = math.ceil(checkpoints.faces / config.batch_size)
        if phase.image_size != config.image_size:
            weights = classifier.get_weights()
            classifier = build_model(dataclasses.replace(config, image_size=phase.image_size))
            classifier.set_weights(weights)
        trained = with_precision(classifier, self.precision)
        if config.frozen_epochs:
            transfer.unfreeze(trained, 0 if phase.frozen else config.unfrozen)
        augmentation = make_augmentation(config, phase.image_size)
        model = make_training_model(trained, augmentation, self._teacher())
        model.compile(
            optimizer=make_optimizer(
                config, steps, phase.schedule[1] - phase.schedule[0], phase.learning_rate, self.precision
            ),
            loss=objective.Objective(
                config.label_smoothing,
                balance.class_weights(config, counts),
                config.age_weight,
                config.teacher_weight if config.teacher else 0.0,
            ),
            metrics=[objective.accuracy, objective.cross_entropy],
            jit_compile=distribution.choose_jit(config, distribution.device_kind()),
        )
        model.optimizer.build(model.trainable_variables)
        checkpoints.begin(phase, model, trained)
        if not first:
            self._plot_train_batch(augmentation)
        model.fit(
            input_pipeline.make_train_dataset(
                self.builders,
                config,
                counts,
                shown,
                image_size=phase.image_size,
                cache_dir=self.cache_dir,
                epochs=range(first, phase.end),
            ),
            steps_per_epoch=steps,
            initial_epoch=first,
            epochs=phase.end,
            validation_data=input_pipeline.make_validation_dataset(
                self.builders, config, image_size=phase.image_size, cache_dir=self.cache_dir
            ),
            callbacks=[
                ProgressBar(checkpoints.faces, config.batch_size, config.epochs),
                checkpoints,
                _HistoryFile(checkpoints, self.workdir / run_folder.HISTORY),
                *([_PlateauRate(checkpoints, phase)] if config.schedule == "plateau" else []),
                keras.callbacks.TensorBoard(self.workdir / run_folder.TENSORBOARD, write_graph=False),
                *self.callbacks,
            ],
            shuffle=False,
            verbose=0,
        )

    def _teacher(self) -> keras.Model | None:
        if not self.config.teacher:
            return None
        teacher = load_classifier(self.config.teacher)
        if teacher.input_shape[1] != self.config.image_size or self.config.start_size:
            raise UserError(
                f"--teacher={self.config.teacher} takes pictures of {teacher.input_shape[1]} pixels; give that as"
                " --image_size, and no --start_size"
            )
        return with_precision(teacher, self.precision)

    def _plot_train_batch(self, augmentation: keras.Model) -> None:
        batch = next(
            iter(
                input_pipeline.make_eval_dataset(
                    self.builders[0], "train", augmentation.input_shape[1], 25, self.config.folds("train")
                )
            )
        )
        # a model of its own: drawing must not move the random generators of training
        copy = make_augmentation(self.config, augmentation.input_shape[1])
        plots.plot_train_batch(batch, copy, self.workdir / run_folder.TRAIN_BATCH)


class _HistoryFile(keras.callbacks.Callback):
    """Writes `history.csv`, a line an epoch, after each epoch."""

    def __init__(self, checkpoints: Checkpoints, path: pathlib.Path) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        write_text(self.path, pd.DataFrame(self.checkpoints.progress.history).to_csv(index=False))


class _PlateauRate(keras.callbacks.Callback):
    """Sets each epoch's learning rate for the schedule `plateau`."""

    def __init__(self, checkpoints: Checkpoints, phase: Phase) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.phase = phase

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        losses = [row["val_loss"] for row in self.checkpoints.progress.history[self.phase.schedule[0] :]]
        config = self.checkpoints.config
        self.model.optimizer.learning_rate = plateau_rate(self.phase.learning_rate, config.warmup_epochs, losses)
