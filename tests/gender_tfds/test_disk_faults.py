"""disk_faults: known from whatever library they come, and told apart from other errors."""

import errno
import os

import pytest
import tensorflow as tf

from gender_tfds.disk_faults import disk_fault


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_the_systems_own_error_is_told_with_its_file(number):
    words = os.strerror(number)
    assert disk_fault(OSError(number, words, "a.csv")) == (
        f"a.csv can't be written ({words}); make room or give another folder, and give the command again"
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG])
def test_a_place_that_cannot_be_used_is_told_and_one_that_was_tried_before_is_not(number):
    words = os.strerror(number)
    error = OSError(number, words, "a/b.png")
    assert disk_fault(error) == f"a/b.png can't be used ({words}); give another path, or mend this one"
    later = KeyError("x")
    later.__context__ = error
    assert disk_fault(later) is None
    assert disk_fault(OSError(number, words)) is None  # of no path


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")  # noqa: PTH110


@FULL
def test_the_error_of_a_library_in_another_language_is_known():
    with pytest.raises(tf.errors.OpError) as of_tensorflow, tf.io.TFRecordWriter("/dev/full") as writer:
        writer.write(b"x" * 1_000_000)
    assert disk_fault(of_tensorflow.value).startswith("a file can't be written (No space left on device)")


def _nested():
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise RuntimeError("could not save") from error


def test_a_cause_counts():
    with pytest.raises(RuntimeError) as error:
        _nested()
    assert disk_fault(error.value)


@pytest.mark.parametrize(
    "error", [None, ValueError("x"), FileNotFoundError(errno.ENOENT, "No such file", "a"), OSError("x"), KeyError()]
)
def test_another_error_is_none_of_these(error):
    assert disk_fault(error) is None
