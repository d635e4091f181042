"""Commands in processes that are forked from one which has imported what they all need: that is most of their time."""

import gc
import multiprocessing
import os
import pathlib

LONGEST = 300  # seconds of a command

# One server a test process, whichever module asks for it: so it imports for all of them.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("tensorflow", "export.export_model", "export.score", "trainer.cross_validate", "trainer.tune"),
        *("tensorflow_datasets.scripts.cli.main", "apache_beam", "mlcroissant"),
        *("tests.test_killed", "tests.gender_tfds.builds"),  # where what is forked is
    ]
)


def set_up_fork(stderr: pathlib.Path, stdout: str | pathlib.Path | None = None) -> None:
    """Sets a fork up for a command: appends what it prints to files, stdout to the same one as stderr if none is given.

    What the server imported is kept from the garbage collector, which would copy it page by page.
    """
    gc.freeze()
    for stream, path in ((1, stdout or stderr), (2, stderr)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
