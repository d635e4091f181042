"""The configuration of a training run: one frozen dataclass; its fields are the flags of `gender-train`."""

import dataclasses
import math
from typing import Any

from gender_tfds import faces
from gender_tfds.field_flags import setting
from gender_tfds.packaged_models import KERAS_KINDS, keras_file
from gender_tfds.user_error import UserError
from trainer.architectures import ARCHITECTURES, check_model
from trainer.lineage import check_unseen

OPTIMIZERS = ("adam", "adamw", "muon", "sgd", "rmsprop")  # trainer/optimization.py has their classes


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a run's result. Paths and policy are not in it."""

    dataset: str = setting(
        "drawn_faces",
        "name of a built data set (utkface, fairface, face_folder, drawn_faces, or any with their schema), or several,"
        " separated by commas",
    )
    dataset_weights: tuple[str, ...] = setting(
        (), "with several data sets: how often a face of each is seen in an epoch, such as 1,2; once if left out"
    )
    test_folds: tuple[str, ...] = setting(("0", "1"), "folds of the data that are judged on at the end")
    validation_folds: tuple[str, ...] = setting(
        ("2",), "folds by which the best epoch is chosen; all folds but these and --test_folds are trained on"
    )

    model: str = setting("seed_cnn", "architecture", choices=tuple(ARCHITECTURES))
    init_from: str | None = setting(
        None,
        f"start from architecture and weights of {KERAS_KINDS} that ends in a dense layer with a sigmoid, instead of"
        " from --model and its shape; at --image_size, too",
    )
    image_size: int = setting(64, "height and width of the model's input in pixels", lower=32, upper=1024)
    width: int = setting(32, "channels of the first stage; each later stage has twice as many", lower=4, upper=1024)
    depth: tuple[str, ...] = setting(
        ("1", "1", "1"),
        "residual blocks (resnet) or convolutions (deep_cnn) in each stage; a stage halves height and width",
    )
    dense_units: int = setting(128, "units of each dense layer before the output", lower=1)
    dense_layers: int = setting(1, "dense layers before the output", lower=0, upper=4)
    dropout: float = setting(0.0, "part of the features dropped before the output", lower=0, upper=0.95)
    pretrained: str = setting(
        "none",
        "weights that the base of a transfer model starts from: none is random; imagenet is downloaded once; or the"
        " path of a .keras file with that base, such as another run's, or of a .weights.h5 or .h5 file of the base",
    )
    frozen_epochs: int = setting(
        0,
        "first epochs, of --epochs, in which the base learns nothing; then its last blocks learn too, and its batch"
        " normalizations keep their statistics; 0 is none: the whole base learns from the start",
        lower=0,
    )
    unfrozen: int = setting(
        2, "blocks at the end of the base that learn after --frozen_epochs; as many as it has or more is all", lower=1
    )
    unfrozen_rate: float = setting(
        0.1, "learning rate after --frozen_epochs, as a part of --learning_rate", lower=1e-6, upper=1
    )

    epochs: int = setting(10, "passes over the training faces", lower=1)
    max_minutes: float = setting(
        0.0, "stop before an epoch that would end after so many minutes; 0 is no limit", lower=0
    )
    start_size: int = setting(
        0, "train the first epochs on smaller pictures, growing from this size to --image_size; 0 is off", lower=0
    )
    batch_size: int = setting(64, "faces in a training step", lower=1)
    optimizer: str = setting(
        "adam",
        "optimizer; sgd has a Nesterov momentum of 0.9; muon is adamw with orthogonal steps of convolutions",
        choices=OPTIMIZERS,
    )
    learning_rate: float = setting(1e-3, "learning rate, the peak of the schedule", lower=1e-9)
    schedule: str = setting(
        "constant",
        "learning rate over the run: cosine falls to 0, step to a tenth after 1/2 and again after 3/4 of the epochs,"
        " plateau to a fifth when the validation loss has not improved for 3 epochs",
        choices=("constant", "cosine", "step", "plateau"),
    )
    warmup_epochs: float = setting(0.0, "epochs in which the learning rate rises from 0 to its peak", lower=0)
    weight_decay: float = setting(0.0, "decoupled decay of kernels, times the learning rate, a step", lower=0)
    clip_norm: float = setting(0.0, "largest norm of all gradients together; 0 is no limit", lower=0)
    ema: float = setting(
        0.0,
        "keep an exponential moving average of the weights with this momentum, such as 0.999; 0 is off",
        lower=0,
        upper=0.99999,
    )
    label_smoothing: float = setting(0.0, "how far targets are moved from 0 and 1 to the middle", lower=0, upper=0.9)
    age_weight: float = setting(
        0.0, "weight of a second target in training, the age where it is known; the saved model has no age", lower=0
    )
    teacher: tuple[str, ...] = setting(
        (),
        f"models, each {KERAS_KINDS}, separated by commas, whose mean opinion of each training picture is a part of its"
        " target; each model sees the picture in its own size, of which the largest may be twice the smallest",
    )
    teacher_weight: float = setting(0.5, "the part of the target that is the teachers' opinion", lower=0, upper=1)
    early_stopping: int = setting(
        0,
        "stop when the cross-entropy on the validation faces has not improved for so many epochs; those with a"
        " frozen base or on pictures smaller than --image_size don't count; 0 is never",
        lower=0,
    )
    balance: str = setting(
        "none",
        "against unequal classes: class_weights weighs the loss, oversample shows the rarer class as often as the"
        " other, undersample the other as seldom; faces take turns from epoch to epoch",
        choices=("none", "class_weights", "oversample", "undersample"),
    )
    class_weights: tuple[str, ...] = setting(
        (), "with --balance=class_weights: weights of male and female, such as 1,2; by their numbers if left out"
    )

    flip: bool = setting(True, "augmentation: random horizontal flips")
    rotation: float = setting(20.0, "augmentation: rotation by up to so many degrees; 0 is off", lower=0, upper=180)
    zoom: float = setting(
        0.0, "augmentation: magnification by up to this part, more or less; 0 is off", lower=0, upper=0.9
    )
    shear: float = setting(0.0, "augmentation: horizontal shear by up to so many degrees; 0 is off", lower=0, upper=60)
    translation: float = setting(
        0.0, "augmentation: shift by up to this part of the size; 0 is off", lower=0, upper=0.9
    )
    crop: float = setting(
        0.0,
        "augmentation: each side of the crop moves by up to this part of the size, as a detector's box would",
        lower=0,
        upper=0.4,
    )
    brightness: float = setting(0.0, "augmentation: add up to this part of full white; 0 is off", lower=0, upper=1)
    contrast: float = setting(0.0, "augmentation: contrast changes by up to this part; 0 is off", lower=0, upper=1)
    saturation: float = setting(
        0.0, "augmentation: colourfulness changes by up to this part; 0 is off", lower=0, upper=1
    )
    blur: float = setting(0.0, "augmentation: up to this part of a 3 × 3 mean; 0 is off", lower=0, upper=1)
    erasing: float = setting(0.0, "augmentation: probability that a rectangle is erased; 0 is off", lower=0, upper=1)
    mixup: float = setting(
        0.0, "augmentation: blend pairs of faces and their labels, share from Beta(a, a); 0 is off", lower=0
    )

    precision: str = setting(
        "auto",
        "arithmetic of the layers; auto chooses by device",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit: str = setting("auto", "compile the step with XLA; auto chooses by device", choices=("auto", "on", "off"))
    distribution: str = setting(
        "auto",
        "share each step among devices: auto takes all accelerators where there are several, on all devices, virtual"
        " CPUs too, off the first; --batch_size is what they take together",
        choices=("auto", "on", "off"),
    )
    cache: str = setting("memory", "keep decoded and resized pictures, uint8", choices=("memory", "disk", "off"))
    shuffle_buffer: int = setting(8192, "faces among which the next is drawn; every epoch in a new order", lower=1)
    seed: int = setting(
        0,
        "of weights, order and augmentation; two runs on one CPU with the same seed are equal",
        lower=0,
        upper=2**32 - 1,
    )

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the data sets."""
        return tuple(self.dataset.split(","))

    def folds(self, split: str) -> tuple[int, ...]:
        """Returns the numbers of the folds that are `train`, `validation` or `test` in this run."""
        test, validation = (tuple(int(fold) for fold in folds) for folds in (self.test_folds, self.validation_folds))
        train = tuple(fold for fold in range(faces.NUM_FOLDS) if fold not in test + validation)
        return {"train": train, "validation": validation, "test": test}[split]

    def checked(self, cache_dir: str | None) -> "TrainConfig":
        """Returns self.

        Raises:
          UserError: settings that exclude each other, or lists that are none.
        """
        if self.cache == "disk" and not cache_dir:
            raise UserError("--cache=disk needs --cache_dir=DIR, where the decoded pictures are kept")
        if cache_dir and self.cache != "disk":
            raise UserError(f"--cache_dir={cache_dir} needs --cache=disk; --cache={self.cache} does not use it")
        self._check_lists()
        for name, path in [("init_from", self.init_from or ""), *(("teacher", path) for path in self.teacher)]:
            if path and not keras_file(path).is_file():
                raise UserError(f"--{name}={path} is not a file; give {KERAS_KINDS}")
        if not self.teacher and self.teacher_weight != TrainConfig.teacher_weight:
            raise UserError(
                f"--teacher_weight={self.teacher_weight:g} needs --teacher, the models whose opinion it weighs; without"
                f" one leave it at {TrainConfig.teacher_weight:g}"
            )
        check_model(self)
        check_unseen(self)
        return self

    def _check_lists(self) -> None:
        if len(set(self.datasets)) < len(self.datasets) or not all(self.datasets):
            raise UserError(f"--dataset={self.dataset} must be different names, separated by commas")
        if (
            not all(number.isdecimal() and 0 < int(number) <= 32 for number in self.depth)
            or not 0 < len(self.depth) < 7
        ):
            raise UserError(f"--depth={','.join(self.depth)} must be one to six numbers from 1 to 32, such as 1,2,2")
        for name, each in (("dataset_weights", self.datasets), ("class_weights", faces.GENDERS)):
            numbers = _numbers(name, getattr(self, name))
            if numbers and (len(numbers) != len(each) or not all(0 < number < math.inf for number in numbers)):
                raise UserError(
                    f"--{name}={','.join(getattr(self, name))} must have a number above 0 for each of {','.join(each)};"
                    f" --{name}= leaves them out"
                )
        if self.class_weights and self.balance != "class_weights":
            raise UserError(f"--class_weights needs --balance=class_weights; --balance={self.balance} does not use it")
        folds = self.test_folds + self.validation_folds
        known = {str(fold) for fold in range(faces.NUM_FOLDS)}
        used = set(folds)
        if not (used < known and len(used) == len(folds) and self.test_folds and self.validation_folds):
            raise UserError(
                f"--test_folds={','.join(self.test_folds)} and --validation_folds={','.join(self.validation_folds)}"
                f" must be different folds from 0 to {faces.NUM_FOLDS - 1}, one or more each, and leave one to train on"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as they stand in `config.json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "TrainConfig":
        """Reads the settings of a run folder's `config.json`, of this or an older version."""
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        return cls(**{name: value for name, value in values.items() if name in known})


def _numbers(name: str, texts: tuple[str, ...]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError as error:
        raise UserError(f"--{name}={','.join(texts)} must be numbers, separated by commas") from error
