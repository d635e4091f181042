"""The trainer's commands as they are typed: quick help, presets, and one sentence for each mistake."""

import shlex
import subprocess
import sys

import pytest

from gender_tfds import run_folder
from gender_tfds.folder_lock import locked
from gender_tfds.user_error import UserError
from trainer import commands
from trainer.config import TrainConfig

PRESETS = sorted(path.stem for path in commands.TRAIN.presets.glob("*.flags"))


def test_help_comes_without_loading_tensorflow():
    script = (
        "import sys; from trainer import commands as c, judging_commands as j;"
        "[run(['--help']) for run in (j.evaluate, j.compare, j.data, c.cross_validate, c.tune, c.train)];"
        "print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'tensorflow_datasets', 'matplotlib', 'optuna'}))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert "--[no]flip" in result.stdout
    assert "gender-train --dataset=utkface" in result.stdout


def test_what_is_missing_or_in_the_way_is_told_without_loading_tensorflow(tmp_path):
    nowhere, taken, used = tmp_path / "nowhere", tmp_path / "taken", tmp_path / "used"
    taken.mkdir()
    (taken / "notes.txt").touch()
    data = ["--dataset=utkface", f"--data_dir={nowhere}"]
    lines = [
        *((f"c.{name}", [*data, f"--workdir={tmp_path / 'run'}"]) for name in ("train", "cross_validate", "tune")),
        ("j.data", [*data, f"--output_dir={tmp_path / 'out'}"]),
        ("j.evaluate", [f"--workdir={nowhere}"]),
        ("j.compare", [str(nowhere), str(tmp_path)]),
        ("e.export", [f"--workdir={nowhere}", f"--output_dir={tmp_path / 'out'}"]),
    ]
    lines += [(run, [*line, f"--workdir={place}"]) for place in (taken, used) for run, line in lines[:3]]
    runs = ", ".join(f"({run}, {line})" for run, line in lines)
    script = (
        "import sys; from trainer import commands as c, judging_commands as j; from export import commands as e;"
        f"print([run(line) for run, line in ({runs})], {{'tensorflow', 'keras'}} & set(sys.modules))"
    )
    with locked(used, "--workdir"):
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == f"{[2] * len(lines)} set()\n"
    named = [str(place) for place in (*[nowhere] * 7, *[taken] * 3)] + [f"{used} is in use by another command"] * 3
    assert [words in line for words, line in zip(named, result.stderr.splitlines(), strict=True)] == [True] * 13
    assert sorted(tmp_path.iterdir()) == [taken, used]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_packaged_preset_is_read_and_the_command_line_wins(preset):
    teacher = ["--teacher=accurate"] if preset == "best" else []
    config, policy, _ = commands.TRAIN.parse(["--workdir=w", f"--preset={preset}", "--epochs=77", *teacher])
    assert config.epochs == 77
    assert policy.workdir == "w"
    assert config.checked(None) == config


@pytest.mark.parametrize("preset", PRESETS)
def test_a_packaged_preset_opens_with_commands_that_are_read_the_last_of_which_makes_it(preset):
    header = (commands.TRAIN.presets / f"{preset}.flags").read_text().replace("\n#   --", " --").splitlines()
    lines = [shlex.split(line.removeprefix("# ")) for line in header if line.startswith("# gender-")]
    assert header[0].startswith("# gender-train ")
    assert f"--preset={preset}" in lines[-1]
    for name, *line in lines:
        assert commands.TRAIN.name == name
        commands.TRAIN.parse(line)


def test_a_preset_of_several_data_sets_is_used_with_one_as_it_is_told():
    line = ["--workdir=w", "--preset=wide", "--dataset=utkface"]
    with pytest.raises(UserError, match=r"of utkface; --dataset_weights= leaves them out"):
        commands.TRAIN.parse(line)[0].checked(None)
    config = commands.TRAIN.parse([*line, "--dataset_weights="])[0].checked(None)
    assert (config.datasets, config.dataset_weights) == (("utkface",), ())


def test_the_seed_preset_is_the_seeds_recipe():
    config, _, _ = commands.TRAIN.parse(["--workdir=w", "--preset=seed"])
    assert config == TrainConfig()
    assert (config.model, config.image_size, config.epochs, config.optimizer) == ("seed_cnn", 64, 10, "adam")
    assert config.flip
    assert config.rotation > 0


@pytest.mark.parametrize(
    ("run", "flags", "named"),
    [
        (commands.train, ["--workdir=w", "--epoch=3"], "epoch"),
        (commands.train, ["--workdir=w", "--epochs=0"], "--epochs=0"),
        (commands.train, [], "--workdir is required"),
        (commands.train, ["--workdir=w", "--preset=best_of_all"], "best_of_all"),
        (commands.train, ["--workdir=w", "--model=rsnet"], "rsnet"),
        (commands.train, ["--workdir=w", "--preset=best"], "--teacher_weight=0.7 needs --teacher"),
        (commands.train, ["--workdir=w", "--data_dir=nowhere"], "tfds build drawn_faces"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(run, flags, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(flags) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("gender-")
    assert named in line
    assert not any(tmp_path.iterdir())


def test_a_workdir_in_use_is_one_sentence_and_status_2(trained_run, data_dir, capsys):
    before = (trained_run / run_folder.MODEL).read_bytes()
    flags = [f"--workdir={trained_run}", f"--data_dir={data_dir}", "--image_size=32", "--batch_size=32", "--epochs=2"]
    assert commands.train(flags) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "already holds a run" in lines[-1]
    assert "Traceback" not in "".join(lines)
    assert (trained_run / run_folder.MODEL).read_bytes() == before
    assert commands.train([*flags, "--resume"]) == 0
