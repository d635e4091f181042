"""An epoch's bar on stderr, with loss, accuracy and images a second; a line an epoch where there is no terminal."""

import logging
import sys
from typing import Any

import keras
import tqdm

log = logging.getLogger(__name__)


class ProgressBar(keras.callbacks.Callback):
    """Shows how training goes.

    Args:
      faces: training faces in an epoch.
      batch_size: faces in a step.
      epochs: of the whole run.
    """

    def __init__(self, faces: int, batch_size: int, epochs: int) -> None:
        super().__init__()
        self.faces = faces
        self.batch_size = batch_size
        self.epochs = epochs
        self.bar = tqdm.tqdm(disable=True)  # until the first epoch begins

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        title = f"Epoch {epoch + 1}/{self.epochs}"
        self.bar = tqdm.tqdm(desc=title, total=self.faces, unit=" images", file=sys.stderr, disable=None, leave=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.bar.disable:
            self.bar.set_postfix(_texts(logs), refresh=False)
            self.bar.update(min(self.batch_size, self.faces - self.bar.n))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.close()
        numbers = "  ".join(f"{name} {text}" for name, text in _texts(logs).items())
        log.info("Epoch %d/%d  %s", epoch + 1, self.epochs, numbers)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.bar.close()


def _texts(logs: dict[str, Any] | None) -> dict[str, str]:
    return {name: f"{float(value):.4f}" for name, value in (logs or {}).items()}
