"""What a search leaves: its trials as a table, the best one as a preset, pictures."""

import pathlib
from typing import Any

import optuna
import pandas as pd
from optuna.trial import TrialState

from gender_tfds.atomic_files import write_text
from gender_tfds.saved_run import data_note
from trainer.config import TrainConfig
from trainer.search_space import as_config, as_flags
from trainer.series_plots import plot_importance, plot_parameters, plot_trials

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
BEST, TRIALS = "best.flags", "trials.csv"
HISTORY, PARAMETERS, IMPORTANCE = "history.png", "parameters.png", "importance.png"
FILES = (BEST, TRIALS, HISTORY, PARAMETERS, IMPORTANCE)  # every name that `write_results` writes
_ENOUGH = 10  # completed trials, and more than settings, before it is worth saying which of those matter


def make_table(study: optuna.Study) -> pd.DataFrame:
    """Returns a row a trial that has ended: number, how it ended, its value, validation accuracy, epochs, settings.

    The value is the lowest validation cross-entropy; of a trial that was stopped, the last one.
    """
    return pd.DataFrame(
        [
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "val_cross_entropy": trial.value,
                "val_accuracy": trial.user_attrs.get("val_accuracy"),
                "epochs": len(trial.intermediate_values),
                **trial.params,
            }
            for trial in study.trials
            if trial.state.is_finished()
        ]
    )


def write_results(study: optuna.Study, base: TrainConfig, record: dict[str, Any], workdir: pathlib.Path) -> None:
    """Writes `FILES`, those for which there are trials enough.

    Args:
      study: with a finished trial.
      base: the settings that the search started from.
      record: content of the search's `config.json`.
      workdir: folder of the search.
    """
    table = make_table(study)
    write_text(workdir / TRIALS, table.to_csv(index=False))
    completed = study.get_trials(states=(TrialState.COMPLETE,))
    if not completed:
        return
    write_text(workdir / BEST, _preset(study, base, record))
    ended = table[table["val_cross_entropy"].notna()]
    title = f"{base.model} on {record['data']['name']}, {len(ended)} trials of up to {base.epochs} epochs"
    plot_trials(ended, workdir / HISTORY, title)
    logarithmic = [name for name, values in study.best_trial.distributions.items() if getattr(values, "log", False)]
    plot_parameters(ended, list(study.best_trial.params), logarithmic, workdir / PARAMETERS, title)
    if len(study.best_trial.params) > 1 and len(completed) >= max(_ENOUGH, len(study.best_trial.params) + 1):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=base.seed)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        plot_importance(shares, workdir / IMPORTANCE, f"{title}\nestimated from {len(completed)} completed ones")


def _preset(study: optuna.Study, base: TrainConfig, record: dict[str, Any]) -> str:
    best, first = study.best_trial, study.get_trials(states=(TrialState.COMPLETE,))[0]
    tried = len(study.get_trials(states=FINISHED))
    lines = [
        f"# Trial {best.number}, the best of {tried}: validation cross-entropy {best.value:.4f}, accuracy"
        f" {best.user_attrs['val_accuracy']:.4f}. Chosen by the validation faces, so this is too good; the test faces"
        " were not looked at.",
        f"# The first trial, number {first.number}: {first.value:.4f}.",
        f"# {data_note(record)}",
        f"# {' '.join(record['command'].split())}",
        *as_flags(as_config(base, best.params)),
    ]
    return "\n".join(lines) + "\n"
