"""Claim: with a .tflite, gender-score has scored its first picture in less than a second and 150 MB, from nothing.

    python benchmarks/cold_start.py PICTURE [MODEL ...] [--rounds=11]

Starts gender-score on one picture in a fresh process, models in turns, `--rounds` times, and prints for each model the
median and the extremes of the seconds from the process' start to its end and of its largest resident set. Files are
in the page cache after the first round. Without MODEL it takes the packaged models.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from export.packaged import MODELS

# this script imports nothing large: a process' largest resident set begins with the size of the one that started it
SCORE = "import sys; from export.commands import score; sys.exit(score(sys.argv[1:]))"
MAX_SECONDS, MAX_MB = 1.0, 150.0


def start_and_score(model: str, picture: str) -> tuple[float, float]:
    """Returns seconds and MB of a gender-score of one picture; ends the program if there is no score."""
    began = time.perf_counter()
    command = [sys.executable, "-c", SCORE, picture, f"--model={model}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
    table = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status or len(table.splitlines()) != 2:
        sys.exit(f"{model} scored nothing: status {os.waitstatus_to_exitcode(status)}, {table!r}")
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    measured: dict[str, list[tuple[float, float]]] = {model: [] for model in given.models}
    for _ in range(given.rounds):
        for model, results in measured.items():
            results.append(start_and_score(model, given.picture))
    for model, results in measured.items():
        seconds, megabytes = zip(*results, strict=True)
        time_range = f"{min(seconds):.2f} to {max(seconds):.2f}, limit {MAX_SECONDS:g}"
        memory_range = f"at most {max(megabytes):.0f}, limit {MAX_MB:g}"
        middle = (
            f"{statistics.median(seconds):.2f} s ({time_range}), {statistics.median(megabytes):.0f} MB ({memory_range})"
        )
        print(f"{model}: {middle}")


if __name__ == "__main__":
    main()
