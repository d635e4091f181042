"""gender-export and gender-score as typed: exit statuses, one sentence for a mistake, nothing heavy for nothing."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
from unittest import mock

import pytest

from export import commands, export_model, tflite
from export.export_model import EMITTERS
from export.predictor import identify, load_predictor
from export.score_config import ScoreConfig
from export.writers import TableWriter
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.run_folder import Prediction
from tests.export.conftest import loaded_by


@pytest.fixture
def pictures(tmp_path) -> pathlib.Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        (folder / f"{index}.jpg").write_bytes(encode_face(index))
    return folder


@pytest.fixture
def command(artefacts, pictures, tmp_path) -> dict[str, str]:
    """Flags of a gender-score that works."""
    return {
        "--model": str(artefacts / "model_float32.tflite"),
        "--input": str(pictures),
        "--output": str(tmp_path / "out" / "table.csv"),
    }


def line(flags: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in flags.items()]


def sentence(captured) -> str:
    """Returns what was printed, if it is one line on stderr."""
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    return captured.err.rstrip("\n")


def rows(path: str) -> list[dict[str, str]]:
    with pathlib.Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_scoring_ends_with_0(command, capsys):
    assert commands.score(line(command)) == 0
    assert [row["path"] for row in rows(command["--output"])] == [f"{index}.jpg" for index in range(5)]
    told = capsys.readouterr().err
    assert "0 errors" in told
    assert load_predictor(command["--model"]).note in told


def test_scoring_with_errors_ends_with_3(command, pictures, capsys):
    (pictures / "2.jpg").write_bytes(b"")
    assert commands.score(line(command)) == 3
    assert [row["error"] for row in rows(command["--output"])] == ["", "", "the file is empty", "", ""]
    assert "1 error," in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"--modle": "x"}, "unknown flag 'modle'"),
        ({"--resume": "maybe"}, "--resume"),
        ({"--input": ""}, "INPUTS is required"),
        ({"--model": ""}, "is a folder without a SavedModel"),
        ({"--output": ""}, "is a directory"),
        ({"--histogram": "/dev/null/h.png"}, "--histogram=/dev/null/h.png can't be written ("),
        ({"--histogram": "h.jpg"}, "--histogram=h.jpg does not end in .png"),
        ({"--detector_threshold": "0.5"}, "--detector_threshold=0.5 needs --detector=yunet"),
        ({"--beam_options": "a=1,b"}, "--beam_options=a=1,b are options of a --runner: give one"),
        ({"--output": "-", "--resume": "true"}, "--resume is for a table in a file, not for standard output"),
        ({"--output": "-", "--overwrite": "true"}, "--overwrite is for a table in a file, not for standard output"),
        ({"--scaled_decoding": "true", "--columns": "sha256,width"}, "--scaled_decoding and --columns=width exclude"),
        ({"--output": "table.xls"}, "ends in none of .csv, .jsonl, .parquet"),
        ({"--input": "/nowhere"}, "gender-score: /nowhere does not exist; give a directory"),
        ({"--input": "EMPTY"}, "holds no picture; a picture ends in"),
        ({"--input": "TEXTS"}, "holds no picture; a picture ends in"),
        ({"--model": "/nowhere.tflite"}, "--model=/nowhere.tflite does not exist"),
        ({"--model": __file__}, "is of no known kind"),
        ({"--output": "/dev/null/table.csv"}, "--output=/dev/null/table.csv can't be written ("),
        ({"--output": "EMPTY"}, "is a directory"),
        ({"--output": "EMPTY", "--overwrite": "true"}, "is a directory"),
        ({"--output": "EMPTY", "--resume": "true"}, "is a directory"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(command, flags, told, tmp_path, capsys):
    folders = {"EMPTY": tmp_path / "empty", "TEXTS": tmp_path / "texts"}
    for folder in folders.values():
        folder.mkdir()
    (folders["TEXTS"] / "a.txt").touch()
    flags = {name: str(folders.get(value, value)) for name, value in flags.items()}
    assert commands.score(line({**command, **flags})) == 2
    message = sentence(capsys.readouterr())
    assert message.startswith("gender-score: ")
    assert told in message
    # nothing in the way of the corrected command
    assert commands.score(line(command)) == 0


def test_inputs_are_arguments_too(command, pictures, capsys):
    """Of several, rows are called by the path that was given."""
    flags = {name: value for name, value in command.items() if name != "--input"}
    assert commands.score([*line(flags), f"{pictures}/*[03].jpg", str(pictures / "1.jpg")]) == 0
    assert [row["path"] for row in rows(command["--output"])] == [f"{pictures}/{index}.jpg" for index in (0, 3, 1)]
    capsys.readouterr()
    assert commands.score([*line(flags), "--overwrite"]) == 2
    assert "INPUTS is required" in sentence(capsys.readouterr())


def test_without_output_the_table_is_printed(command, capsysbinary):
    flags = {name: value for name, value in command.items() if name != "--output"}
    assert commands.score([*line(flags), "--summary"]) == 0
    printed = capsysbinary.readouterr()
    assert commands.score(line(command)) == 0
    assert printed.out == pathlib.Path(command["--output"]).read_bytes()
    assert b"100.0%  rows" in printed.err


def test_summary_and_histogram(command, pictures, tmp_path, capsys):
    (pictures / "broken.jpg").write_bytes(b"no picture")
    picture = tmp_path / "histogram.png"
    assert commands.score([*line(command), "--summary", f"--histogram={picture}"]) == 3
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "1   16.7%  error: not a picture that OpenCV can decode, or damaged" in capsys.readouterr().out
    assert commands.score([*line(command), f"--histogram={tmp_path}/a.gif"]) == 2
    assert "does not end in .png" in sentence(capsys.readouterr())


def test_settings_change_the_rows(command, capsys):
    def scored(*flags):
        assert commands.score([*line(command), "--overwrite", *flags]) == 0
        return rows(command["--output"])

    plain = scored()
    assert {row["gender"] for row in scored("--min_confidence=1")} == {"undecided"}
    assert {row["gender"] for row in scored("--threshold=0")} == {"female"}
    assert [row["p_female"] for row in scored("--tta")] != [row["p_female"] for row in plain]
    assert list(scored("--columns=sha256,width")[0])[-2:] == ["sha256", "width"]
    capsys.readouterr()
    assert commands.score([*line(command), "--columns=colour"]) == 2
    assert "give some of width, height, sha256, each once" in sentence(capsys.readouterr())


def test_a_picture_of_too_many_pixels_is_a_row_with_the_reason(command, pictures):
    """In a process of its own: OpenCV reads its limit once."""
    flags = line({**command, "--output": f"{command['--output']}.jsonl"})
    for limit, status, told in ((len(encode_face(0)) ** 2, 0, ""), (100, 3, "more than 100 pixels")):
        done = run_in_a_process("score", *flags, "--overwrite", f"--max_pixels={limit}", "--summary")
        assert done.returncode == status, done.stderr
        assert told in done.stdout


def test_a_reader_that_goes_away_ends_it_quietly(command):
    code = "import sys; from export.commands import score; sys.exit(score())"
    flags = line({name: value for name, value in command.items() if name != "--output"})
    process = subprocess.Popen([sys.executable, "-c", code, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) == 141
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


def test_flags_with_dashes_and_in_two_words_are_accepted(command):
    assert commands.score([part for pair in command.items() for part in pair]) == 0
    assert commands.EXPORT.parse(["--output-dir=out", "--workdir=run"])[0].output_dir == "out"


@pytest.mark.parametrize("name", ["table.csv", "table.csv.partial"])
def test_an_existing_table_is_not_touched_unasked(command, name, capsys):
    output = pathlib.Path(command["--output"])
    output.parent.mkdir()
    (output.parent / name).write_text("precious")
    assert commands.score(line(command)) == 2
    assert "--overwrite" in sentence(capsys.readouterr())
    assert {path.name: path.read_text() for path in output.parent.iterdir()} == {name: "precious"}
    assert commands.score([*line(command), "--overwrite"]) == 0
    assert len(rows(output)) == 5
    assert [path.name for path in output.parent.iterdir()] == ["table.csv"]


def test_a_complete_table_needs_no_resuming(command, capsys):
    assert commands.score([*line(command), "--resume"]) == 0  # nothing to resume is a start
    before = pathlib.Path(command["--output"]).read_bytes()
    capsys.readouterr()
    assert commands.score([*line(command), "--resume"]) == 0
    assert "is complete; nothing to resume" in sentence(capsys.readouterr())
    assert pathlib.Path(command["--output"]).read_bytes() == before
    assert commands.score([*line(command), "--resume", "--model=nosuch.tflite"]) == 2
    assert "--model=nosuch.tflite does not exist" in sentence(capsys.readouterr())


def test_an_interrupted_replacement_is_gone_on_with_though_the_old_table_is_whole(command, capsys):
    output = pathlib.Path(command["--output"])
    assert commands.score(line(command)) == 0
    before = output.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.writers.TableWriter.finish", mock.Mock(side_effect=KeyboardInterrupt))
        assert commands.score([*line(command), "--overwrite", "--min_confidence=1"]) == 130
    assert output.read_bytes() == before
    assert commands.score([*line(command), "--min_confidence=1", "--resume"]) == 0
    assert {row["gender"] for row in rows(command["--output"])} == {"undecided"}
    assert [path.name for path in output.parent.iterdir()] == ["table.csv"]


def test_the_table_of_another_folder_with_the_same_names_is_not_gone_on_with(command, pictures, monkeypatch, capsys):
    other = pictures.parent / "other"
    shutil.copytree(pictures, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.writers.TableWriter.finish", mock.Mock(side_effect=KeyboardInterrupt))
        assert commands.score(line(command)) == 130
    capsys.readouterr()
    assert commands.score([*line(command), "--resume", f"--input={other}"]) == 2
    assert f"was begun with other inputs, {pictures}; give the same" in sentence(capsys.readouterr())
    monkeypatch.chdir(other)
    assert commands.score([*line(command), "--resume", "--input=../pictures"]) == 0


@pytest.mark.parametrize("when", ["export.predictor.predictor_of_thread", "export.scorer.Scorer.score"])
def test_a_replacement_interrupted_before_its_first_row_is_told_to_be_begun_again(command, capsys, when):
    assert commands.score(line(command)) == 0
    capsys.readouterr()
    replace = [*line(command), "--overwrite", "--min_confidence=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(when, mock.Mock(side_effect=KeyboardInterrupt))
        assert commands.score(replace) == 130
    again = sentence(capsys.readouterr()).partition("to go on: gender-score ")[2]
    assert commands.score(shlex.split(again)) == 0
    assert {row["gender"] for row in rows(command["--output"])} == {"undecided"}


@pytest.mark.parametrize(
    ("flags", "resumed"), [(["--output=t.csv"], True), (["--output=-"], False), ([], False), (["--runner=R"], False)]
)
def test_only_a_table_in_a_file_is_told_to_be_resumed(pictures, monkeypatch, capsys, flags, resumed):
    monkeypatch.setattr("export.commands._score_here", mock.Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr("export.commands._score_on_beam", mock.Mock(side_effect=KeyboardInterrupt))
    argv = [str(pictures), *flags]
    assert commands.score(argv) == 130
    again = shlex.join(["gender-score", *argv, *(["--resume"] if resumed else [])])
    assert sentence(capsys.readouterr()) == f"gender-score: interrupted; to go on: {again}"


def test_copies_of_photos_do_not_lie_among_them(command, pictures, capsys):
    flags = ["--detector=yunet", f"--annotated_dir={pictures / 'copies'}"]
    assert commands.score([*line(command), *flags]) == 2
    assert "whose pictures are scored: so would be the copies" in sentence(capsys.readouterr())


@pytest.mark.parametrize("inputs", [["*.jpg"], ["0.jpg", "1.jpg"], ["-"]])
def test_a_copy_never_replaces_a_photo(command, pictures, monkeypatch, capsys, inputs):
    """Not those either that become known one after the other."""
    monkeypatch.chdir(pictures)
    monkeypatch.setattr("sys.stdin", mock.Mock(buffer=io.BytesIO(b"0.jpg\n1.jpg\n")))
    before = {path: path.read_bytes() for path in pictures.iterdir()}
    flags = [f"--model={command['--model']}", "--detector=yunet", "--detector_threshold=0.01", "--annotated_dir=."]
    assert commands.score([*inputs, *flags, f"--output={command['--output']}"]) == 2
    assert "the copy of 0.jpg would replace 0.jpg" in sentence(capsys.readouterr())
    assert {path: path.read_bytes() for path in pictures.iterdir()} == before
    # elsewhere they are made, and made again
    for again in ([], ["--overwrite"]):
        monkeypatch.setattr("sys.stdin", mock.Mock(buffer=io.BytesIO(b"0.jpg\n1.jpg\n")))
        assert commands.score(
            [*inputs, *flags[:-1], "--annotated_dir=../copies", f"--output={command['--output']}", *again]
        ) in (0, 3)
        assert (pictures.parent / "copies" / "0.jpg").is_file()


def test_an_empty_folder_is_one_sentence_on_a_terminal_too(command, tmp_path):
    (tmp_path / "empty").mkdir()
    code = "import sys; from export.commands import score; sys.exit(score())"
    flags = line(command | {"--input": str(tmp_path / "empty")})
    reader, terminal = os.openpty()
    done = subprocess.run([sys.executable, "-c", code, *flags], stderr=terminal, check=False)
    os.close(terminal)
    with contextlib.suppress(OSError):  # the other end is gone
        told = os.read(reader, 100_000).decode()
    assert done.returncode == 2
    assert "holds no picture" in told
    assert "Traceback" not in told


def run_in_a_process(name: str, *argv: str) -> subprocess.CompletedProcess:
    code = f"import sys; from export.commands import {name}; sys.exit({name}())"
    return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False)


def test_a_mistake_in_a_real_process(command, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run_in_a_process("score", *line({**command, "--input": str(tmp_path / "empty")}))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(f"gender-score: {tmp_path / 'empty'} holds no picture;")


def test_odd_names_in_a_real_process(command, pictures):
    """The locale of the process is not what decides how names are written."""
    name = os.fsdecode(b"\xff\n\xe2\x80\xa8.jpg")
    (pictures / name).write_bytes(encode_face(7))
    code = "import sys; from export.commands import score; sys.exit(score())"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, *line(command)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert b'"\xff\n\xe2\x80\xa8.jpg",' in pathlib.Path(command["--output"]).read_bytes()


def test_scoring_with_a_tflite_file_loads_nothing_heavy(command, tmp_path):
    code = "from export.commands import score\nassert score() == 0"
    assert loaded_by(code, tmp_path, *line(command)) == set()
    assert len(rows(command["--output"])) == 5


@pytest.mark.parametrize("name", ["score", "export"])
def test_help_loads_nothing_heavy_and_lists_every_flag(tmp_path, name):
    code = (
        f"from export.commands import {name}\nassert {name}(['--help']) == 0\n"
        "assert not {'cv2', 'numpy', 'ai_edge_litert'} & set(sys.modules)"
    )
    assert loaded_by(code, tmp_path) == set()
    done = run_in_a_process(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    command = {"score": commands.SCORE, "export": commands.EXPORT}[name]
    for field in itertools.chain.from_iterable(map(dataclasses.fields, command.settings)):
        assert field.name in done.stdout.lower()
    assert command.example in done.stdout


@pytest.mark.parametrize("command_", [commands.SCORE, commands.EXPORT], ids=lambda command: command.name)
def test_the_example_is_a_command_line_that_parses(command_):
    name, *argv = command_.example.split()
    assert name == command_.name
    assert command_.parse(argv)


def test_the_default_formats_are_all_that_need_no_extra():
    assert [*commands.ExportPolicy(workdir="run", output_dir="out").formats, "onnx"] == list(EMITTERS)


def test_exporting_ends_with_0(run, data_dir, tmp_path, capsys):
    flags = {"--workdir": str(run), "--output_dir": str(tmp_path / "out"), "--formats": "float32"}
    assert commands.export(line({**flags, "--data_dir": str(data_dir)})) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock",
        "export.json",
        "model_float32.tflite",
    ]
    assert "Artefacts are in" in capsys.readouterr().err


def _swapped(model, path, metadata, calibration):
    import keras

    inputs = keras.Input(model.input_shape[1:])
    tflite.emit_tflite(keras.Model(inputs, 1 - model(inputs)), path, metadata)


@pytest.mark.parametrize(
    ("formats", "status", "published"),
    [("float32,float16", 3, ["model_float16.tflite"]), ("float32", 1, [])],
)
def test_a_refused_artefact_is_told_by_its_reason_and_the_status(
    formats, status, published, run, data_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(export_model.EMITTERS, "float32", (_swapped, *EMITTERS["float32"][1:]))
    flags = {"--workdir": str(run), "--output_dir": str(tmp_path / "out"), "--formats": formats}
    assert commands.export(line({**flags, "--data_dir": str(data_dir)})) == status
    assert "float32: refused, nothing written: p_female differs by" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "export.json", *published]
    results = json.loads((tmp_path / "out" / "export.json").read_text())
    assert results["float32"]["refused"].startswith("p_female differs by")


def test_a_finished_table_keeps_its_status_and_is_only_of_its_own_folder(command, pictures, capsys):
    (pictures / "broken.jpg").write_bytes(b"no picture")
    assert commands.score(line(command)) == 3
    assert commands.score([*line(command), "--resume"]) == 3
    (pictures / "new.jpg").write_bytes(encode_face(9))
    capsys.readouterr()
    assert commands.score([*line(command), "--resume"]) == 2
    assert "is of another folder" in sentence(capsys.readouterr())
    pathlib.Path(command["--output"]).write_text("a,b\n1,2\n")
    assert commands.score([*line(command), "--resume"]) == 2
    assert "is not a table that was begun like this" in sentence(capsys.readouterr())


def test_a_table_is_not_gone_on_with_by_another_model(command, artefacts, pictures, capsys):
    def begin(model, *flags):
        begun_with = " ".join([identify(model), *flags])
        with TableWriter(output, ScoreConfig().table_columns(), overwrite=True, begun_with=begun_with) as writer:
            writer.write([dataclasses.asdict(Prediction.from_probability("0.jpg", 0.25))])

    output = pathlib.Path(command["--output"])
    begin(artefacts / "model_float16.tflite")
    assert commands.score([*line(command), "--resume"]) == 2
    message = sentence(capsys.readouterr())
    assert "was begun with model_float16.tflite" in message
    assert "not with model_float32.tflite" in message
    begin(artefacts / "model_float32.tflite", "--tta=True")
    assert commands.score([*line(command), "--resume"]) == 2
    assert "--tta=True, not with" in sentence(capsys.readouterr())
    begin(artefacts / "model_float32.tflite")
    assert commands.score([*line(command), "--resume"]) == 0
    assert rows(command["--output"])[0]["p_female"] == "0.25"
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"--workdir": "/nowhere"}, "/nowhere is not a run folder"),
        ({"--formats": "coreml"}, "--formats=coreml: give one or more of saved_model, float32"),
        ({"--formats": ""}, "--formats=: give one or more of saved_model, float32"),
        ({"--format": "float32"}, "unknown flag 'format'"),
        ({"--data_dir": "/nowhere"}, "build it with"),
        ({"--output_dir": "/dev/null"}, "--output_dir=/dev/null is a file, or lies in one"),
    ],
)
def test_an_exporters_mistake_is_one_sentence_and_2(run, data_dir, tmp_path, flags, told, capsys):
    right = {"--workdir": str(run), "--output_dir": str(tmp_path / "out"), "--formats": "float32"}
    assert commands.export(line({**right, "--data_dir": str(data_dir), **flags})) == 2
    message = sentence(capsys.readouterr())
    assert message.startswith("gender-export: ")
    assert told in message
    assert not (tmp_path / "out").exists()


def test_an_artefact_describes_itself(artefacts, facts, tmp_path, capsys):
    for file in ("model_int8.tflite", "saved_model"):
        assert commands.export([f"--describe={artefacts / file}"]) == 0
        assert json.loads(capsys.readouterr().out) == facts
    (tmp_path / "x.tflite").write_bytes(b"x")
    assert commands.export([f"--describe={tmp_path}/x.tflite"]) == 2
    assert "is damaged" in sentence(capsys.readouterr())
    assert commands.export([f"--workdir={tmp_path}"]) == 2
    assert "--output_dir is required" in sentence(capsys.readouterr())
