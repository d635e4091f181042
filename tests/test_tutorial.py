"""The tutorial's cells run, one after the other, in a folder of their own."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "tutorial.ipynb"


def _code(**changes):
    """Returns the code of all cells, with values of its settings changed."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for name, value in changes.items():
        (line,) = [line for line in code.splitlines() if line.startswith(f"{name} = ")]
        code = code.replace(line, f"{name} = {value!r}")
    return code


def _run(code, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_tutorial_ends_with_scores(data_dir, tmp_path):
    done = _run(_code(DATA_DIR=str(data_dir), EPOCHS=1), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "accuracy on 59 test faces: 0." in done.stdout
    assert "and says nothing about people" in done.stdout
    assert (tmp_path / "artefacts" / "model_float32.tflite").is_file()
    # the planted failure: without data the first cell that reads some ends it
    assert _run(_code(DATASET="no_such_data"), tmp_path).returncode == 1


def test_no_output_is_kept_in_the_notebook_and_its_settings_are_there():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    compile(_code(DATA_DIR="data", EPOCHS=1), "tutorial", "exec")
    with pytest.raises(ValueError, match="not enough values"):
        _code(NO_SETTING=1)
