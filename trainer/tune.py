"""Search for better settings. A trial learns from the training faces and is judged on those of validation.

The test split is never looked at: the best of many trials, judged on the faces it was chosen by, looks better than it
is, and only faces that chose nothing can tell by how much.
"""

import logging
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from gender_tfds import run_folder, shards
from gender_tfds.folder_lock import locked
from gender_tfds.saved_run import load_record
from gender_tfds.user_error import UserError
from trainer.checkpoints import DivergedError
from trainer.config import TrainConfig
from trainer.run_state import SEARCH, prepare_workdir
from trainer.search_results import FILES, FINISHED, write_results
from trainer.search_space import as_config, as_params, make_space
from trainer.train import prepare_training

log = logging.getLogger(__name__)

# What training chooses its best epoch by. Accuracy on 1,800 faces moves in steps and by chance; this tells more of each
# face, and knows no smoothing, weights or mixup, so that trials with and without them compare.
OBJECTIVE = "val_cross_entropy"
_STUDY = "study.db"
_OWN = ("trial_*", f"{_STUDY}*", *FILES)
_INTERRUPTED = "interrupted"  # attribute of a trial that was ended from outside
_NEVER_STOPPED = 5  # the first trials: a median of fewer says little


def tune(
    config: TrainConfig,
    data_dir: str | None,
    workdir: str | pathlib.Path,
    *,
    trials: int = 20,
    minutes: float = 0.0,
    names: Sequence[str] = (),
    cache_dir: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> optuna.Study:
    """Searches for settings of a low validation cross-entropy, from `config` on, which is the first trial.

    Args:
      config: the starting point; what is not searched stays as it is there.
      data_dir: where the data set was built; TFDS' default if None.
      workdir: folder of the search; what it holds is renewed after every trial.
      trials: how many to finish in total; those that were stopped early count.
      minutes: begin no trial after so many; 0 is no limit.
      names: of the settings to search; if empty, all in `search_space.SPACE` that the architecture has.
      cache_dir: folder of the decoded pictures, with `config.cache == "disk"`.
      resume: go on with the search in `workdir`, or start if there is none.
      overwrite: replace the search in `workdir`.

    Returns:
      The study. A trial's value is its lowest validation cross-entropy.

    Raises:
      UserError: no such data set, settings that exclude each other or can't be searched, or a workdir in use.
    """
    space = make_space(config, names)
    workdir = pathlib.Path(workdir).expanduser()
    training, record = prepare_training(config, data_dir, cache_dir)
    record |= {"kind": SEARCH, "kind_settings": {"search": ",".join(space)}}
    with locked(workdir, "--workdir"), shards.told(training.builders):
        training.count()  # which raises, before the folder is touched
        prepare_workdir(workdir, record, resume=resume, overwrite=overwrite, own=_OWN)
        study = _open_study(workdir, config, space)
        _search(study, space, config, data_dir, cache_dir, workdir, trials=trials, minutes=minutes)
        return study


def _search(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    config: TrainConfig,
    data_dir: str | None,
    cache_dir: str | None,
    workdir: pathlib.Path,
    *,
    trials: int,
    minutes: float,
) -> None:
    record = load_record(workdir)
    began = time.monotonic()
    while True:
        done = len(study.get_trials(states=FINISHED))
        if done:  # before the end is looked for: a search may have been killed between a trial and this
            write_results(study, config, record, workdir)
        if done >= trials:
            return
        if minutes and time.monotonic() - began > 60 * minutes:
            log.info("%d of %d trials are finished after %g minutes; --resume goes on.", done, trials, minutes)
            return
        # by what is finished, so that an interrupted search goes on as it would have
        study.sampler = optuna.samplers.TPESampler(seed=config.seed + done + _given_up(study))
        trial = study.ask(dict(space))
        log.info("Trial %d, %d of %d: %s.", trial.number, done + 1, trials, _words(trial.params))
        _run(study, trial, as_config(config, trial.params), data_dir, cache_dir, workdir)


def _open_study(workdir: pathlib.Path, config: TrainConfig, space: Mapping[str, BaseDistribution]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = workdir / _STUDY
    # before a quarter of its epochs, how a trial stands says little about its end
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_NEVER_STOPPED, n_warmup_steps=config.epochs // 4)
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}", study_name="search", pruner=pruner, load_if_exists=True, direction="minimize"
        )
    except Exception as error:  # SQLAlchemy raises whatever a damaged file leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} can't be opened ({reason}); start again with --overwrite") from error
    if study.user_attrs.setdefault("space", str(space)) != str(space):
        raise UserError(f"{path} is a search between other bounds, of another version; start again with --overwrite")
    study.set_user_attr("space", str(space))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # of a search that was killed
        study.tell(trial.number, state=TrialState.FAIL)
        shutil.rmtree(trial_folder(workdir, trial.number), ignore_errors=True)
    given_up = _given_up(study)
    if given_up:
        log.info("Settings of %d trials have ended the search twice; others are tried instead.", given_up)
    if not study.get_trials(states=(*FINISHED, TrialState.WAITING)) and not given_up:
        study.enqueue_trial(as_params(config, space))
    return study


def _given_up(study: optuna.Study) -> int:
    """Returns how many settings are not tried again: by them the process ended twice, as where memory is not enough.

    Once may be chance, and what was killed from outside by SIGKILL looks the same; it is to end as if it had not been.
    """
    failed = [
        str(trial.params)
        for trial in study.get_trials(states=(TrialState.FAIL,))
        if _INTERRUPTED not in trial.user_attrs
    ]
    return len(failed) - len(set(failed))


def _run(
    study: optuna.Study,
    trial: optuna.Trial,
    config: TrainConfig,
    data_dir: str | None,
    cache_dir: str | None,
    workdir: pathlib.Path,
) -> None:
    keras.backend.clear_session()  # Keras keeps something of every model that a process builds
    folder = trial_folder(workdir, trial.number)
    try:
        training, _ = prepare_training(config, data_dir, cache_dir)
        progress = training.run(folder, [_Judge(trial, config.epochs)]).progress
    except (optuna.TrialPruned, DivergedError) as stopped:
        # as stopped, not as failed: the sampler learns from it to keep away
        study.tell(trial, state=TrialState.PRUNED)
        log.info("Stopped: %s.", "the loss is no number" if isinstance(stopped, DivergedError) else stopped)
    except KeyboardInterrupt:
        trial.set_user_attr(_INTERRUPTED, True)
        raise
    else:
        best = progress.history[progress.best_epoch - 1]
        trial.set_user_attr("val_accuracy", best["val_accuracy"])
        study.tell(trial, best[OBJECTIVE])
        log.info(
            "Validation cross-entropy %.4f, accuracy %.4f; the lowest so far is %.4f.",
            *(best[OBJECTIVE], best["val_accuracy"], study.best_value),
        )
    finally:
        _keep_history(folder)


class _Judge(keras.callbacks.Callback):
    """Tells the study of each epoch, and stops a trial that is worse than the median of the others."""

    def __init__(self, trial: optuna.Trial, epochs: int) -> None:
        super().__init__()
        self.trial = trial
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.trial.report(float((logs or {})[OBJECTIVE]), epoch + 1)
        if epoch + 1 < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned(f"after epoch {epoch + 1} it is worse than the median of the others")


def trial_folder(workdir: pathlib.Path, number: int) -> pathlib.Path:
    """Returns the folder of a trial below that of the search."""
    return workdir / f"trial_{number:03}"


def _words(params: Mapping[str, Any]) -> str:
    values = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in params.items()}
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _keep_history(folder: pathlib.Path) -> None:
    """Removes models and logs, which would fill a disk trial by trial."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != run_folder.HISTORY:
            path.unlink()
