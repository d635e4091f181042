"""The commands that judge, as they are typed; more of compare and data in their modules' tests."""

import json
import pathlib
import subprocess
import sys

import pytest

from gender_tfds import run_folder
from gender_tfds.atomic_files import write_text
from trainer import judging_commands as commands

ONE_RUN = ["--dataset=utkface", "--split=validation", "--data_dir=d"]


@pytest.mark.parametrize(
    ("run", "flags", "named"),
    [
        (commands.evaluate, ["--workdir=nowhere"], "nowhere"),
        (commands.evaluate, ["--workdir=w", "pictures"], "pictures"),
        (commands.evaluate, ["--workdir=w", "--min_confidence=0.4"], "min_confidence"),
        (commands.evaluate, ["--workdir=w", "--explain=13"], "explain"),
        (commands.compare, [], "RUNS is required"),
        *((commands.compare, ["one", flag], f"{flag} needs two run folders") for flag in ONE_RUN),
        (commands.compare, ["nowhere"], "nowhere is not a run folder"),
        (commands.evaluate, ["--workdir=parts"], "parts is the folder of a cross-validation"),
        (commands.compare, ["parts"], "parts is the folder of a cross-validation"),
        (commands.data, ["--output_dir=o"], "--dataset is required"),
        (commands.data, ["--output_dir=o", "--dataset=utkface", "--data_dir=d"], "tfds build utkface"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(run, flags, named, capsys, tmp_path, monkeypatch):
    record = {"settings": {}, "data": {}, "kind": "cross-validation"}
    write_text(tmp_path / "parts" / run_folder.CONFIG, json.dumps(record))
    monkeypatch.chdir(tmp_path)
    assert run(flags) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("gender-")
    assert named in line
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_evaluate_tells_accuracy_what_is_decided_and_what_the_label_is(own_run, capsys):
    assert commands.evaluate([f"--workdir={own_run}", "--split=validation", "--min_confidence=0.51"]) == 0
    shown = capsys.readouterr().err
    assert "Accuracy 0." in shown
    assert "With --min_confidence=0.51, " in shown
    assert "macro avg" in shown
    assert "says nothing about people" in shown


def test_the_console_scripts_are_these_functions():
    script = pathlib.Path(sys.executable).with_name("gender-evaluate")
    # a mistake that is told before TensorFlow is imported
    flags = ["--workdir=nowhere", "--min_confidence=0.4"]
    result = subprocess.run([script, *flags], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--min_confidence=0.4" in result.stderr
    assert "Traceback" not in result.stderr
