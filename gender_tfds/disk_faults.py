"""A disk that is full, or a place that can't be used, is told in a sentence, from whatever library the error comes."""

import errno
import os

_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_PLACES = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def disk_fault(error: BaseException | None) -> str | None:
    """Returns a sentence about an error of a full or read-only disk, or of a path that can't be used; None for another.

    Libraries in C++ raise errors of their own without a number: they are known by the system's words in them.
    """
    if error is None:
        return None
    for number in _FAULTS:
        words = os.strerror(number)
        if number == errno.ENOSPC and "database or disk is full" in str(error):  # SQLite's words
            return disk_fault(OSError(number, words))
        if getattr(error, "errno", None) == number or words in str(error):
            path = getattr(error, "filename", None) or "a file"
            return f"{path} can't be written ({words}); make room or give another folder, and give the command again"
    if isinstance(error, OSError) and error.filename and error.errno in _PLACES:
        return f"{os.fsdecode(error.filename)} can't be used ({error.strerror}); give another path, or mend this one"
    return _disk_fault_before(error)


def _disk_fault_before(error: BaseException) -> str | None:
    before = error.__cause__ or error.__context__
    # a place that was tried before is not why this error came
    return None if isinstance(before, OSError) and before.errno in _PLACES else disk_fault(before)
