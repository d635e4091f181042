"""A workdir: started, resumed, replaced, or left alone."""

import json
import shutil
import subprocess

import pytest

from gender_tfds import run_folder
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.run_state import git_state, make_record, prepare_workdir


def _record(sha="a", computed_in="float32", **settings):
    data = {"name": "d", "sha256": sha, "metadata": {}}
    return make_record(TrainConfig(**settings), "seed_cnn", data, "/data", "cpu", computed_in)


@pytest.fixture
def workdir(tmp_path):
    """A run folder with a model in it."""
    prepare_workdir(tmp_path / "run", _record(), resume=False, overwrite=False)
    (tmp_path / "run" / run_folder.MODEL).write_text("a model")
    (tmp_path / "run" / run_folder.TENSORBOARD).mkdir()
    return tmp_path / "run"


def test_a_new_run_writes_its_record(tmp_path):
    prepare_workdir(tmp_path / "new" / "run", _record(epochs=3), resume=False, overwrite=False)
    record = json.loads((tmp_path / "new" / "run" / run_folder.CONFIG).read_text())
    assert record["settings"]["epochs"] == 3
    assert record["versions"]["keras"].startswith("3.")
    assert set(record) >= {"data", "device", "precision", "backend", "python", "git", "command"}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_of_a_checkout_is_told_and_whether_its_files_are_those(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", "-C", tmp_path, *who, *arguments], capture_output=True, text=True, check=True)

    assert git_state(tmp_path) is None
    git("init")
    assert git_state(tmp_path) is None  # no commit
    (tmp_path / "code.py").write_text("one")
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "v1")
    commit = git("rev-parse", "HEAD").stdout.strip()
    assert git_state(tmp_path) == commit
    (tmp_path / "code.py").write_text("two")
    assert git_state(tmp_path) == f"{commit}-dirty"
    (tmp_path / "installed").mkdir()
    assert git_state(tmp_path / "installed") is None


def test_a_run_is_not_overwritten_in_silence(workdir):
    with pytest.raises(UserError, match="already holds a run"):
        prepare_workdir(workdir, _record(), resume=False, overwrite=False)
    assert (workdir / run_folder.MODEL).read_text() == "a model"


def test_a_run_is_resumed_with_what_it_holds(workdir):
    before = (workdir / run_folder.CONFIG).read_text()
    prepare_workdir(workdir, _record(), resume=True, overwrite=False)
    assert (workdir / run_folder.MODEL).read_text() == "a model"
    assert (workdir / run_folder.CONFIG).read_text() == before


def test_a_run_is_replaced_when_asked_for(workdir):
    prepare_workdir(workdir, _record(epochs=7), resume=False, overwrite=True)
    assert [path.name for path in workdir.iterdir()] == [run_folder.CONFIG]
    assert json.loads((workdir / run_folder.CONFIG).read_text())["settings"]["epochs"] == 7


def test_what_is_no_runs_own_stays_when_it_is_replaced(workdir):
    (workdir / "undecided").mkdir()
    (workdir / "undecided" / "face.jpg").write_text("a picture to look at")
    prepare_workdir(workdir, _record(), resume=False, overwrite=True)
    assert (workdir / "undecided" / "face.jpg").read_text() == "a picture to look at"


@pytest.mark.parametrize("flag", ["init_from", "pretrained", "teacher"])
def test_a_model_that_the_new_run_needs_is_not_removed_with_the_old_one(workdir, flag):
    part = workdir / "fold_0" / run_folder.MODEL
    part.parent.mkdir()
    part.write_text("a part's model")
    for model in (workdir / run_folder.MODEL, workdir / ".." / "run" / run_folder.MODEL, part):
        record = _record(**{flag: (str(model),) if flag == "teacher" else str(model)})
        with pytest.raises(UserError, match=f"--{flag}={model} is a part of what --overwrite would remove"):
            prepare_workdir(workdir, record, resume=False, overwrite=True, own=("fold_*",))
        assert model.is_file()
    other = workdir / "mine.keras"
    other.write_text("a model beside the run")
    record = _record(**{flag: (str(other),) if flag == "teacher" else str(other)})
    prepare_workdir(workdir, record, resume=False, overwrite=True)
    assert other.is_file()
    assert not (workdir / run_folder.MODEL).exists()


def test_what_auto_chose_on_one_device_is_given_on_another(tmp_path):
    begun, workdir = _record(computed_in="mixed_float16"), tmp_path / "run"
    prepare_workdir(workdir, begun, resume=False, overwrite=False)
    with pytest.raises(UserError, match="--precision=float32 where the run has mixed_float16"):
        prepare_workdir(workdir, _record(), resume=True, overwrite=False)
    given = _record(computed_in="mixed_float16", precision="mixed_float16")
    prepare_workdir(workdir, given, resume=True, overwrite=False)


@pytest.mark.parametrize(
    ("record", "named"), [(_record(learning_rate=0.5), "--learning_rate=0.5"), (_record(sha="b"), "another build")]
)
def test_a_run_with_other_settings_or_data_is_not_resumed(workdir, record, named):
    with pytest.raises(UserError, match=named):
        prepare_workdir(workdir, record, resume=True, overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_other_things_is_left_alone(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"no run \(thesis\.tex\)"):
        prepare_workdir(tmp_path, _record(), resume=False, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_programs_config_json_makes_no_run(tmp_path, overwrite):
    (tmp_path / "config.json").write_text('{"architectures": ["Bert"]}')
    (tmp_path / "README.md").write_text("a card written by hand")
    with pytest.raises(UserError, match="no run"):
        prepare_workdir(tmp_path, _record(), resume=False, overwrite=overwrite)
    assert (tmp_path / "README.md").read_text() == "a card written by hand"


def test_a_file_or_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        prepare_workdir(tmp_path / "file", _record(), resume=False, overwrite=False)
    with pytest.raises(UserError, match="can't be written"):
        prepare_workdir(tmp_path / "file" / "below", _record(), resume=False, overwrite=False)


def test_a_damaged_record_is_one_sentence(workdir):
    (workdir / run_folder.CONFIG).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        prepare_workdir(workdir, _record(), resume=True, overwrite=False)
