"""Ratios of what takes turns: the median and the range of all rounds, one line a claim."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping


class Ratios:
    """Collects, round by round, ratios that were measured close to each other."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Adds one round's value."""
        self._values.setdefault(name, []).append(value)

    def report(self) -> None:
        """Prints a line for each name."""
        for name, values in self._values.items():
            middle = statistics.median(values)
            print(f"{name}: {middle:.3g} ({min(values):.3g} to {max(values):.3g}, {len(values)} rounds)", flush=True)


def run(
    code: str, *arguments: object, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> tuple[float, float, int, str]:
    """Runs code in a process of its own, with so much more in its environment.

    Returns:
      Wall seconds, CPU seconds, largest memory in bytes, and what it printed. Ends the benchmark with the process'
      stderr if it fails; status 3, some errors in a table, is none.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 (a Python that the user named, with code of this benchmark)
        [python, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    printed, complaints = process.stdout.read(), process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        sys.exit(complaints)
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, printed
