"""Tables of judged faces, read back: the `predictions.csv` of a run or of a cross-validation."""

import pathlib
from collections.abc import Iterable

import pandas as pd

from gender_tfds.user_error import UserError

_TYPES = {"path": str, "gender": str, "group": str, "label": int, "p_female": float}


def read_table(path: str | pathlib.Path, columns: Iterable[str], remedy: str, *, text: bool = False) -> pd.DataFrame:
    """Reads a `predictions.csv` with numbers as numbers and names, such as NA and 007, as they are.

    Args:
      path: of the table.
      columns: those that are needed; every row must have a value in each.
      remedy: the end of the sentence about a table that can't be read: what to do.
      text: leave the numbers as they are, too.

    Raises:
      UserError: there is no such file, or it is no such table.
    """
    types = str if text else _TYPES
    needed = list(columns)
    try:
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
        if missing := [name for name in needed if name not in table]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        if gaps := int(table[needed].isna().any(axis=1).sum()):
            raise ValueError(f"{gaps:,} of its rows are not whole")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; {remedy}") from error
    except (OSError, ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} is damaged, or no table of predictions ({reason}); {remedy}") from error
    return table
