"""The console commands that judge: their flags, and nothing that takes long to import."""

import dataclasses
import importlib.util
import logging
import pathlib

from gender_tfds import run_folder
from gender_tfds.atomic_files import write_text
from gender_tfds.command_line import Command
from gender_tfds.field_flags import setting
from gender_tfds.folder_lock import locked
from gender_tfds.keras_backend import prepare_backend
from gender_tfds.run_folder import THRESHOLD
from gender_tfds.saved_run import is_run, load_run
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)


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
    data_dir: str | None = setting(
        None, "with two runs: where `tfds build` put the data set; where the first one found its own if left out"
    )
    output_dir: str | None = setting(None, "folder for tables, and for pictures of the faces that changed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataPolicy:
    """Which data set to show, and where."""

    dataset: str = setting(dataclasses.MISSING, "name of a built data set")
    data_dir: str | None = setting(None, "where `tfds build` put the data set; TFDS' own default if left out")
    output_dir: str = setting(
        dataclasses.MISSING, "folder for tables and pictures; those of an earlier overview are replaced"
    )
    predictions: str | None = setting(
        None, "the predictions.csv of a gender-cross-validate on the data set: likely label errors are looked for by it"
    )


def _evaluate(policy: EvaluatePolicy) -> None:
    prepare_backend()
    load_run(pathlib.Path(policy.workdir).expanduser())  # a mistake is told before ten seconds of imports
    with without_native_noise():
        from trainer.evaluate import evaluate_workdir

    metrics, folder = evaluate_workdir(
        policy.workdir, policy.dataset, policy.split, policy.data_dir, policy.min_confidence, policy.explain
    )
    tell_judgement(metrics, folder)


def _compare(policy: ComparePolicy) -> None:
    if len(policy.runs) > 2:
        raise UserError(f"{len(policy.runs)} run folders are given; give one or two")
    runs = tuple(pathlib.Path(run).expanduser() for run in policy.runs)
    folder = pathlib.Path(policy.output_dir).expanduser() if policy.output_dir else None
    if folder and (is_run(folder) or (folder / run_folder.PREDICTIONS).is_file()):
        raise UserError(f"--output_dir={folder} holds a run or a judgement; give another folder")
    if len(runs) == 1:
        for name in ("dataset", "split", "data_dir"):
            if (value := getattr(policy, name)) != getattr(ComparePolicy, name):
                raise UserError(
                    f"--{name}={value} needs two run folders, and one is given, which is listed on all it was judged"
                    " on; leave the flag out or give another run"
                )
        from trainer import cross_set

        table = cross_set.cross_set_table(runs[0])
        print(table.to_string(index=False, float_format="{:.4f}".format))
        if folder:
            with locked(folder, "--output_dir"):
                write_text(folder / cross_set.FILE, table.to_csv(index=False))
        return
    prepare_backend()
    for run in runs:
        load_run(run)  # a mistake is told before ten seconds of imports
    with without_native_noise():
        from trainer import compare

    found = compare.compare_runs((runs[0], runs[1]), policy.dataset, policy.split)
    print(compare.describe(found))
    if folder:
        with locked(folder, "--output_dir"):
            compare.write_comparison(found, runs[0], policy.dataset, policy.split, policy.data_dir, folder)
        log.info("Tables and pictures are in %s.", folder)


def _data(policy: DataPolicy) -> None:
    if policy.predictions and importlib.util.find_spec("cleanlab") is None:
        raise UserError('cleanlab is not installed; install it with pip install "gender-classifier[labels]"')
    predictions = None
    if policy.predictions:
        remedy = "give a table of gender-cross-validate"
        if not pathlib.Path(policy.predictions).is_file():
            raise UserError(f"--predictions={policy.predictions} is not a file; {remedy}")
        from trainer.predictions import read_table

        predictions = read_table(policy.predictions, ["path", "label", "p_female"], remedy)
    prepare_backend()
    from gender_tfds import reading, shards

    builder = reading.open_built(policy.dataset, policy.data_dir)  # a mistake is told before ten seconds of imports
    with without_native_noise():
        from trainer import data_overview

    with shards.told([builder]):
        faces = data_overview.read_faces(builder)
    errors = None
    print(data_overview.describe(faces))
    if predictions is not None:
        from trainer.label_errors import find_label_errors, match_predictions

        errors = find_label_errors(match_predictions(predictions, faces, policy.dataset))
        print(f"{len(errors):,} labels ({len(errors) / len(faces):.1%}) are likely wrong.")
    folder = pathlib.Path(policy.output_dir).expanduser()
    with locked(folder, "--output_dir"):
        data_overview.write_overview(builder, faces, errors, folder)
    log.info("Tables and pictures are in %s.", folder)


def tell_judgement(metrics: dict, folder: pathlib.Path) -> None:
    """Logs the content of `metrics.json` in short."""
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
DATA = Command(
    name="gender-data",
    summary="show a built data set: counts, examples, duplicates that disagree, and likely label errors",
    example="gender-data --dataset=utkface --data_dir=data --output_dir=overview",
    settings=(DataPolicy,),
    main=_data,
)
evaluate, compare, data = EVALUATE.run, COMPARE.run, DATA.run
