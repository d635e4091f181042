"""The console commands that train: their flags, and nothing that takes long to import."""

import dataclasses
import importlib.util
import logging
import os
import pathlib
from collections.abc import Sequence

from gender_tfds.command_line import Command
from gender_tfds.field_flags import setting
from gender_tfds.folder_lock import check_unlocked
from gender_tfds.keras_backend import prepare_backend
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.judging_commands import tell_judgement
from trainer.parts import split_parts
from trainer.run_state import CROSS_VALIDATION, RUN, SEARCH, check_workdir

log = logging.getLogger(__name__)

PRESETS = pathlib.Path(__file__).parent / "presets"


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
class ClusterPolicy:
    """Other processes and machines that take part in a training."""

    coordinator: str | None = setting(
        None,
        "train in several processes (KERAS_BACKEND=jax): host:port of process 0, the same for all; auto where JAX finds"
        " it out (SLURM, Open MPI, Cloud TPU, GKE) or KERAS_DISTRIBUTION_JOB_ADDRESSES and its like say it",
    )
    num_processes: int | None = setting(None, "with --coordinator=host:port: how many there are", lower=1)
    process_id: int | None = setting(None, "with --coordinator=host:port: number of this one, from 0", lower=0)
    data_service: str | None = setting(
        None, "grpc://host:port of a tf.data service whose workers read and decode the training faces"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossValidatePolicy(TrainPolicy):
    """The same for several runs in one folder, one for each part of the data."""

    folds: int = setting(5, "parts that the data is divided into: 2, 5 or 10, each of so many of its ten folds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunePolicy(TrainPolicy):
    """The same for the trials of a search in one folder."""

    trials: int = setting(20, "trials to finish in total; the first one has the settings given", lower=1)
    minutes: float = setting(0.0, "begin no trial after so many minutes; 0 is no limit", lower=0)
    search: tuple[str, ...] = setting(
        (), "settings to search, such as optimizer,learning_rate; if left out, all that the architecture has"
    )


def _look(runs: Sequence[TrainConfig], policy: TrainPolicy, kind: str) -> None:
    """Tells of mistakes in the settings, the data's place and the workdir before ten seconds of imports."""
    from gender_tfds.reading import find_built

    for config in runs:
        config.checked(policy.cache_dir)
    if os.environ["KERAS_BACKEND"] != "jax":  # with it another process of this very training may have begun the run
        workdir = pathlib.Path(policy.workdir).expanduser()
        check_unlocked(workdir, "--workdir")
        check_workdir(workdir, kind, resume=policy.resume, overwrite=policy.overwrite)
    for name in runs[0].datasets:
        find_built(name, policy.data_dir)


def _train(config: TrainConfig, policy: TrainPolicy, cluster: ClusterPolicy) -> None:
    prepare_backend()
    _look([config], policy, RUN)
    with without_native_noise():
        from trainer import processes
        from trainer.train import train_and_evaluate

    processes.connect(cluster.coordinator, cluster.num_processes, cluster.process_id, config.seed)
    metrics = train_and_evaluate(
        config,
        policy.data_dir,
        policy.workdir,
        cache_dir=policy.cache_dir,
        data_service=cluster.data_service,
        resume=policy.resume,
        overwrite=policy.overwrite,
    )
    if metrics:
        tell_judgement(metrics, pathlib.Path(policy.workdir))


def _cross_validate(config: TrainConfig, policy: CrossValidatePolicy) -> None:
    prepare_backend()
    _look(split_parts(config, policy.folds), policy, CROSS_VALIDATION)
    with without_native_noise():
        from trainer.cross_validate import cross_validate

    numbers = cross_validate(
        config,
        policy.folds,
        policy.data_dir,
        policy.workdir,
        cache_dir=policy.cache_dir,
        resume=policy.resume,
        overwrite=policy.overwrite,
    )
    accuracy = numbers["metrics"]["accuracy"]
    log.info(
        "Accuracy %.4f ± %.4f (mean and 95 %% interval over %d parts) on %d faces of %s, each predicted by a model that"
        " has not seen it.",
        *(accuracy["mean"], accuracy["interval"][1] - accuracy["mean"], numbers["folds"]),
        *(numbers["pooled"]["n"], numbers["dataset"]),
    )
    log.info("%s", numbers["note"])
    log.info("Numbers, predictions and a picture are in %s.", policy.workdir)


def _tune(config: TrainConfig, policy: TunePolicy) -> None:
    if importlib.util.find_spec("optuna") is None:
        raise UserError('Optuna is not installed; install it with pip install "gender-classifier[tune]"')
    prepare_backend()
    _look([config], policy, SEARCH)
    with without_native_noise():
        from trainer.tune import tune

    study = tune(
        config,
        policy.data_dir,
        policy.workdir,
        trials=policy.trials,
        minutes=policy.minutes,
        names=policy.search,
        cache_dir=policy.cache_dir,
        resume=policy.resume,
        overwrite=policy.overwrite,
    )
    best = pathlib.Path(policy.workdir) / "best.flags"
    if not best.is_file():
        log.info("No trial came to its end; give other settings to start from.")
        return
    log.info(
        "The best is trial %d: validation cross-entropy %.4f, accuracy %.4f. Train and test it with gender-train"
        " --preset=%s.",
        *(study.best_trial.number, study.best_value, study.best_trial.user_attrs["val_accuracy"], best),
    )
    log.info("Trials and pictures are in %s.", policy.workdir)


TRAIN = Command(
    name="gender-train",
    summary="train a gender classifier on a built data set; write a run folder with model, numbers and pictures",
    example="gender-train --dataset=utkface --data_dir=data --workdir=runs/first --preset=seed",
    settings=(TrainConfig, TrainPolicy, ClusterPolicy),
    main=_train,
    presets=PRESETS,
)
CROSS_VALIDATE = Command(
    name="gender-cross-validate",
    summary="train on all parts of a built data set but one, for each part, and judge each model on the part left out",
    example="gender-cross-validate --dataset=utkface --data_dir=data --workdir=runs/parts --preset=seed --folds=5",
    settings=(TrainConfig, CrossValidatePolicy),
    main=_cross_validate,
    presets=PRESETS,
)
TUNE = Command(
    name="gender-tune",
    summary="search for better settings by the validation faces of a built data set; write the best as a preset",
    example="gender-tune --dataset=utkface --data_dir=data --workdir=runs/search --model=resnet --trials=20",
    settings=(TrainConfig, TunePolicy),
    main=_tune,
    presets=PRESETS,
)
train, cross_validate, tune = TRAIN.run, CROSS_VALIDATE.run, TUNE.run
