"""Save after every epoch all that a resumed run needs, in one file that appears whole or not at all."""

import dataclasses
import json
import math
import pathlib
import time
import zipfile
from typing import Any

import keras
import numpy as np

from gender_tfds.atomic_files import atomic_path
from gender_tfds.command_line import UserError


@dataclasses.dataclass
class Progress:
    """How far a run is.

    Attributes:
      history: a dict for each finished epoch: epoch (from 1), loss, accuracy, val_loss, val_accuracy, learning_rate,
        seconds, images_per_second.
      finished: whether there is nothing left to train.
    """

    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    finished: bool = False

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss, from 1; 0 before the first."""
        return min(self.history, key=lambda row: row["val_loss"])["epoch"] if self.history else 0


class Checkpoints(keras.callbacks.Callback):
    """Keeps a training model's state after each epoch, and the classifier's weights at its best one.

    The file holds every variable (weights, optimizer, random generators of augmentation), the best weights, and the
    history; early stopping and the best model follow from the history, so they go on after a resume too.

    Args:
      path: of the checkpoint, an `.npz` file.
      classifier: the part of the fitted model whose best weights are kept.
      faces: training faces in an epoch, for the speed in the history.
      patience: epochs without a better validation loss after which training stops; 0 is never.
      epochs: of the whole run.
    """

    def __init__(self, path: pathlib.Path, classifier: keras.Model, *, faces: int, patience: int, epochs: int) -> None:
        super().__init__()
        self.path = path
        self.classifier = classifier
        self.faces = faces
        self.patience = patience
        self.epochs = epochs
        self.progress = Progress()
        self.best_weights = classifier.get_weights()
        self._started = 0.0

    def restore(self, model: keras.Model) -> None:
        """Puts a compiled model, and this object, into the state of the checkpoint; does nothing if there is none.

        Raises:
          UserError: the checkpoint is damaged or of another model.
        """
        if not self.path.is_file():
            return
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                progress = json.loads(str(arrays["progress"]))
                state = [arrays[f"state_{number}"] for number in range(len(self._variables(model)))]
                best = [arrays[f"best_{number}"] for number in range(len(self.best_weights))]
            for variable, value in zip(self._variables(model), state, strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"the checkpoint {self.path} is damaged or of another model ({error}); start again with --overwrite"
            ) from error
        self.best_weights = best
        self.progress = Progress(**progress)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._started
        row = {"epoch": epoch + 1, **{name: float(logs[name]) for name in logs}}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row |= {"seconds": round(seconds, 2), "images_per_second": round(self.faces / seconds, 1)}
        if not all(math.isfinite(row[name]) for name in ("loss", "val_loss")):
            raise UserError(
                f"the loss became {row['loss']} in epoch {epoch + 1}; the epochs before are kept: lower --learning_rate"
                " or take --precision=float32, and start again with --overwrite"
            )
        self.progress.history.append(row)
        if self.progress.best_epoch == epoch + 1:
            self.best_weights = self.classifier.get_weights()
        waited = epoch + 1 - self.progress.best_epoch
        stop = bool(self.patience) and waited >= self.patience
        self.progress.finished = stop or epoch + 1 == self.epochs
        self.model.stop_training = stop
        self.save()

    def save(self) -> None:
        """Writes the checkpoint."""
        arrays = {f"best_{number}": value for number, value in enumerate(self.best_weights)}
        for number, variable in enumerate(self._variables(self.model)):
            arrays[f"state_{number}"] = keras.ops.convert_to_numpy(variable.value)
        with atomic_path(self.path) as partial:
            np.savez(partial, progress=json.dumps(dataclasses.asdict(self.progress)), **arrays)

    @staticmethod
    def _variables(model: keras.Model) -> list[keras.Variable]:
        return [*model.variables, *model.optimizer.variables]
