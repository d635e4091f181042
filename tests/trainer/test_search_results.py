"""What a search leaves, from trials that were made up."""

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from trainer import commands, search_results
from trainer.config import TrainConfig
from trainer.search_space import as_config, make_space

BASE = TrainConfig(epochs=4)
RECORD = {"data": {"name": "d/1.0.0", "metadata": {"note": "Drawn."}}, "command": "gender-tune --workdir=w\n--epochs=4"}


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def _add(study, value, state=TrialState.COMPLETE):
    trial = study.ask(make_space(BASE, ["learning_rate", "zoom", "optimizer"]))
    trial.report(value, 1)
    trial.set_user_attr("val_accuracy", 1 - value)
    study.tell(trial, value if state == TrialState.COMPLETE else None, state=state)
    return trial


def test_the_table_has_a_row_a_trial_that_ended(study):
    _add(study, 0.5)
    _add(study, 0.9, TrialState.PRUNED)
    _add(study, 0.7, TrialState.FAIL)
    study.ask()
    table = search_results.make_table(study)
    assert list(table["trial"]) == [0, 1, 2]
    assert list(table["state"]) == ["complete", "pruned", "fail"]
    assert list(table["val_cross_entropy"].head(2)) == [0.5, 0.9]
    assert list(table["epochs"]) == [1, 1, 1]
    assert {"learning_rate", "zoom", "optimizer"} <= set(table.columns)


def test_the_best_trial_is_a_preset_with_what_it_is_worth(study, tmp_path):
    trials = [_add(study, value) for value in (0.5, 0.25, 0.75)]
    search_results.write_results(study, BASE, RECORD, tmp_path)
    preset = tmp_path / search_results.BEST
    comments = [line for line in preset.read_text().splitlines() if line.startswith("#")]
    assert "Trial 1, the best of 3: validation cross-entropy 0.2500, accuracy 0.7500" in comments[0]
    assert comments[1] == "# The first trial, number 0: 0.5000."
    assert comments[2:] == ["# Drawn.", "# gender-tune --workdir=w --epochs=4"]
    parsed, _, _ = commands.TRAIN.parse(["--workdir=w", f"--preset={preset}"])
    assert parsed == as_config(BASE, trials[1].params)
    assert parsed.epochs == 4
    assert not (tmp_path / search_results.IMPORTANCE).exists()


@pytest.mark.usefixtures("drawn")
def test_pictures_are_drawn_as_soon_as_there_is_enough(study, tmp_path):
    _add(study, 0.9, TrialState.PRUNED)
    search_results.write_results(study, BASE, RECORD, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [search_results.TRIALS]
    for number in range(9):
        _add(study, 0.5 + 0.1 * number)
    search_results.write_results(study, BASE, RECORD, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*search_results.FILES} - {search_results.IMPORTANCE}
    _add(study, 0.4)
    search_results.write_results(study, BASE, RECORD, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(search_results.FILES)
    assert len(pd.read_csv(tmp_path / search_results.TRIALS)) == 11
    for picture in tmp_path.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG"), picture
