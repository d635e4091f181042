"""The configuration of a training run: one frozen dataclass; its fields are the flags of `gender-train`."""

import dataclasses
import pathlib
from typing import Any

from gender_tfds.command_line import UserError, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a run's result. Paths and policy are not in it."""

    dataset: str = setting("drawn_faces", "name of a built data set: utkface, drawn_faces, or any with their schema")
    model: str = setting("seed_cnn", "architecture", choices=("seed_cnn",))
    init_from: str | None = setting(
        None, "start from this .keras file's architecture, input size and weights instead of from --model"
    )
    image_size: int = setting(64, "height and width of the model's input in pixels", lower=32, upper=1024)
    batch_size: int = setting(64, "faces in a training step", lower=1)
    epochs: int = setting(10, "passes over the training faces", lower=1)
    optimizer: str = setting("adam", "optimizer, with Keras' defaults", choices=("adam", "adamw", "sgd", "rmsprop"))
    learning_rate: float = setting(1e-3, "learning rate, the peak of the schedule", lower=0.0)
    schedule: str = setting("constant", "learning rate over the run", choices=("constant", "cosine"))
    early_stopping: int = setting(
        0, "stop when the validation loss has not improved for so many epochs; 0 is never", lower=0
    )
    flip: bool = setting(True, "augmentation: random horizontal flips")
    rotation: float = setting(20.0, "augmentation: random rotation up to so many degrees; 0 is off", lower=0, upper=180)
    precision: str = setting(
        "auto",
        "arithmetic of the layers; auto chooses by device",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit: str = setting("auto", "compile the step with XLA; auto chooses by device", choices=("auto", "on", "off"))
    cache: str = setting("memory", "keep decoded and resized pictures, uint8", choices=("memory", "disk", "off"))
    shuffle_buffer: int = setting(8192, "faces among which the next is drawn; every epoch in a new order", lower=1)
    seed: int = setting(0, "of weights, order and augmentation; two runs on one CPU with the same seed are equal")

    def checked(self, cache_dir: str | None) -> "TrainConfig":
        """Returns self.

        Raises:
          UserError: settings that exclude each other.
        """
        if self.cache == "disk" and not cache_dir:
            raise UserError("--cache=disk needs --cache_dir=DIR, where the decoded pictures are kept")
        if cache_dir and self.cache != "disk":
            raise UserError(f"--cache_dir={cache_dir} needs --cache=disk; --cache={self.cache} does not use it")
        if self.init_from and not pathlib.Path(self.init_from).is_file():
            raise UserError(f"--init_from={self.init_from} is not a file; give a .keras file")
        return self

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as they stand in `config.json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "TrainConfig":
        """Reads the settings of a run folder's `config.json`, of this or an older version."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in known})
