"""The EXIF orientation of a stored picture, and what puts it upright."""

import numpy as np

TAG = 0x0112
# orientation -> whether it is mirrored, and how many quarter turns counter-clockwise put it upright after that
_TURNS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a picture as it is to be seen.

    Args:
      pixels: as they are stored, of shape (height, width) or (height, width, channels).
      orientation: the value of `TAG`, from 1 to 8; another counts as 1, which is upright already.
    """
    mirrored, turns = _TURNS.get(orientation, (False, 0))
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))
