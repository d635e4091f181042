"""Claim: commands answer before one has to wait: `--help`, and the first row of `gender-score`.

    python benchmarks/startup.py PICTURE [MODEL ...] [--rounds=5]

Prints seconds from the process' start, on this machine as it is now, and as a multiple of what Python itself takes to
start and import NumPy. With MODELs the first row is that of each of them.
"""

import argparse
import pathlib

from ratios import Ratios, run

from export.packaged import DEFAULT

HELP = "import sys; from {module} import {name}; sys.exit({name}(['--help']))"
COMMANDS = {
    "gender-train --help": HELP.format(module="trainer.commands", name="train"),
    "gender-evaluate --help": HELP.format(module="trainer.judging_commands", name="evaluate"),
    "gender-export --help": HELP.format(module="export.commands", name="export"),
    "gender-score --help": HELP.format(module="export.commands", name="score"),
    "gender-serve --help": HELP.format(module="export.serving_commands", name="serve"),
}
SCORE = "import sys; from export.commands import score; sys.exit(score(sys.argv[1:]))"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("models", nargs="*", default=[DEFAULT])
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    ratios = Ratios()
    for _ in range(flags.rounds):
        numpy = run("import numpy")[0]
        for name, code in COMMANDS.items():
            wall = run(code)[0]
            ratios.add(f"{name}: seconds", wall)
            ratios.add(f"{name}: times Python with NumPy", wall / numpy)
        for model in flags.models:
            wall, _, memory, _ = run(SCORE, flags.picture, f"--model={model}")
            name = f"gender-score, one picture with {pathlib.PurePath(model).name}"
            ratios.add(f"{name}: seconds", wall)
            ratios.add(f"{name}: times Python with NumPy", wall / numpy)
            ratios.add(f"{name}: largest memory in MB", memory / 1e6)
    ratios.report()


if __name__ == "__main__":
    main()
