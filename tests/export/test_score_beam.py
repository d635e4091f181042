"""Engines of Apache Beam give the rows of a local run, each once."""

import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

from export import commands
from export.records import read_table
from export.score_beam import score_on_beam
from export.score_config import ScoreConfig
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError
from tests.job_service import job_service

ROOT = pathlib.Path(__file__).parents[2]
SCORE = "import sys; from export.commands import score\nif __name__ == '__main__': sys.exit(score())"
COUNT = 100


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(COUNT):
        (folder / f"{index:03d}.jpg").write_bytes(encode_face(index % 20))
    (folder / "broken.jpg").write_bytes(b"broken")
    (folder / os.fsdecode(b"\xff,\n.jpg")).write_bytes(encode_face(21))
    return folder


@pytest.fixture(scope="module")
def local(artefacts, pictures, tmp_path_factory) -> pathlib.Path:
    table = tmp_path_factory.mktemp("local") / "table.csv"
    assert commands.score([str(pictures), f"--model={artefacts / 'model_float32.tflite'}", f"--output={table}"]) == 3
    return table


def rows(*tables: pathlib.Path) -> list[tuple]:
    found = [tuple(row.values()) for table in tables for row in read_table(table, ScoreConfig().table_columns())]
    return sorted(found, key=str)


@pytest.mark.parametrize("runner", ["DirectRunner", "PortableRunner"])
def test_an_engine_gives_the_rows_of_a_local_run(artefacts, pictures, local, tmp_path, runner):
    with contextlib.ExitStack() as stack:
        if runner == "DirectRunner":
            options = "direct_num_workers=2,direct_running_mode=multi_processing"
        else:
            options = f"job_endpoint={stack.enter_context(job_service())},environment_type=LOOPBACK"
        flags = [f"--runner={runner}", f"--beam_options={options}", f"--output={tmp_path / 'table.csv'}"]
        model = f"--model={artefacts / 'model_float32.tflite'}"
        done = subprocess.run(
            [sys.executable, "-c", SCORE, str(pictures), model, *flags],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert f"{COUNT + 2} rows, 1 with errors" in done.stderr
    found = rows(*tmp_path.glob("table-*.csv"))
    assert found == rows(local)
    # the planted failure: a lost row, or a doubled one, would not pass
    assert len(found) == COUNT + 2 == len(set(found))


@pytest.mark.parametrize("suffix", [pytest.param(".jsonl", marks=pytest.mark.slow), ".parquet"])
def test_every_format(artefacts, pictures, local, tmp_path, suffix):
    model = artefacts / "model_float32.tflite"
    counts = score_on_beam(
        model, ScoreConfig(), [str(pictures)], str(tmp_path / f"table{suffix}"), runner="DirectRunner"
    )
    assert counts == {"rows": COUNT + 2, "errors": 1}
    assert len(rows(*tmp_path.glob(f"table-*{suffix}"))) == len(rows(local))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--resume"], "--resume is not for --runner"),
        (["--output=-"], "--output is required with --runner"),
        (["--output=table.txt"], "ends in none of"),
        (["--model=/nowhere.tflite"], "--model=/nowhere.tflite does not exist"),
        (["--detector=yunet", "--detector_model=/nowhere.onnx"], "--detector_model=/nowhere.onnx"),
        (["--output=/dev/null/table.csv"], "--output=/dev/null/table.csv can't be written (File exists)"),
        (["--runner=NoRunner"], "--runner=NoRunner"),
        (["gs://bucket/*.jpg"], "give local inputs or remote patterns, not both"),
    ],
)
def test_a_mistake_is_one_sentence(artefacts, pictures, tmp_path, flags, told, capsys):
    plain = ["--runner=DirectRunner", f"--output={tmp_path / 'table.csv'}"]
    model = f"--model={artefacts / 'model_float32.tflite'}"
    assert commands.score([str(pictures), model, *plain, *flags]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("gender-score: ")
    assert told in line
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_is_there_stays(artefacts, pictures, tmp_path):
    for name in ("table-00000-of-00001.csv", "table-00001-of-00003.csv", "a[b]-00000-of-00001.csv"):
        (tmp_path / name).write_text("precious")

    def score(name):
        output, inputs = str(tmp_path / name), [str(pictures / "000.jpg")]
        return score_on_beam(artefacts / "model_float32.tflite", ScoreConfig(), inputs, output, runner="DirectRunner")

    with pytest.raises(UserError, match=r"are there already \(2, the first .*table-00000-of-00001.csv\); remove them"):
        score("table.csv")
    with pytest.raises(UserError, match=r"are there already \(1, "):
        score("a[b].csv")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"precious"}
    # other tables are not in the way
    assert score("tab.csv")["rows"] == score("table.jsonl")["rows"] == 1


def test_pictures_that_are_not_there_are_told(artefacts, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        score_on_beam(artefacts / "model_float32.tflite", ScoreConfig(), ["/nowhere"], "a.csv", runner="DirectRunner")
