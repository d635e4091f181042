"""A disk that is full or can't be written is told in a sentence, from whatever library the error comes."""

import errno
import os

_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def disk_fault(error: BaseException | None) -> str | None:
    """Returns a sentence about an error that comes from a full or read-only disk; None for another.

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
    return disk_fault(error.__cause__ or error.__context__)
