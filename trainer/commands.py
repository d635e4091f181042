"""The trainer's console commands: their flags, and nothing that takes long to import."""

import dataclasses
import importlib.util
import logging
import pathlib

from gender_tfds import run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.command_line import Command, UserError, setting
from gender_tfds.run_folder import THRESHOLD
from gender_tfds.terminal import without_native_noise
from trainer.config import TrainConfig

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatePolicy:
    """What to judge, and on what."""

    workdir: str = setting(dataclasses.MISSING, "folder of the run")
    dataset: str | None = setting(None, "a data set to judge the run on; its own if left out")
    split: str = setting("test", "split of the data set")
    data_dir: str | None = setting(None, "where `tfds build` put the data set; where the run found its own if left out")
    min_confidence: float = setting(
        0.5, "leave faces of a lower confidence undecided; the report of a run proposes values", lower=0.5, upper=1
    )
    explain: int = setting(
        0, "draw what speaks for the prediction in so many wrong and as many right faces (Grad-CAM)", lower=0, upper=12
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparePolicy:
    """Which runs to compare, and on what."""

    runs: tuple[str, ...] = setting(
        dataclasses.MISSING, "two run folders, compared face by face; or one, on all it was judged on", positional=True
    )
    dataset: str | None = setting(None, "with two runs: the data set judged on; the first one's own if left out")
    split: str = setting("test", "with two runs: split of the data set")
    data_dir: str | None = setting(None, "where `tfds build` put the data set; where the run found its own if left out")
    output_dir: str | None = setting(None, "folder for tables, and for pictures of the faces that changed")


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

    metrics, folder = evaluate_workdir(
        policy.workdir, policy.dataset, policy.split, policy.data_dir, policy.min_confidence, policy.explain
    )
    _say(metrics, folder)


def _compare(policy: ComparePolicy) -> None:
    with without_native_noise():
        from trainer import compare, cross_set

    if len(policy.runs) > 2:
        raise UserError(f"{len(policy.runs)} run folders are given; give one or two")
    runs = tuple(pathlib.Path(run).expanduser() for run in policy.runs)
    folder = pathlib.Path(policy.output_dir).expanduser() if policy.output_dir else None
    if len(runs) == 1:
        table = cross_set.cross_set_table(runs[0])
        print(table.to_string(index=False, float_format="{:.4f}".format))
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / cross_set.FILE, table.to_csv(index=False))
        return
    found = compare.compare_runs(runs, policy.dataset, policy.split)
    print(compare.describe(found))
    if folder:
        compare.write_comparison(found, runs[0], policy.dataset, policy.split, policy.data_dir, folder)
        log.info("Tables and pictures are in %s.", folder)


def _cross_validate(config: TrainConfig, policy: CrossValidatePolicy) -> None:
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


def _say(metrics: dict, folder: pathlib.Path) -> None:
    low, high = metrics["intervals"]["accuracy"]
    worst = metrics["worst_slice"]
    log.info(
        "Accuracy %.4f (95 %% interval %.4f to %.4f) on %d faces of %s, split %s.%s",
        *(metrics["accuracy"], low, high, metrics["n"], metrics["dataset"], metrics["split"]),
        " Worst slice: {by} {slice}, error rate {error_rate:.4f} on {n} faces.".format(**worst) if worst else "",
    )
    if metrics["min_confidence"] > THRESHOLD:
        decided = metrics["decided"]
        log.info(
            "With --min_confidence=%g, %d faces (%.1f %%) are decided, %s of them rightly.",
            *(metrics["min_confidence"], decided["n"], 100 * decided["coverage"]),
            "none" if decided["accuracy"] is None else f"{decided['accuracy']:.4f}",
        )
    log.info("%s", (folder / run_folder.CLASSIFICATION_REPORT).read_text().rstrip())
    log.info("%s", metrics["note"])
    log.info("Numbers and pictures are in %s.", folder)


TRAIN = Command(
    name="gender-train",
    summary="train a gender classifier on a built data set; write a run folder with model, numbers and pictures",
    example="gender-train --dataset=utkface --data_dir=data --workdir=runs/first --preset=seed",
    settings=(TrainConfig, TrainPolicy),
    main=_train,
    presets=PRESETS,
)
EVALUATE = Command(
    name="gender-evaluate",
    summary="judge a run's model again, on its own test faces or on another data set or split",
    example="gender-evaluate --workdir=runs/first --split=validation",
    settings=(EvaluatePolicy,),
    main=_evaluate,
)
COMPARE = Command(
    name="gender-compare",
    summary="compare two runs on the same faces, by a test and by slice; or list one run's results on several sets",
    example="gender-compare runs/first runs/second --output_dir=comparison",
    settings=(ComparePolicy,),
    main=_compare,
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
train, evaluate, compare = TRAIN.run, EVALUATE.run, COMPARE.run
cross_validate, tune = CROSS_VALIDATE.run, TUNE.run
