"""gender-benchmark as typed: a table, its files, and a sentence for each mistake before anything is measured."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from export import benchmark, measuring_commands
from tests.export.conftest import loaded_by

QUICK = ["--rounds=1", "--seconds=0.01", "--threads=1"]


def test_help_loads_nothing_heavy_and_lists_every_flag(tmp_path, capsys):
    code = (
        "from export.measuring_commands import benchmark\nassert benchmark(['--help']) == 0\n"
        "assert not {'cv2', 'numpy', 'pandas'} & set(sys.modules)"
    )
    assert loaded_by(code, tmp_path) == set()
    assert measuring_commands.benchmark(["--help"]) == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(measuring_commands.BenchmarkPolicy):
        assert field.metadata["positional"] or f"--{field.name}" in shown
    assert measuring_commands.BENCHMARK.parse(measuring_commands.BENCHMARK.example.split()[1:])


def test_a_table_its_file_and_its_picture(artefacts, data_dir, tmp_path, reference, test_faces, capsys):
    path = artefacts / "model.onnx"
    outputs = [f"--output={tmp_path / 'out' / 'table.csv'}", f"--plot={tmp_path / 'plot.png'}"]
    data = ["--dataset=drawn_faces", f"--data_dir={data_dir}"]
    assert measuring_commands.benchmark([str(path), *QUICK, *outputs, *data]) == 0
    captured = capsys.readouterr()
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table["artefact"].tolist() == [str(path)]
    assert table["n"].tolist() == [len(test_faces)]
    assert f"{table['accuracy'][0]:.4f}" in captured.out
    assert "accuracy, 95 %" in captured.out.splitlines()[0]
    assert "59 faces of drawn_faces" in captured.err
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_data_set_faces_are_drawn(monkeypatch, capsys):
    asked = {}

    def measured(artefacts, pictures, **options):
        asked.update(options, artefacts=artefacts, pictures=pictures)
        row = {name: 1.0 for kind in benchmark.SPREAD for name in (kind, f"{kind}_low", f"{kind}_high")}
        return pd.DataFrame(
            [row | {"artefact": artefacts[0], "threads": 1, "bytes": 1, "n": 5, "times_faster": 1.0}]
        ).assign(labels_changed=0, worst_difference=0.0)

    monkeypatch.setattr(benchmark, "benchmark", measured)
    assert measuring_commands.benchmark(["device", "--reference=accurate", "--max_faces=5"]) == 0
    assert asked["artefacts"] == ("device",)
    assert (asked["reference"], asked["threads"], asked["rounds"]) == ("accurate", None, 3)
    assert len(asked["pictures"].encoded) == 5
    assert asked["pictures"].labels is None
    assert "On 5 faces drawn by code." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "ARTEFACTS is required: each a packaged model"),
        (["nowhere"], "nowhere does not exist; give a packaged model"),
        (["device", "--reference=nowhere"], "nowhere does not exist"),
        (["device", "--output=table.txt"], "--output=table.txt does not end in .csv"),
        (["device", "--plot=plot.jpg"], "--plot=plot.jpg does not end in .png"),
        (["device", "--plot=/dev/null/plot.png"], "--plot=/dev/null/plot.png can't be written ("),
        (["device", "--output=FOLDER.csv"], "can't be written; give another path"),
        (["device", "--rounds=0"], "--rounds"),
        (["device", "--data_dir=data"], "--data_dir=data is of a data set: give --dataset"),
        (["device", "--split=train"], "--split=train is of a data set: give --dataset"),
        (["device", "--dataset=utkface", "--data_dir=FOLDER.csv"], "there is no data set 'utkface'"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(flags, told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "_measured", lambda *_: pytest.fail("something was measured"))
    (tmp_path / "FOLDER.csv").mkdir()
    flags = [flag.replace("FOLDER", str(tmp_path / "FOLDER")) for flag in flags]
    assert measuring_commands.benchmark(flags) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gender-benchmark: ")
    assert captured.err.count("\n") == 1
    assert told in captured.err


def test_labels_are_those_of_the_data_set(data_dir):
    policy = measuring_commands.BenchmarkPolicy(
        artefacts=("device",), dataset="drawn_faces", data_dir=str(data_dir), split="validation", max_faces=20
    )
    pictures = measuring_commands.labelled_pictures(policy)
    assert len(pictures.encoded) == len(pictures.labels) == 20
    assert set(np.unique(pictures.labels)) == {0, 1}
