"""What the tests of the data sets share: build one, read it back, run `tfds build`."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from gender_tfds import face_files, faces, reading
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError
from tests.forks import FORKS, LONGEST, set_up_fork


def write_faces(folder, pictures):
    """Writes drawn faces; `pictures` is {file name: number of the face}."""
    for name, index in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_face(index))
    return folder


@contextlib.contextmanager
def absl_log() -> Iterator[list[str]]:
    """Yields the messages that are logged inside, each after its level."""
    messages, logger = [], logging.getLogger("absl")
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(f"{record.levelname} {record.getMessage()}")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def build(builder_class, data_dir, manual_dir=None):
    """Returns the builder of a data set that is built now, and what was logged."""
    builder = builder_class(data_dir=data_dir)
    with absl_log() as messages:
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    return builder, messages


def read(builder):
    """Returns {file name: example} over all splits; a face in two of them is an error."""
    found = {}
    for split in builder.info.splits:
        for example in reading.read_encoded(builder, split).as_numpy_iterator():
            name = example["filename"].decode()
            assert name not in found
            found[name] = example | {"split": split}
    return found


def misplaced(examples):
    """Returns what the rules forbid: folds and splits that don't follow the group, groups in two splits."""
    wrong, split_of = [], {}
    for name, example in examples.items():
        group = example["group"].decode()
        if example["fold"] != faces.fold(group) or example["split"] != faces.split_of(group):
            wrong.append(name)
        if split_of.setdefault(example["image"], example["split"]) != example["split"]:
            wrong.append(name)
    return wrong


def check_copies(builder, copies, data_dir, manual_dir):
    """Checks that copies of a picture are one group in one split, and that this would be seen if they were not."""
    examples = read(builder)
    assert misplaced(examples) == []
    assert {examples[name]["group"].decode() for name in copies} == {min(copies)}
    with mock.patch.object(face_files, "near_duplicate_groups", return_value={}):
        assert misplaced(read(build(type(builder), data_dir, manual_dir)[0])) != []


def check_mistake(builder_class, data_dir, manual_dir, said):
    """Checks that a build is refused in one sentence, which matches `said`, and leaves no records."""
    with pytest.raises(UserError, match=said) as error:
        build(builder_class, data_dir, manual_dir)
    assert "\n" not in str(error.value)
    assert not list(data_dir.rglob("*.tfrecord*"))


class ManualDir:
    """Of a `DatasetBuilderTestCase`: its dummy data, which `write_dummy_data` writes to a folder, as `manual_dir`."""

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        cls.write_dummy_data(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    def setUp(self):
        super().setUp()
        # the test case mocks TFDS' own manual_dir, which knows no "not given"
        self.enterContext(mock.patch.object(self.DATASET_CLASS, "manual_dir", self.dummy_data))


def _tfds(argv: Sequence[str], folder: pathlib.Path, output: pathlib.Path) -> None:
    """Runs `tfds` in this process, as its console script does."""
    from tensorflow_datasets.scripts.cli.main import launch_cli

    os.chdir(folder)
    set_up_fork(output, stdout=os.devnull)
    sys.argv = ["tfds", *argv]
    sys.dont_write_bytecode = True
    try:
        launch_cli()
    except Exception:
        sys.excepthook(*sys.exc_info())  # multiprocessing has a hook of its own
        sys.exit(1)


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished `tfds build`."""

    status: int
    stderr: str
    data_dir: pathlib.Path


def tfds_build(
    calls: Mapping[str, tuple[Sequence[str], pathlib.Path | None]], root: pathlib.Path, installed: str = ""
) -> dict[str, Done]:
    """Runs `tfds build` with flags in a folder (None: somewhere), the call of this name as the command is installed."""
    done = {}
    for how, (flags, folder) in calls.items():
        data_dir, output = root / how, root / f"{how}.txt"
        data_dir.mkdir()
        argv = ["build", *flags, f"--data_dir={data_dir}"]
        if how != installed:
            process = FORKS.Process(target=_tfds, args=(argv, folder or root, output))
            process.start()
            process.join(LONGEST)
            process.kill()
            process.join()
            status = process.exitcode
        else:
            tool = pathlib.Path(sys.executable).parent / "tfds"
            options = {"cwd": folder or root, "env": os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, "timeout": LONGEST}
            with output.open("w") as file:
                status = subprocess.call([tool, *argv], stdout=subprocess.DEVNULL, stderr=file, **options)
        done[how] = Done(status, output.read_text(), data_dir)
    return done


def tfds_build_by_name(name: str, manual_dir: pathlib.Path, root: pathlib.Path) -> dict[str, Done]:
    """Runs `tfds build NAME --imports=…` with a folder, `given`, and without one, `not given`."""
    by_name = [name, f"--imports=gender_tfds.{name}"]
    calls = {"given": ([*by_name, f"--manual_dir={manual_dir}"], None), "not given": (by_name, None)}
    return tfds_build(calls, root)


def check_built_alike(name: str, done: Done, builder: tfds.core.DatasetBuilder) -> None:
    """Checks that a `tfds build` of a data set made what `builder` has built."""
    assert done.status == 0, done.stderr
    assert "error:" not in done.stderr
    other = reading.open_built(name, str(done.data_dir))
    assert read(other) == read(builder)
    # the same data, however it was built
    assert reading.fingerprint(other) == reading.fingerprint(builder)


def sentence(done: Done) -> str:
    """Returns the one sentence with which a `tfds build` ended that a user's mistake stopped."""
    assert done.status == 2
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line == done.stderr.splitlines()[-1]
    assert not list(done.data_dir.rglob("*.tfrecord*"))
    return line
