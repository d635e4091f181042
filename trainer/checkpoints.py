"""Save after every epoch all that a resumed run needs, in one file that appears whole or not at all."""

import contextlib
import dataclasses
import json
import math
import pathlib
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from gender_tfds.atomic_files import atomic_path
from gender_tfds.user_error import UserError
from trainer import processes
from trainer.config import TrainConfig
from trainer.phases import Phase


class DivergedError(UserError):
    """The loss is no number any more."""


@dataclasses.dataclass
class Progress:
    """How far a run is.

    Attributes:
      history: a dict for each finished epoch: epoch (from 1), loss, accuracy, cross_entropy, the same with val_ before
        it, learning_rate, image_size, seconds, images_per_second.
      finished: whether there is nothing left to train.
    """

    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    finished: bool = False

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation cross-entropy on the largest pictures so far, from 1; 0 before any."""
        if not self.history:
            return 0
        largest = max(row["image_size"] for row in self.history)
        rows = [row for row in self.history if row["image_size"] == largest]
        return int(min(rows, key=lambda row: row["val_cross_entropy"])["epoch"])


class Checkpoints(keras.callbacks.Callback):
    """Keeps a training model's state after each epoch, and the classifier's weights at its best one.

    The file holds every variable (weights, optimizer, random generators of augmentation), the best weights, and the
    history; early stopping and the best model follow from the history, so they go on after a resume too.

    Args:
      path: of the checkpoint, an `.npz` file.
      config: for `epochs`, `image_size`, `early_stopping`, `max_minutes` and `ema`.
      faces: training faces in an epoch, for the speed in the history.
    """

    def __init__(self, path: pathlib.Path, config: TrainConfig, *, faces: int) -> None:
        super().__init__()
        self.path = path
        self.config = config
        self.faces = faces
        self.progress = Progress()
        self.best_weights: list[np.ndarray] = []
        self._classifier: keras.Model  # set by `begin`, as the phase is
        self._phase: Phase
        self._raw: list[np.ndarray] = []
        self._candidate: list[np.ndarray] = []
        self._started = 0.0

    def read(self) -> None:
        """Reads history and best weights, if there is a checkpoint; for a process by itself.

        Raises:
          UserError: the checkpoint is damaged.
        """
        if self.path.is_file():
            with self._reading() as arrays:
                progress = Progress(**json.loads(str(arrays["progress"])))
                number = sum(name.startswith("best_") for name in arrays)
                self.best_weights = [arrays[f"best_{index}"] for index in range(number)]
            self.progress = progress

    def load(self) -> None:
        """Reads as `read` does, to go on from there. All processes must call it.

        Raises:
          UserError: the checkpoint is damaged, or not all processes have it.
        """
        self.read()
        processes.check_alike(
            len(self.progress.history),
            f"not every process finds the same checkpoint in {self.path.parent}: --workdir must be one folder that all"
            " machines see",
        )

    def begin(self, phase: Phase, model: keras.Model, classifier: keras.Model) -> None:
        """Takes up a phase: puts its compiled model into the state of the checkpoint, if there is one.

        Args:
          phase: the phase.
          model: the one that is fitted; its optimizer starts anew where that of the checkpoint had another schedule.
          classifier: the part of it whose best weights are kept.

        Raises:
          UserError: the checkpoint is damaged or of another model.
        """
        self._classifier, self._phase = classifier, phase
        if not self.path.is_file():
            return
        with self._reading() as arrays:
            self._assign(arrays, "model", model.variables)
            if tuple(arrays["schedule"]) == phase.schedule:
                self._assign(arrays, "optimizer", model.optimizer.variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.config.ema:  # what is judged, and kept, are the averages
            self._raw = [variable.numpy() for variable in self.model.trainable_variables]
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            for variable in self.model.trainable_variables:
                # on JAX the weights and their averages are one buffer now, which the first test step would free
                variable.assign(variable.numpy())

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._candidate = self._classifier.get_weights()
        for variable, value in zip(self.model.trainable_variables, self._raw, strict=bool(self._raw)):
            variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # those of process 0, since by them it is decided when to stop
        seconds = float(processes.gather(time.perf_counter() - self._started)[0])
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        rate = keras.ops.convert_to_tensor(self.model.optimizer.learning_rate)  # of a number or of a schedule
        row["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        row["image_size"] = self._phase.image_size
        row |= {"seconds": round(seconds, 2), "images_per_second": round(self.faces / seconds, 1)}
        if not all(math.isfinite(row[name]) for name in ("loss", "val_loss")):
            raise DivergedError(
                f"the loss became {row['loss']}, on the validation faces {row['val_loss']}, in epoch {epoch + 1}: lower"
                " --learning_rate or take --precision=float32, and start again with --overwrite"
            )
        self.progress.history.append(row)
        if self.progress.best_epoch == epoch + 1:
            self.best_weights = self._candidate
        stop = self._is_enough(epoch + 1)
        self.progress.finished = stop or epoch + 1 == self.config.epochs
        self.model.stop_training = stop
        self.save()

    def save(self) -> None:
        """Writes the checkpoint, in process 0."""
        if not processes.is_first():
            return
        arrays = {f"best_{number}": value for number, value in enumerate(self.best_weights)}
        for name, owner in (("model", self.model), ("optimizer", self.model.optimizer)):
            for number, variable in enumerate(owner.variables):
                arrays[f"{name}_{number}"] = variable.numpy()
        with atomic_path(self.path) as partial:
            progress = json.dumps(dataclasses.asdict(self.progress))
            np.savez(partial, **{"progress": progress, "schedule": self._phase.schedule, **arrays})  # type: ignore[arg-type]

    def _is_enough(self, epoch: int) -> bool:
        # a frozen base and smaller pictures end by their schedule; what they reach is no measure for what comes after
        passing = self._phase.frozen or self._phase.image_size < self.config.image_size
        waited = 0 if passing else epoch - max(self.progress.best_epoch, self._phase.first)
        seconds = [row["seconds"] for row in self.progress.history]
        # an epoch on the largest pictures takes longest, and the last ones are on those
        late = bool(self.config.max_minutes) and sum(seconds) + seconds[-1] > 60 * self.config.max_minutes
        return late or (bool(self.config.early_stopping) and waited >= self.config.early_stopping)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[np.lib.npyio.NpzFile]:
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                yield arrays
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"the checkpoint {self.path} is damaged or of another model ({error}); start again with --overwrite"
            ) from error

    @staticmethod
    def _assign(arrays: np.lib.npyio.NpzFile, name: str, variables: list[keras.Variable]) -> None:
        for variable, value in zip(variables, [arrays[f"{name}_{i}"] for i in range(len(variables))], strict=True):
            variable.assign(value)
