"""The training itself: phase after phase, from the last checkpoint on."""

import dataclasses
import logging
import pathlib
from collections.abc import Sequence

import keras
import pandas as pd
import tensorflow_datasets as tfds

from gender_tfds import run_folder
from gender_tfds.atomic_files import write_text
from trainer import balance, distribution, input_pipeline, objective, processes, transfer
from trainer.augmentation import make_augmentation
from trainer.checkpoints import Checkpoints
from trainer.config import TrainConfig
from trainer.epoch import Epoch, count_epoch
from trainer.models import at_size, make_training_model, with_precision
from trainer.optimization import make_optimizer, plateau_rate
from trainer.phases import Phase, make_phases
from trainer.progress_bar import ProgressBar

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A training that can begin.

    Attributes:
      config: its settings; the image size is that of the classifier.
      builders: of the data sets.
      classifier: with its first weights, which stay as they are.
      precision: dtype policy of the layers.
      teachers: models whose opinion is a part of the target.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      data_service: address of a tf.data service to read the training faces by.
    """

    config: TrainConfig
    builders: Sequence[tfds.core.DatasetBuilder]
    classifier: keras.Model
    precision: str
    teachers: Sequence[keras.Model] = ()
    cache_dir: str | None = None
    data_service: str | None = None

    def count(self) -> Epoch:
        """Returns what an epoch shows. All processes must call it.

        Raises:
          UserError: faces that nothing can be learnt from, see `count_epoch`.
        """
        return count_epoch(self.builders, self.config, distribution.choose_workers(self.config))

    def run(
        self,
        workdir: pathlib.Path,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        shown: Epoch | None = None,
    ) -> Checkpoints:
        """Trains what the checkpoint in `workdir` left to do. The test faces are not looked at.

        Args:
          workdir: the run folder.
          callbacks: of Keras, called after this program's own.
          shown: of `count`, if it was called before.

        Returns:
          The history of all epochs, and the best weights.

        Raises:
          UserError: as `count` does, or a damaged checkpoint.
        """
        workers = distribution.choose_workers(self.config)
        shown = shown or self.count()
        checkpoints = Checkpoints(workdir / run_folder.CHECKPOINT, self.config, faces=shown.faces)
        checkpoints.load()
        done = len(checkpoints.progress.history)
        if done and not checkpoints.progress.finished:
            log.info("Resuming after epoch %d of %d.", done, self.config.epochs)
        telling: list[keras.callbacks.Callback] = [
            ProgressBar(shown.faces, self.config.batch_size, self.config.epochs),
            checkpoints,
            _HistoryFile(checkpoints, workdir / run_folder.HISTORY),
            keras.callbacks.TensorBoard(workdir / run_folder.TENSORBOARD, write_graph=False),
        ]
        callbacks = [*(telling if processes.is_first() else [checkpoints]), *callbacks]
        for phase in make_phases(self.config):
            if phase.end > len(checkpoints.progress.history) and not checkpoints.progress.finished:
                with distribution.shared_by(workers):
                    self._fit_phase(phase, checkpoints, shown, callbacks)
        return checkpoints

    def _fit_phase(
        self,
        phase: Phase,
        checkpoints: Checkpoints,
        shown: Epoch,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        config, first = self.config, len(checkpoints.progress.history)
        trained = self._classifier_of(phase)
        model = self._compiled(trained, phase, shown)
        distribution.build_metrics(model, shown.train)
        checkpoints.begin(phase, model, trained)
        image_size = model.input_shape[1]  # of the pictures that are shown
        model.fit(
            input_pipeline.make_train_dataset(
                self.builders,
                config,
                shown.counts,
                shown.shown,
                image_size=image_size,
                cache_dir=self.cache_dir,
                epochs=range(first, phase.end),
                division=shown.train,
                data_service=self.data_service,
            ),
            steps_per_epoch=shown.train.steps,
            initial_epoch=first,
            epochs=phase.end,
            validation_data=input_pipeline.make_validation_dataset(
                self.builders, config, shown.validation, image_size=image_size, cache_dir=self.cache_dir
            ),
            callbacks=[*callbacks, *([_PlateauRate(checkpoints, phase)] if config.schedule == "plateau" else [])],
            shuffle=False,
            verbose=0,
        )

    def _classifier_of(self, phase: Phase) -> keras.Model:
        """Returns the classifier as a phase trains it: its size, its precision, its frozen layers."""
        trained = with_precision(at_size(self.classifier, phase.image_size), self.precision)
        if self.config.frozen_epochs:
            transfer.unfreeze(trained, 0 if phase.frozen else self.config.unfrozen)
        return trained

    def _compiled(self, trained: keras.Model, phase: Phase, shown: Epoch) -> keras.Model:
        """Returns what is fitted: augmentation, the classifier, teachers and age, with optimizer and loss."""
        config = self.config
        teachers = [with_precision(teacher, self.precision) for teacher in self.teachers]
        image_size = max(phase.image_size, *(teacher.input_shape[1] for teacher in teachers), 0)
        model = make_training_model(trained, make_augmentation(config, image_size), teachers)
        loss = objective.Objective(
            config.label_smoothing,
            balance.class_weights(config, shown.shown_by_all),
            config.age_weight,
            config.teacher_weight if teachers else 0.0,
        )
        first, end = phase.schedule
        model.compile(
            optimizer=make_optimizer(config, shown.train.steps, end - first, phase.learning_rate, self.precision),
            loss=loss,
            # Keras' own mean of the loss would count the places of a step that no face has
            weighted_metrics=[
                objective.FaceMean(objective.accuracy, name="accuracy"),
                objective.FaceMean(objective.cross_entropy, name="cross_entropy"),
                objective.FaceMean(loss.call, name="loss"),
            ],
            jit_compile=distribution.choose_jit(config, distribution.device_kind(), shown.train.workers),
        )
        model.optimizer.build(model.trainable_variables)
        return model


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
