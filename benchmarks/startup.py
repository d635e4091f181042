"""Claim: commands answer before one has to wait: `--help`, and the first row of `gender-score`.

    python benchmarks/startup.py PICTURE [--rounds=5]

Prints seconds from the process' start, on this machine as it is now, and as a multiple of what Python itself takes to
start and import NumPy.
"""

import argparse

from ratios import Ratios, run

HELP = "import sys; from {module} import {name}; sys.exit({name}(['--help']))"
COMMANDS = {
    "gender-train --help": HELP.format(module="trainer.commands", name="train"),
    "gender-evaluate --help": HELP.format(module="trainer.judging_commands", name="evaluate"),
    "gender-export --help": HELP.format(module="export.commands", name="export"),
    "gender-score --help": HELP.format(module="export.commands", name="score"),
    "gender-serve --help": HELP.format(module="export.serving_commands", name="serve"),
    "gender-score, one picture": "import sys; from export.commands import score; sys.exit(score(sys.argv[1:]))",
}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    ratios = Ratios()
    for _ in range(flags.rounds):
        numpy = run("import numpy")[0]
        for name, code in COMMANDS.items():
            wall, _, memory, _ = run(code, flags.picture)
            ratios.add(f"{name}: seconds", wall)
            ratios.add(f"{name}: times Python with NumPy", wall / numpy)
            if name.endswith("picture"):
                ratios.add(f"{name}: largest memory in MB", memory / 1e6)
    ratios.report()


if __name__ == "__main__":
    main()
