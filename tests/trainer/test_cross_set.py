"""One run on all that it was judged on."""

import json
import subprocess
import sys

import pytest

from gender_tfds import run_folder
from gender_tfds.user_error import UserError
from trainer.cross_set import COLUMNS, FILE, cross_set_table
from trainer.evaluate import evaluate_workdir
from trainer.judging_commands import COMPARE


def test_every_judgement_is_a_row_with_its_numbers(own_run, tmp_path, capsys):
    assert len(cross_set_table(own_run)) == 1
    numbers, _ = evaluate_workdir(own_run, None, "validation", None)
    table = cross_set_table(own_run)
    assert tuple(table.columns) == COLUMNS
    assert list(table["split"]) == ["test", "validation"]
    row = table.iloc[1]
    assert (row["n"], row["accuracy"]) == (numbers["n"], numbers["accuracy"])
    assert [row["low"], row["high"]] == numbers["intervals"]["accuracy"]
    assert COMPARE.run([str(own_run), f"--output_dir={tmp_path / 'out'}"]) == 0
    assert f"{numbers['accuracy']:.4f}" in capsys.readouterr().out
    assert (tmp_path / "out" / FILE).read_text() == table.to_csv(index=False)


def test_what_stands_in_files_is_told_without_keras(own_run):
    code = (
        "import sys; from trainer.judging_commands import COMPARE;"
        f" sys.exit(COMPARE.run([{str(own_run)!r}]) or 10 * len({{'keras', 'tensorflow'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worst_slice_is_told(own_run):
    path = own_run / run_folder.METRICS
    numbers = json.loads(path.read_text())
    numbers["worst_slice"] = {"by": "age", "slice": "0-3", "n": 40, "error_rate": 0.4}
    path.write_text(json.dumps(numbers))
    row = cross_set_table(own_run).iloc[0]
    assert (row["worst_slice"], row["worst_error_rate"]) == ("0-3", 0.4)


def test_a_run_without_a_judgement_is_one_sentence(own_run):
    (own_run / run_folder.METRICS).unlink()
    with pytest.raises(UserError, match="holds no judgement"):
        cross_set_table(own_run)
