"""command_line: flags from a dataclass, presets, one sentence and an exit status for every mistake."""

import dataclasses
import errno
import importlib.metadata
import logging
import os
import signal
from unittest import mock

import pytest

from gender_tfds import terminal
from gender_tfds.command_line import Command
from gender_tfds.field_flags import setting
from gender_tfds.user_error import USER_ERROR, UserError


@dataclasses.dataclass(frozen=True)
class Config:
    epochs: int = setting(10, "passes over the data", lower=1, upper=100)
    learning_rate: float = setting(0.001, "step size", lower=0)
    model: str = setting("small", "the network", choices=("small", "large"))
    batch_size: int = setting(32, "pictures a step", lower=1)
    cache: bool = setting(True, "keep pictures in memory")
    names: tuple[str, ...] = setting(("a", "b"), "some names")


@dataclasses.dataclass(frozen=True)
class Policy:
    workdir: str = setting(dataclasses.MISSING, "folder of the run")
    data_dir: str | None = setting(None, "where the data is")
    resume: bool = setting(False, "go on")


@pytest.fixture(autouse=True)
def _loggers_as_before():
    loggers = [logging.getLogger(name) for name in terminal.PACKAGES]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def command(tmp_path):
    """Returns a function that makes a command; its `main` is the argument."""
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "fast.flags").write_text("# comment\n--epochs=3\n--batch_size=64\n--nocache\n")
    (presets / "best.flags").write_text("--epochs=90\n")

    def make(main=lambda *_: None, **options):
        options = {"settings": (Config, Policy), "presets": presets} | options
        return Command("gender-try", "tries something.", "gender-try --workdir=runs/a", main=main, **options)

    return make


def _run(command, *argv):
    """Returns the settings that `main` was called with."""
    taken = []
    assert command(lambda *settings: taken.extend(settings)).run(["--workdir=w", *argv]) == 0
    return taken


def test_without_flags_the_defaults_hold(command):
    assert _run(command) == [Config(), Policy("w")]


def test_a_flag_of_every_type(command):
    config, policy = _run(
        command, "--epochs=5", "--learning_rate=0.5", "--model=large", "--nocache", "--names=x,y,z", "--data_dir", "d"
    )
    assert config == Config(5, 0.5, "large", 32, False, ("x", "y", "z"))
    assert policy == Policy("w", "d")


@dataclasses.dataclass(frozen=True)
class Paths:
    paths: tuple[str, ...] = setting(dataclasses.MISSING, "files to take", positional=True)


def test_arguments_are_taken_where_a_command_has_them(command, capsys):
    taken = []
    made = command(lambda *settings: taken.extend(settings), settings=(Config, Paths))
    assert made.run(["a,b", "--epochs=5", "c", "--", "--epochs=6"]) == 0
    assert taken == [Config(epochs=5), Paths(("a,b", "c", "--epochs=6"))]
    assert made.run(["--epochs=5"]) == USER_ERROR
    assert capsys.readouterr().err == "gender-try: PATHS is required: files to take\n"
    assert made.run(["--help"]) == 0
    assert "Arguments:\n  PATHS ...\n      files to take\n" in capsys.readouterr().out


def test_the_home_folder_is_meant_by_a_tilde_at_the_beginning_of_a_path(command, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config, policy = _run(command, "--data_dir=~/faces", "--names=~/a,b~/c")
    assert (policy.data_dir, config.names) == ("/home/me/faces", ("/home/me/a", "b~/c"))


@pytest.mark.parametrize("flag", ["--batch-size=7", "--batch_size=7"])
def test_a_dash_is_an_underscore_in_a_flags_name(command, flag):
    assert _run(command, flag)[0] == Config(batch_size=7)


def test_a_dash_in_a_value_stays(command):
    assert _run(command, "--data-dir=/my-data/a_b")[1].data_dir == "/my-data/a_b"


def test_a_preset_wins_over_the_defaults(command):
    assert _run(command, "--preset=fast")[0] == Config(epochs=3, batch_size=64, cache=False)
    assert _run(command, "--preset", "fast")[0] == Config(epochs=3, batch_size=64, cache=False)


@pytest.mark.parametrize(
    "argv", [("--preset=fast", "--epochs=7", "--cache"), ("--epochs=7", "--cache", "--preset=fast")]
)
def test_the_command_line_wins_over_a_preset_wherever_it_stands(command, argv):
    assert _run(command, *argv)[0] == Config(epochs=7, batch_size=64, cache=True)


def test_a_preset_by_path(command, tmp_path):
    mine = tmp_path / "mine.flags"
    mine.write_text("--epochs=42\n")
    assert _run(command, f"--preset={mine}")[0] == Config(epochs=42)


def test_a_preset_may_be_what_differs_from_another(command, tmp_path):
    mine, other = tmp_path / "mine.flags", tmp_path / "other.flags"
    mine.write_text("--batch-size=32\n# wherever it stands\n--preset=fast\n")
    assert _run(command, f"--preset={mine}")[0] == Config(epochs=3, batch_size=32, cache=False)
    other.write_text(f"--preset={mine}\n--epochs=8\n")
    assert _run(command, f"--preset={other}")[0] == Config(epochs=8, batch_size=32, cache=False)
    assert _run(command, f"--preset={other}", "--cache")[0] == Config(epochs=8, batch_size=32, cache=True)


def test_presets_that_take_each_other_are_a_mistake(command, tmp_path, capsys):
    one, other = tmp_path / "one.flags", tmp_path / "other.flags"
    one.write_text(f"--preset={other}\n")
    other.write_text(f"--preset={one}\n")
    assert command().run(["--workdir=w", f"--preset={one}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--preset={one} in {other} takes a preset into itself" in line
    other.write_text("--epochs=4\n")
    assert _run(command, f"--preset={one}")[0].epochs == 4


def test_a_preset_in_the_home_folder(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.flags").write_text("--epochs=42\n")
    assert _run(command, "--preset=~/mine.flags")[0].epochs == 42


def test_a_preset_that_another_lacks_is_a_mistake(command, tmp_path, capsys):
    (tmp_path / "mine.flags").write_text("--preset=nonesuch\n")
    assert command().run(["--workdir=w", f"--preset={tmp_path / 'mine.flags'}"]) == 2
    assert "--preset=nonesuch" in capsys.readouterr().err


def test_a_run_leaves_nothing_to_the_next(command):
    _run(command, "--epochs=5")
    assert _run(command)[0] == Config()


MISTAKES = {
    "unknown flag": (["--workdir=w", "--epohcs=3"], ["epohcs", "Did you mean: epochs"]),
    "too small": (["--workdir=w", "--epochs=0"], ["epochs", "0", "[1, 100]"]),
    "too large": (["--workdir=w", "--epochs=101"], ["epochs", "101", "[1, 100]"]),
    "no number": (["--workdir=w", "--epochs=many"], ["epochs", "many"]),
    "no choice": (["--workdir=w", "--model=huge"], ["model", "huge", "small", "large"]),
    "required": ([], ["--workdir is required", "folder of the run"]),
    "required and empty": (["--workdir="], ["--workdir is required"]),
    "unknown preset": (["--workdir=w", "--preset=nonesuch"], ["--preset=nonesuch", "best, fast"]),
    "preset without a name": (["--workdir=w", "--preset"], ["--preset=", "best, fast"]),
    "no flag": (["--workdir=w", "pictures", "--epochs=3"], ["'pictures' is not a flag"]),
    "no value": (["--workdir=w", "--epochs"], ["epochs"]),
    "no flag file": (["--workdir=w", "--flagfile=/nonesuch"], ["/nonesuch"]),
}


@pytest.mark.parametrize(("argv", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(command, capsys, argv, said):
    called = []
    assert command(lambda *settings: called.append(settings)).run(argv) == 2
    assert called == []
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("gender-try: ")
    for words in said:
        assert words in line


def test_a_mistake_in_a_preset_is_told(command, tmp_path, capsys):
    (tmp_path / "bad.flags").write_text("--epohcs=42\n")
    assert command().run(["--workdir=w", f"--preset={tmp_path / 'bad.flags'}"]) == 2
    assert "epohcs" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_lists_the_commands_own_flags_and_an_example(command, capsys, flag):
    assert command().run(["--epochs=3", flag]) == 0  # wherever it stands, and whatever is missing
    output = capsys.readouterr().out
    flags = {line.strip() for line in output.splitlines() if line.startswith("  --")}
    fields = {
        f"--{name}" for name in ("epochs", "learning_rate", "model", "batch_size", "names", "workdir", "data_dir")
    }
    assert flags == fields | {"--[no]cache", "--[no]resume", "--preset=NAME", "--help, --version"}
    assert "gender-try --workdir=runs/a" in output
    text = " ".join(output.split())
    for words in ("tries something.", "best, fast", "default 10", "one of small, large", "required", "default a,b"):
        assert words in text


def test_without_presets_there_is_no_such_flag(command, capsys):
    bare = command(presets=None)
    assert "--preset" not in bare.help()
    assert bare.run(["--workdir=w", "--preset=fast"]) == 2
    assert "preset" in capsys.readouterr().err


def test_version(command, capsys):
    assert command().run(["--version"]) == 0
    assert capsys.readouterr().out == f"gender-try {importlib.metadata.version('gender-classifier')}\n"


@pytest.mark.parametrize("status", [None, 0, 3])
def test_the_status_is_what_main_returns(command, status):
    assert command(lambda *_: status).run(["--workdir=w"]) == (status or 0)


def test_a_users_mistake_inside_main(command, capsys):
    def main(*_):
        raise UserError("w is not a run folder; give another")

    assert command(main).run(["--workdir=w"]) == 2
    assert capsys.readouterr().err == "gender-try: w is not a run folder; give another\n"


def test_a_fault_of_ours_is_not_hidden(command):
    def main(*_):
        raise ZeroDivisionError("a fault")

    with pytest.raises(ZeroDivisionError, match="a fault"):
        command(main).run(["--workdir=w"])


def _interrupt(*_):
    raise KeyboardInterrupt


def _terminate(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("a signal's handler runs before the next line")


@pytest.mark.parametrize(("main", "status"), [(_interrupt, 130), (_terminate, 143)])
@pytest.mark.parametrize("argv", [["--workdir=my run"], ["--workdir=my run", "--resume"]])
def test_an_interrupted_command_says_how_to_go_on(command, capsys, main, status, argv):
    before = signal.getsignal(signal.SIGTERM)
    assert command(main).run(argv) == status
    assert capsys.readouterr().err == "gender-try: interrupted; to go on: gender-try '--workdir=my run' --resume\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_that_cannot_resume_is_told_as_it_was(command, capsys):
    assert command(_interrupt, settings=(Config,)).run(["--epochs=3"]) == 130
    assert capsys.readouterr().err.endswith("to go on: gender-try --epochs=3\n")


def test_the_projects_log_goes_to_stderr_as_plain_text(command, capsys):
    def main(*_):
        logging.getLogger("trainer.train").info("epoch 1")
        logging.getLogger("somebody.else").info("noise")

    for _ in range(2):  # a second run says nothing twice
        command(main).run(["--workdir=w"])
        output = capsys.readouterr()
        assert (output.out, output.err) == ("", "epoch 1\n")


def test_flags_are_not_absls_own(command):
    from absl import flags

    before = set(flags.FLAGS)
    _run(command, "--epochs=3")
    assert set(flags.FLAGS) == before


@dataclasses.dataclass(frozen=True)
class Both:
    resume: bool = setting(False, "go on")
    overwrite: bool = setting(False, "start anew")


def _stop(both):
    raise KeyboardInterrupt


def test_to_go_on_and_to_start_anew_exclude_each_other(capsys):
    both = Command("gender-x", "does", "gender-x", (Both,), lambda both: None)
    assert both.run(["--resume", "--overwrite"]) == 2
    assert capsys.readouterr().err == "gender-x: --resume and --overwrite exclude each other; give one of them\n"
    assert both.run(["--resume"]) == both.run(["--overwrite"]) == 0


def test_to_go_on_is_told_so_that_it_can_be_typed(capsys):
    stopped = Command("python -m here", "does", "python -m here", (Both,), _stop)
    assert stopped.run([]) == 130
    assert capsys.readouterr().err.endswith("to go on: python -m here --resume\n")


def test_what_was_begun_anew_is_gone_on_with_without_beginning_anew(capsys):
    assert Command("gender-x", "does", "gender-x", (Both,), _stop).run(["--overwrite"]) == 130
    assert capsys.readouterr().err == "gender-x: interrupted; to go on: gender-x --resume\n"


def test_where_nothing_can_be_gone_on_with_it_is_begun_anew(capsys):
    never = Command("gender-x", "does", "gender-x", (Both,), _stop, resumable=lambda both: not both.overwrite)
    assert never.run(["--overwrite"]) == 130
    assert capsys.readouterr().err == "gender-x: interrupted; to go on: gender-x --overwrite\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_one_sentence_and_2_and_another_fault_stays_one(command, capsys, number):
    def main_with(error):
        return mock.Mock(side_effect=error)

    full = OSError(number, os.strerror(number), "a.csv")
    assert command(main_with(full)).run(["--workdir=w"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"gender-try: a.csv can't be written ({os.strerror(number)}); make room")
    with pytest.raises(OSError, match="something else"):
        command(main_with(OSError("something else"))).run(["--workdir=w"])
