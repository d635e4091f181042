"""Runs the benchmarks that are about speed, and writes what they print into `benchmarks/README.md`.

    make benchmark UTKFACE_DIR=FOLDER

Some 20 minutes on two cores, which should have nothing else to do. Builds utkface below `build/benchmark` first.
"""

import argparse
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
import time

from gender_tfds.keras_backend import prepare_backend

HERE = pathlib.Path(__file__).parent
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
# script -> its arguments; {pictures} is the folder of UTKFace's pictures, {data} the data_dir of the built set
COMMANDS = {
    "startup": "{picture}",
    "build_rate": "{pictures} --limit=8000 --rounds=5",
    "score": "{model} {pictures} --keras=gender_tfds/models/device.keras --scaled_decoding --limit=8000 --rounds=5",
    "input_rate": "{data} {pictures}",
    "training_rate": "{data} --presets=seed,fast,device",
    "serve": "{model} {pictures} --seconds=10",
}


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="UTKFace's pictures")
    parser.add_argument("--data_dir", default="build/benchmark")
    parser.add_argument("--only", choices=COMMANDS, help="measure one of the scripts, and write nothing")
    flags = parser.parse_args()
    prepare_backend()  # training is measured as the commands do it
    pictures = flags.folder / "UTKFace" if (flags.folder / "UTKFace").is_dir() else flags.folder
    build = ["tfds", "build", "utkface", "--imports=gender_tfds.utkface", f"--data_dir={flags.data_dir}"]
    subprocess.run([*build, f"--manual_dir={flags.folder}"], check=True)  # noqa: S603
    places = {
        "pictures": str(pictures),
        "picture": str(next(iter(sorted(pictures.glob("*.jpg"))))),
        "data": flags.data_dir,
        "model": "export/models/gender_device_int8.tflite",
    }
    names = {place: name for name, place in places.items()}
    parts = []
    for script, arguments in COMMANDS.items():
        if flags.only not in (None, script):
            continue
        command = ["benchmarks/" + script + ".py", *arguments.format(**places).split()]
        print("==", *command, file=sys.stderr)
        begin = time.monotonic()
        done = subprocess.run(  # noqa: S603
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True, env=os.environ
        )
        print(f"== {time.monotonic() - begin:.0f} s", file=sys.stderr)
        told = " ".join(names[word].upper() if word in names else word for word in command)
        parts.append(f"`python {told}`\n\n```text\n{done.stdout.strip()}\n```")
        print(parts[-1])
        if not flags.only:
            _write(parts)


def _write(parts: list[str]) -> None:
    """Writes what was measured until now: an interrupted benchmark leaves what it has."""
    packages = ("tensorflow", "keras", "ai-edge-litert", "opencv-python-headless")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    day = f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    head = f"{day}, {machine}, {', '.join(versions)}. Medians, with the range over the rounds."
    path = HERE / "README.md"
    text = path.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    path.write_text("\n\n".join([before, head, *parts, after]), encoding="utf-8")


if __name__ == "__main__":
    main()
