"""A search: from the user's own settings on, never by the test faces, to be interrupted at any time."""

import dataclasses
import functools
import importlib.util
import json
import shutil
import types

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from gender_tfds import faces, reading, run_folder
from gender_tfds.user_error import UserError
from tests.trainer.conftest import step_by_step
from trainer import commands, search_results, tune
from trainer.checkpoints import DivergedError, Progress
from trainer.config import TrainConfig

SMALL = TrainConfig(image_size=32, batch_size=32, epochs=1)
NAMES = ("learning_rate", "rotation")
TRIALS = 3


@pytest.fixture(scope="module")
def seen_folds():
    """Every fold whose faces were read by `searched`."""
    return set()


@pytest.fixture(scope="module")
def searched(data_dir, tmp_path_factory, seen_folds):
    """The folder of a search that trained; read it, don't write to it."""
    workdir, read_folds = tmp_path_factory.mktemp("searches") / "search", reading.read_folds

    def spy(builder, folds, *options, **more):
        seen_folds.update(folds)
        return read_folds(builder, folds, *options, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "read_folds", spy)
        patch.setattr(reading, "read_encoded", _only_of_folds(reading.read_encoded))
        with step_by_step():
            tune.tune(SMALL, str(data_dir), workdir, trials=TRIALS, names=NAMES)
    return workdir


def _only_of_folds(read_encoded):
    def read(builder, split, *options, **more):
        assert split != "test"
        return read_encoded(builder, split, *options, **more)

    return read


@pytest.fixture
def pretended(monkeypatch):
    """Replaces training by epochs whose validation cross-entropies are `pretended(number of the training, epoch)`."""
    prepare, records, trainings = tune.prepare_training, {}, []
    values = types.SimpleNamespace(of=lambda number, epoch: 0.5 + 0.01 * number - 0.01 * epoch, trainings=trainings)

    def prepared(config, data_dir, cache_dir):
        if config.epochs not in records:  # a trial's own is not looked at, and to build its model takes a second
            records[config.epochs] = prepare(config, data_dir, cache_dir)[1]
        record = records[config.epochs]
        training = types.SimpleNamespace(run=functools.partial(run, config), count=lambda: None, builders=[])
        return training, record

    def run(config, folder, callbacks):
        trainings.append(config)
        progress = Progress()
        (folder / run_folder.TENSORBOARD).mkdir(parents=True)
        (folder / run_folder.CHECKPOINT).write_text("large")
        for epoch in range(config.epochs):
            value = values.of(len(trainings) - 1, epoch)
            row = {"epoch": epoch + 1, "image_size": 32, "val_cross_entropy": value, "val_accuracy": 0.5}
            progress.history.append(row)
            (folder / run_folder.HISTORY).write_text("an epoch")
            for callback in callbacks:
                callback.on_epoch_end(epoch, row)
        return types.SimpleNamespace(progress=progress)

    monkeypatch.setattr(tune, "prepare_training", prepared)
    monkeypatch.setattr(tune.keras.backend, "clear_session", lambda: None)  # nothing is built, and it takes a while
    monkeypatch.setattr(tune, "write_results", lambda *arguments: None)  # pictures take longer than all the rest
    return values


def _params(study):
    return [trial.params for trial in study.get_trials(states=search_results.FINISHED)]


def test_the_first_trial_has_the_users_own_settings_and_none_sees_a_test_face(searched, seen_folds):
    table = pd.read_csv(searched / search_results.TRIALS)
    assert list(table["state"]) == ["complete"] * TRIALS
    assert list(table.loc[0, list(NAMES)]) == [SMALL.learning_rate, SMALL.rotation]
    assert table["learning_rate"].nunique() == TRIALS
    assert seen_folds == set(range(faces.NUM_FOLDS)) - set(SMALL.folds("test"))


def test_only_the_history_of_a_trial_is_kept(searched):
    for number, value in enumerate(pd.read_csv(searched / search_results.TRIALS)["val_cross_entropy"]):
        folder = tune.trial_folder(searched, number)
        assert [path.name for path in folder.iterdir()] == [run_folder.HISTORY]
        assert pd.read_csv(folder / run_folder.HISTORY)["val_cross_entropy"].min() == pytest.approx(value)


def test_the_best_is_a_preset_for_training(searched):
    table = pd.read_csv(searched / search_results.TRIALS)
    best = table.loc[table["val_cross_entropy"].idxmin()]
    config, _, _ = commands.TRAIN.parse(["--workdir=w", f"--preset={searched / search_results.BEST}"])
    found = {name: getattr(config, name) for name in NAMES}
    assert found == pytest.approx(best[list(NAMES)].to_dict())
    assert config == dataclasses.replace(SMALL, **found)


def test_an_interrupted_search_goes_on_as_it_would_have(data_dir, tmp_path, pretended):
    whole = tune.tune(SMALL, str(data_dir), tmp_path / "whole", trials=13, names=NAMES)
    pretended.trainings.clear()
    workdir = tmp_path / "killed"
    tune.tune(SMALL, str(data_dir), workdir, trials=2, names=NAMES)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{workdir / 'study.db'}")
    left = study.ask()  # what a process that was killed leaves
    tune.trial_folder(workdir, left.number).mkdir()
    resumed = tune.tune(SMALL, str(data_dir), workdir, trials=13, names=NAMES, resume=True)
    assert resumed.trials[left.number].state == TrialState.FAIL
    assert not tune.trial_folder(workdir, left.number).exists()
    assert _params(resumed) == _params(whole)
    assert len({tuple(params.values()) for params in _params(whole)}) == 13


def test_a_search_killed_in_its_first_trial_begins_with_the_users_settings_again(data_dir, tmp_path, pretended):
    def interrupted(number, epoch):
        raise KeyboardInterrupt

    then, pretended.of = pretended.of, interrupted
    with pytest.raises(KeyboardInterrupt):
        tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=1, names=NAMES)
    pretended.of = then
    study = tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=1, names=NAMES, resume=True)
    assert pretended.trainings == [SMALL, SMALL]
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.parametrize("number", [0, 2])
def test_settings_that_end_the_process_twice_are_left_for_others(data_dir, tmp_path, pretended, number):
    def values(training, epoch):
        if pretended.trainings[-1] in lethal:
            raise MemoryError
        return 0.5

    lethal, pretended.of = [], values
    tune.tune(SMALL, str(data_dir), tmp_path / "whole", trials=4, names=NAMES)
    settings = list(pretended.trainings)
    lethal.append(settings[number])
    for _ in range(2):
        with pytest.raises(MemoryError):
            tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=4, names=NAMES, resume=True)
    study = tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=4, names=NAMES, resume=True)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * number + ["FAIL"] * 2 + ["COMPLETE"] * (4 - number)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 5  # the second is the first one's again


def test_a_search_interrupted_again_and_again_goes_on_as_it_would_have(data_dir, tmp_path, pretended):
    def interrupted(number, epoch):
        raise KeyboardInterrupt

    then = pretended.of
    whole = tune.tune(SMALL, str(data_dir), tmp_path / "whole", trials=2, names=NAMES)
    for trials in (1, 2):
        pretended.of = interrupted
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=trials, names=NAMES, resume=True)
        pretended.of = then
        resumed = tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=trials, names=NAMES, resume=True)
    assert _params(resumed) == _params(whole)


def test_a_bad_trial_is_stopped_early_and_a_diverging_one_does_not_end_the_search(data_dir, tmp_path, pretended):
    def values(number, epoch):
        if number == 6:
            raise DivergedError("the loss became nan")
        return 9.0 if number in (0, 5) else 0.5 - 0.01 * epoch

    pretended.of = values
    config = dataclasses.replace(SMALL, epochs=8)
    study = tune.tune(config, str(data_dir), tmp_path / "search", trials=8, names=NAMES)
    states = [trial.state.name for trial in study.trials]
    # the very first may be as bad: there is nothing to compare it with
    assert states == ["COMPLETE"] * 5 + ["PRUNED"] * 2 + ["COMPLETE"]
    epochs = [len(trial.intermediate_values) for trial in study.trials]
    assert epochs == [8] * 5 + [2, 0, 8]  # it is first compared after a quarter of its epochs
    for number in range(8):
        found = list(tune.trial_folder(tmp_path / "search", number).iterdir())
        assert [path.name for path in found] == [run_folder.HISTORY] * (number != 6)


def test_other_settings_data_or_names_are_not_gone_on_with(searched, data_dir, tmp_path):
    for config, names, named in (
        (dataclasses.replace(SMALL, epochs=2), NAMES, "--epochs=2 where the search has 1"),
        (SMALL, ("zoom",), "--search=zoom where the search has learning_rate,rotation"),
        (SMALL, ("width",), "--search=width can't be searched"),
    ):
        with pytest.raises(UserError, match=named):
            tune.tune(config, str(data_dir), searched, trials=TRIALS, names=names, resume=True)
    copy = shutil.copytree(searched, tmp_path / "copy")
    record = json.loads((copy / run_folder.CONFIG).read_text())
    record["data"]["sha256"] = "another"
    (copy / run_folder.CONFIG).write_text(json.dumps(record))
    with pytest.raises(UserError, match="another build of the data"):
        tune.tune(SMALL, str(data_dir), copy, trials=TRIALS, names=NAMES, resume=True)
    with pytest.raises(UserError, match="already holds a search"):
        tune.tune(SMALL, str(data_dir), searched, trials=TRIALS, names=NAMES)


def test_a_search_between_other_bounds_or_a_damaged_one_is_one_sentence(searched, data_dir, tmp_path, monkeypatch):
    copy = shutil.copytree(searched, tmp_path / "copy")
    other = optuna.distributions.FloatDistribution(0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(tune, "make_space", lambda config, names: dict.fromkeys(NAMES, other))
        with pytest.raises(UserError, match="between other bounds"):
            tune.tune(SMALL, str(data_dir), copy, trials=TRIALS, names=NAMES, resume=True)
    (copy / "study.db").write_text("no database " * 500)
    with pytest.raises(UserError, match=r"study\.db can't be opened"):
        tune.tune(SMALL, str(data_dir), copy, trials=TRIALS, names=NAMES, resume=True)


def test_results_that_a_kill_kept_from_being_written_are_written_by_resume(searched, data_dir, tmp_path):
    copy = shutil.copytree(searched, tmp_path / "copy")
    for name in (search_results.TRIALS, search_results.BEST):
        (copy / name).unlink()
    tune.tune(SMALL, str(data_dir), copy, trials=TRIALS, names=NAMES, resume=True)
    for name in (search_results.TRIALS, search_results.BEST):
        assert (copy / name).read_text() == (searched / name).read_text()


def test_overwrite_begins_anew(searched, data_dir, tmp_path, pretended):
    copy = shutil.copytree(searched, tmp_path / "copy")
    study = tune.tune(SMALL, str(data_dir), copy, trials=1, names=NAMES, overwrite=True)
    assert len(study.trials) == 1
    assert not tune.trial_folder(copy, 1).exists()


def test_no_trial_begins_after_the_time_is_up(data_dir, tmp_path, pretended):
    study = tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=9, minutes=1e-9, names=NAMES)
    assert [trial.state for trial in study.trials] == [TrialState.WAITING]
    study = tune.tune(SMALL, str(data_dir), tmp_path / "search", trials=1, names=NAMES, resume=True)
    assert pretended.trainings == [SMALL]


def test_without_optuna_the_command_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert commands.tune([f"--workdir={tmp_path / 'search'}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line == 'gender-tune: Optuna is not installed; install it with pip install "gender-classifier[tune]"'


def test_the_command_says_the_best_and_how_to_train_with_it(searched, data_dir, capsys):
    flags = ["--image_size=32", "--batch_size=32", "--epochs=1", f"--trials={TRIALS}", f"--search={','.join(NAMES)}"]
    assert commands.tune([*flags, f"--data_dir={data_dir}", f"--workdir={searched}", "--resume"]) == 0
    shown = capsys.readouterr().err
    assert "The best is trial" in shown
    assert f"gender-train --preset={searched / search_results.BEST}" in shown
