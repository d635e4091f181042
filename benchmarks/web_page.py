"""Claim: the page's detector finds faces and cuts them out as UTKFace's chips are cut.

    python benchmarks/web_page.py PORTRAITS UTKFACE [--node_modules=build/web_modules/node_modules] [--model=accurate]

PORTRAITS holds `female/` and `male/`, UTKFACE the chips. In headless Chromium, prints the crop template measured on
chips; how far the corners of a chip move when its face is found and cut out again; faces found, accuracy and time, of
chips and portraits, with the detector and without.
"""

import argparse
import functools
import http.server
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from selenium import webdriver

from export.detector import similarity
from export.packaged import DEFAULT, model_path
from export.web_page import assemble
from gender_tfds.faces import BLAZEFACE_TEMPLATE

EVERY = 13  # th chip
SOME = 100  # files of one call: Selenium does not wait for ever
SIZE = 200
SCORE = """
const [files, findFaces, done] = arguments;
(async () => {
  const { Scorer } = await import("./scorer.js");
  const { FaceDetector } = await import("./detector.js");
  const { decode } = await import("./picture.js");
  const config = await (await fetch("config.json")).json();
  const scorer = await Scorer.load(config);
  const detector = await FaceDetector.load(config.detector, config.crop_template);
  const rows = [];
  for (const file of files) {
    const blob = await (await fetch(file)).blob();
    const start = performance.now();
    const scored = await scorer.scoreFile(blob, findFaces).catch(() => null);
    const ms = performance.now() - start;
    const [face] = findFaces ? await detector.detect(await decode(blob, config.max_pixels)) : [];
    rows.push({ pFemale: scored?.faces[0].pFemale, points: face?.points, ms });
  }
  done(rows);
})().catch((error) => done(String(error)));
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def score(folder: pathlib.Path, files: Sequence[str], find_faces: bool) -> list[dict[str, Any]]:
    """Returns what the page in `page/` of a folder says of files there."""
    options = webdriver.ChromeOptions()
    # named, or Selenium would look for them on the net
    options.binary_location, driver = shutil.which("chromium"), shutil.which("chromedriver")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
            browser.set_script_timeout(600)
            browser.get(f"http://127.0.0.1:{server.server_port}/page/")
            rows = []
            for start in range(0, len(files), SOME):
                some = browser.execute_async_script(SCORE, [f"../{f}" for f in files[start : start + SOME]], find_faces)
                if isinstance(some, str):
                    raise SystemExit(some)
                rows += some
        server.shutdown()
    return rows


def report(name: str, rows: Sequence[dict[str, Any]], female: Sequence[bool]) -> None:
    """Prints how many were scored, how many of them rightly, and how long it took."""
    right = [(row["pFemale"] > 0.5) == is_so for row, is_so in zip(rows, female, strict=True) if row["pFemale"]]
    ms = np.median([row["ms"] for row in rows])
    print(f"{name}: {len(right)} of {len(rows)} scored, accuracy {np.mean(right):.4f}, {ms:.0f} ms each")


def report_template(rows: Sequence[dict[str, Any]]) -> None:
    """Prints where chips show the points, and how the warp to the template moves a chip's corners."""
    points = np.array([row["points"] for row in rows if row["points"]]) / SIZE
    print(f"template over {len(points)} chips: {np.median(points, axis=0).round(4).tolist()}")
    moved = []
    corners = np.array([0, 1, 1j, 1 + 1j])
    for place in points:
        turn, shift = similarity(place, 1, BLAZEFACE_TEMPLATE)
        moved += np.abs(turn * corners + shift - corners).tolist()
    middle, most = SIZE * np.median(moved), SIZE * np.percentile(moved, 95)
    print(f"corners of a chip move by {middle:.1f} pixels of {SIZE}, 95th percentile {most:.1f}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=pathlib.Path)
    parser.add_argument("utkface", type=pathlib.Path)
    parser.add_argument("--node_modules", default="build/web_modules/node_modules")
    parser.add_argument("--model", default=DEFAULT)
    flags = parser.parse_args()
    chips = [f"chips/{path.name}" for path in sorted(flags.utkface.glob("*.jpg"))[::EVERY]]
    portraits = [f"portraits/{path.parent.name}/{path.name}" for path in sorted(flags.portraits.glob("*/*.jpg"))]
    female = {chip: chip.split("_")[1] == "1" for chip in chips}
    female |= {portrait: "/female/" in portrait for portrait in portraits}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        assemble(flags.node_modules, model_path(flags.model), folder / "page")
        (folder / "chips").symlink_to(flags.utkface.resolve())
        (folder / "portraits").symlink_to(flags.portraits.resolve())
        for files, what in ((chips, "chips"), (portraits, "portraits")):
            for find_faces in (False, True):
                rows = score(folder, files, find_faces)
                named = f"{what}, {'with' if find_faces else 'without'} the detector"
                report(named, rows, [female[file] for file in files])
                if find_faces and files is chips:
                    report_template(rows)


if __name__ == "__main__":
    main()
