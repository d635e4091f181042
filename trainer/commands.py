"""The trainer's console commands: their flags, and nothing that takes long to import."""

import dataclasses
import logging
import pathlib

from gender_tfds.command_line import Command, setting
from gender_tfds.terminal import without_native_noise
from trainer.config import TrainConfig

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainPolicy:
    """Where things lie and what to do with what is there: not part of the configuration."""

    workdir: str = setting(dataclasses.MISSING, "folder of the run")
    data_dir: str | None = setting(None, "where `tfds build` put the data set; TFDS' own default if left out")
    cache_dir: str | None = setting(None, "folder for --cache=disk")
    resume: bool = setting(
        False, "go on with the run in --workdir after its last finished epoch; start if there is none"
    )
    overwrite: bool = setting(False, "replace the run in --workdir")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatePolicy:
    """What to judge, and on what."""

    workdir: str = setting(dataclasses.MISSING, "folder of the run")
    dataset: str | None = setting(None, "a data set to judge the run on; its own if left out")
    split: str = setting("test", "split of the data set")
    data_dir: str | None = setting(None, "where `tfds build` put the data set; where the run found its own if left out")


def _train(config: TrainConfig, policy: TrainPolicy) -> None:
    with without_native_noise():
        from trainer.train import train_and_evaluate

    metrics = train_and_evaluate(
        config,
        policy.data_dir,
        policy.workdir,
        cache_dir=policy.cache_dir,
        resume=policy.resume,
        overwrite=policy.overwrite,
    )
    _say(metrics, pathlib.Path(policy.workdir))


def _evaluate(policy: EvaluatePolicy) -> None:
    with without_native_noise():
        from trainer.evaluate import evaluate_workdir

    metrics, folder = evaluate_workdir(policy.workdir, policy.dataset, policy.split, policy.data_dir)
    _say(metrics, folder)


def _say(metrics: dict, folder: pathlib.Path) -> None:
    low, high = metrics["accuracy_interval"]
    log.info(
        "Accuracy %.4f (95 %% interval %.4f to %.4f) on %d faces of %s, split %s.",
        *(metrics["accuracy"], low, high, metrics["n"], metrics["dataset"], metrics["split"]),
    )
    log.info("%s", metrics["note"])
    log.info("Numbers and pictures are in %s.", folder)


TRAIN = Command(
    name="gender-train",
    summary="train a gender classifier on a built data set; write a run folder with model, numbers and pictures",
    example="gender-train --dataset=utkface --data_dir=data --workdir=runs/first --preset=seed",
    settings=(TrainConfig, TrainPolicy),
    main=_train,
    presets=pathlib.Path(__file__).parent / "presets",
)
EVALUATE = Command(
    name="gender-evaluate",
    summary="judge a run's model again, on its own test faces or on another data set or split",
    example="gender-evaluate --workdir=runs/first --split=validation",
    settings=(EvaluatePolicy,),
    main=_evaluate,
)
train, evaluate = TRAIN.run, EVALUATE.run
