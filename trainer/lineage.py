"""Which faces a model has seen, in its own training or by the models it came from: none of them may judge its heirs."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gender_tfds import faces
from gender_tfds.packaged_models import DATA, is_packaged, keras_file
from gender_tfds.saved_run import dataset_name, dataset_names, is_run, load_record
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    from trainer.config import TrainConfig

Seen = dict[str, list[int]]  # name of a data set -> folds that a model was trained or chosen on, ascending


def sources(config: "TrainConfig") -> Iterator[tuple[str, str]]:
    """Yields flag and value for each model that a run takes something from."""
    if config.init_from:
        yield "init_from", config.init_from
    if config.pretrained not in ("none", "imagenet"):
        yield "pretrained", config.pretrained
    for path in config.teacher:
        yield "teacher", path


def check_unseen(config: "TrainConfig") -> None:
    """Checks that a run judges on no face that a model it begins from, or is taught by, has seen.

    Raises:
      UserError: it would.
    """
    judged = set(config.folds("test"))
    for flag, path in sources(config):
        seen = _seen_by_file(path)
        for name in map(dataset_name, config.datasets):
            if not judged & set(seen.get(name, ())):
                continue
            unseen = ",".join(str(fold) for fold in range(faces.NUM_FOLDS) if fold not in seen[name])
            other = f"judge on --test_folds={unseen}, or start from another model" if unseen else "give another model"
            raise UserError(
                f"--{flag}={path} has seen faces of {name} on which --test_folds={','.join(config.test_folds)} would"
                f" judge, in its own training or by a model it came from: {other}"
            )


def seen_by_run(config: "TrainConfig") -> Seen:
    """Returns what a run's model will have seen, with what those have that it begins from or is taught by."""
    own = _own(config.datasets, config.test_folds)
    return _joined([own, *(_seen_by_file(path) for _, path in sources(config))])


def seen_by_record(record: dict[str, Any]) -> Seen:
    """Returns the same of a run that was begun, by the content of its `config.json`.

    A run of a version before 1.4 tells its own settings alone, one of the first versions not even its folds.
    """
    test_folds = record["settings"].get("test_folds", faces.SPLIT_FOLDS["test"])
    return record.get("seen") or _own(dataset_names(record), test_folds)


def _seen_by_file(path: str) -> Seen:
    """Returns what the model in a file has seen: nothing that is known, if no record of its run lies beside it."""
    if is_packaged(path):
        return _own(DATA, faces.SPLIT_FOLDS["test"])
    folder = keras_file(path).parent
    if not is_run(folder):
        return {}
    return seen_by_record(load_record(folder))


def _own(datasets: Iterable[str], test_folds: Iterable[str | int]) -> Seen:
    judged = {int(fold) for fold in test_folds}
    return {dataset_name(name): [fold for fold in range(faces.NUM_FOLDS) if fold not in judged] for name in datasets}


def _joined(parts: list[Seen]) -> Seen:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sorted({fold for part in parts for fold in part.get(name, ())}) for name in names}
