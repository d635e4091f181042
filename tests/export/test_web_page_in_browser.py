"""The page in a real browser: assembled as `make web` does, it answers as gender-score does, and asks nobody."""

import base64
import csv
import dataclasses
import functools
import http.server
import io
import os
import pathlib
import re
import shutil
import threading
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from export import commands
from export.records import CsvRecords
from export.score_config import FACE_COLUMNS
from export.web_page import MODEL, assemble
from gender_tfds import run_folder
from gender_tfds.drawn_faces.picture import draw_face, encode_face
from gender_tfds.faces import BLAZEFACE_TEMPLATE
from gender_tfds.images_cv import NUDGE, resize
from gender_tfds.run_folder import Prediction

ROOT = pathlib.Path(__file__).parents[2]
MADE_BY_NPM = ROOT / "build" / "web_modules" / "node_modules"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
DESK = {"width": 1000, "height": 800, "deviceScaleFactor": 1, "mobile": False}


class _Recording(http.server.SimpleHTTPRequestHandler):
    """A plain static server that remembers what it was asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def serve(folder):
    """Returns a server of a folder, already running."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Recording, directory=folder))
    server.asked, server.folder = [], folder
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def address(server):
    return f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture(scope="module")
def node_modules():
    folder = pathlib.Path(os.environ.get("GENDER_NODE_MODULES", MADE_BY_NPM))
    if not folder.is_dir():
        pytest.skip(f"needs the npm packages in {MADE_BY_NPM}, made by `make web`, or in $GENDER_NODE_MODULES")
    return folder


@pytest.fixture(scope="module")
def sites(browser, node_modules, artefacts, tmp_path_factory):
    """A server of the page for each of two artefacts, by the artefact's file name."""
    sites = {}
    for name in ("model_float32.tflite", "model_int8.tflite"):
        folder = tmp_path_factory.mktemp("site") / "page"
        assemble(node_modules, artefacts / name, folder)
        sites[name] = serve(folder)
    yield sites
    for server in sites.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(browser, sites):
    """Opens the page of an artefact and waits until it can be used."""

    def open_page(artefact="model_float32.tflite", metrics=DESK, colours="light"):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = [{"name": "prefers-color-scheme", "value": colours}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})  # tables are read from the page
        browser.get_log("browser")  # of the page before
        browser.get(address(sites[artefact]))
        wait_for(browser, r"Ready\.")
        return browser

    return open_page


def wait_until(browser, condition):
    """Waits for an answer that counts as true, and returns it."""
    end = time.monotonic() + 60
    while not (answer := condition()):
        assert time.monotonic() < end, browser.get_log("browser")
        time.sleep(0.02)
    return answer


def wait_for(browser, pattern):
    """Waits until the page's status says something, and returns that."""

    def said():
        text = browser.find_element("id", "status").text
        return text if re.fullmatch(pattern, text) else None

    return wait_until(browser, said)


def run(browser, body, *arguments):
    """Returns what an async function's body returns that has `given`, a list, and may import the page's modules."""
    script = (
        "const given = [...arguments]; const done = given.pop();"
        f"(async () => {{ {body} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}))"
    )
    answer = browser.execute_async_script(script, *arguments)
    assert "error" not in answer, answer["error"]
    return answer["value"]


def score(browser, *paths, chooser="files"):
    """Lets the page score pictures and returns its CSV file's text."""
    browser.find_element("id", chooser).send_keys("\n".join(map(str, paths)))
    wait_for(browser, r"\d+ pictures? in .*")
    return download(browser)


def download(browser):
    return run(
        browser,
        """
        const made = [];
        const original = URL.createObjectURL;
        URL.createObjectURL = (blob) => { made.push(blob); return original(blob); };
        document.getElementById("download").click();
        URL.createObjectURL = original;
        return await made[0].text();
        """,
    )


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def encoded(image, suffix, **options):
    data = io.BytesIO()
    Image.fromarray(image).save(data, suffix, **options)
    return data.getvalue()


def turned(index, orientation):
    """Returns a face as a JPEG that is upright only for who honours its EXIF orientation."""
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.rot90(draw_face(index), turns), "JPEG", exif=exif, quality=92)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty faces in a tree: plain, turned by EXIF, not square, small, as PNG and WebP; a broken file; a text."""
    folder = tmp_path_factory.mktemp("faces")
    pictures = {f"{index}.jpg": encode_face(index) for index in range(9)}
    pictures |= {f"turned/{index}.jpg": turned(index, (3, 6, 8)[index % 3]) for index in range(9, 15)}
    pictures["b/wide.jpg"] = encoded(np.pad(draw_face(15), ((0, 0), (41, 22), (0, 0)), "edge"), "JPEG")
    pictures["b/tall.png"] = encoded(np.pad(draw_face(16), ((30, 11), (0, 0), (0, 0)), "edge"), "PNG")
    pictures["b/large.webp"] = encoded(cv2.resize(draw_face(17), (301, 301)), "WEBP", quality=80)
    pictures["b,c.jpg"] = encoded(cv2.resize(draw_face(18), (32, 32)), "JPEG", quality=95)
    pictures["small.png"] = encoded(cv2.resize(draw_face(19), (21, 21)), "PNG")
    for name, data in (pictures | {"broken.jpg": b"no picture", "b/notes.txt": b"hello"}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def expected(folder, artefacts, tmp_path_factory):
    """The table of gender-score by artefact, as text."""
    tables = {}
    for name in ("model_float32.tflite", "model_int8.tflite"):
        output = tmp_path_factory.mktemp("scored") / "table.csv"
        assert commands.score([str(folder), f"--model={artefacts / name}", f"--output={output}"]) == 3
        tables[name] = output.read_text()
    return tables


def without_reasons(text):
    """Returns a table with one word for every error: each decoder has its own words for what it can't read."""
    rows = rows_of(text)
    return [row | {"error": row["error"] and "error"} for row in rows]


def test_the_page_scores_a_folder_as_python_does(page, folder, expected):
    text = score(page(), folder, chooser="folder")
    here, there = rows_of(text), rows_of(expected["model_float32.tflite"])
    assert [row["path"] for row in here] == [row["path"] for row in there]
    assert len(here) == 21
    assert text.splitlines()[0] == expected["model_float32.tflite"].splitlines()[0]
    scored = [(one, other) for one, other in zip(here, there, strict=True) if not other["error"]]
    assert len(scored) == 20
    for one, other in scored:
        assert (one["gender"], one["error"]) == (other["gender"], "")
        assert abs(float(one["p_female"]) - float(other["p_female"])) < 1e-3, one
    # the faces lie far enough apart that a mixed-up order, or a face that lies on its side, would be noticed
    assert np.ptp([float(row["p_female"]) for row in there if not row["error"]]) > 0.1


def test_a_turned_face_would_be_noticed(page, folder, tmp_path):
    """The same pixels without the word in the file that turns them upright."""
    browser = page()
    image = Image.open(folder / "turned" / "10.jpg")
    image.save(tmp_path / "lying.jpg", quality="keep", exif=b"")
    upright, lying = rows_of(score(browser, folder / "turned" / "10.jpg", tmp_path / "lying.jpg"))
    assert abs(float(upright["p_female"]) - float(lying["p_female"])) > 0.01


def test_int8_gives_the_very_table_of_python(page, folder, expected):
    text = score(page("model_int8.tflite"), folder, chooser="folder")
    assert without_reasons(text) == without_reasons(expected["model_int8.tflite"])


def test_a_broken_file_is_a_row_with_the_reason(page, folder, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    (tmp_path / "long.png").write_bytes(encoded(np.full((2, 70_000, 3), 99, np.uint8), "PNG"))
    files = [folder / "broken.jpg", folder / "0.jpg", *sorted(tmp_path.iterdir())]
    browser = page()
    text = score(browser, *files)
    assert {row["path"]: row["error"] for row in rows_of(text)} == {
        "0.jpg": "",
        "broken.jpg": "not a picture that this browser can decode, or damaged",
        "empty.jpg": "the file is empty",
        "long.png": "70000 × 2 pixels are more than this browser can draw",
        "phone.heic": "HEIC, which this browser can't decode; convert it to JPEG",
    }
    shown = [row.text.split("\n")[0] for row in browser.find_elements("css selector", "tr.error")]
    assert shown[0] == "broken.jpg not a picture that this browser can decode, or damaged"


def test_pixels_are_resized_exactly_as_by_opencv(page):
    rng = np.random.default_rng(0)
    browser = page()
    for side in (7, 31, 32, 33, 50, 64, 97, 200):
        image = rng.integers(0, 256, (side, side, 4), np.uint8)
        body = """
            const { resize } = await import("./resize.js");
            const [pixels, side, nudge] = given;
            return Array.from(resize(Uint8ClampedArray.from(pixels), side, 32, nudge));
        """
        here = run(browser, body, image.ravel().tolist(), side, float(NUDGE))
        assert np.array_equal(np.reshape(here, (32, 32, 3)), resize(image[..., :3], 32)), side


def test_tables_are_written_as_by_python(page):
    """Names that need quotes, and every probability that an int8 model gives, ties of the sixth digit included."""
    rng = np.random.default_rng(0)
    p_female = [*(np.arange(257) / 256).tolist(), 1e-6, 5e-7, 3.2e-5, 1 - 1e-6, *rng.random(200, np.float32).tolist()]
    names = ["a.jpg", 'say "a".jpg', "a,b.jpg", "a\nb.jpg", "a\rb.jpg", " é.jpg"]
    columns = [field.name for field in dataclasses.fields(Prediction)]
    rows = [Prediction.from_probability(names[at % 6], p, 0.7, 0.4) for at, p in enumerate(p_female)]
    rows.append(Prediction("broken.jpg", error='what, "this"?'))
    records = CsvRecords(columns)
    there = records.header + records.encode(map(dataclasses.asdict, rows))
    body = """
        const { csvOf } = await import("./csv.js");
        const { predictionOf } = await import("./prediction.js");
        const [pFemale, names, columns, metadata, broken] = given;
        const rows = pFemale.map((p, at) => ({ path: names[at % 6], ...predictionOf(p, metadata, 0.7, "undecided") }));
        return csvOf(columns, [...rows, broken], new Set(["confidence", "p_female"]));
    """
    metadata = {"labels": ["male", "female"], "threshold": 0.4}
    broken = {"path": "broken.jpg", "error": 'what, "this"?'}
    assert run(page(), body, p_female, names, columns, metadata, broken).encode() == there


def test_a_doubtful_face_is_undecided(page, folder):
    browser = page()
    before = {row["gender"] for row in rows_of(score(browser, *sorted(folder.glob("[0-9].jpg"))))}
    assert before == {"male", "female"}
    run(
        browser,
        """
        const slider = document.getElementById("confidence");
        slider.value = slider.max;
        slider.dispatchEvent(new Event("input"));
        """,
    )
    assert {row["gender"] for row in rows_of(download(browser))} == {run_folder.UNDECIDED}
    assert browser.find_element("css selector", "#counts .undecided").text.split() == ["undecided", "9"]
    assert browser.find_element("css selector", "tbody .label").text == "undecided"


def test_nobody_else_is_asked(page, sites, folder, tmp_path):
    browser = page()
    score(browser, folder / "0.jpg")
    asked = run(browser, "return performance.getEntriesByType('resource').map((entry) => entry.name)")
    own = address(sites["model_float32.tflite"])
    assert f"{own}{MODEL}" in asked
    assert [one for one in asked if not one.startswith((own, f"blob:{own}"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    elsewhere = serve(tmp_path)
    ask = f"return await fetch('{address(elsewhere)}', {{ mode: 'no-cors' }}).then(() => 'asked', () => 'refused')"
    assert run(browser, ask) == "refused"
    assert "Content Security Policy" in browser.get_log("browser")[-1]["message"]
    assert elsewhere.asked == []
    # a page without that policy does reach it
    (tmp_path / "page.html").write_text("<title>open</title>")
    other = serve(tmp_path)
    browser.get(f"{address(other)}page.html")
    assert run(browser, ask) == "asked"
    assert elsewhere.asked == ["/"]
    for server in (elsewhere, other):
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_is_read_on_a_phone_in_both_colours(page, folder, tmp_path, colours):
    long_name = tmp_path / f"{'very_long_' * 12}.jpg"
    long_name.write_bytes(encode_face(0))
    browser = page(metrics=PHONE, colours=colours)
    browser.find_element("id", "find-faces").click()
    score(browser, folder / "broken.jpg", folder / "b" / "wide.jpg", long_name)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE["width"]
    style = "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    text, ground = (sum(map(int, re.findall(r"\d+", one)[:3])) / 3 for one in browser.execute_script(style))
    assert abs(text - ground) > 150
    assert (text > ground) == (colours == "dark")
    loaded = "return [...document.images].map((image) => image.complete && image.naturalWidth > 0)"
    assert all(browser.execute_script(loaded))


def test_a_reader_that_speaks_is_told_what_everything_is(page, folder):
    browser = page()
    score(browser, folder / "0.jpg")
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [(node["role"]["value"], node["name"]["value"]) for node in nodes if not node["ignored"] and "name" in node]
    controls = [name for role, name in told if role in ("button", "checkbox", "slider")]
    assert {"Choose pictures", "Choose a folder", "Use the camera", "Find faces first", "Undecided below"} <= set(
        controls
    )
    assert "" not in controls
    assert ("rowheader", "0.jpg") in told
    live = browser.find_element("id", "status")
    assert (live.get_attribute("aria-live"), live.get_attribute("role")) == ("polite", "status")


def photo_of(index, angle, scale, place, size=(640, 900)):
    """Returns a photo with a drawn face in it, and the matrix that brings the face there."""
    face = draw_face(index)
    matrix = cv2.getRotationMatrix2D((face.shape[1] / 2, face.shape[0] / 2), angle, scale)
    matrix[:, 2] += np.array(place) - face.shape[0] / 2
    photo = np.full((*size, 3), 140, np.uint8)
    cv2.warpAffine(face, matrix, size[::-1], photo, borderMode=cv2.BORDER_TRANSPARENT)
    return photo, matrix


def test_faces_are_found_and_turned_upright(page, tmp_path):
    """Of each photo a crop and its face's points are compared with those of the same face, upright and alone."""
    browser = page()
    body = """
        const { FaceDetector } = await import("./detector.js");
        const { decode } = await import("./picture.js");
        const config = await (await fetch("config.json")).json();
        const detector = await FaceDetector.load(config.detector, config.crop_template);
        const answers = [];
        for (const url of given) {
          const blob = new Blob([Uint8Array.from(atob(url), (letter) => letter.charCodeAt(0))]);
          const canvas = await decode(blob, config.max_pixels);
          const faces = await detector.detect(canvas);
          answers.push(faces.map((face) => ({ ...face, crop: Array.from(detector.crop(canvas, face, 32).data) })));
        }
        return answers;
    """
    photos = [photo_of(0, 15, 1.6, (300, 300)), photo_of(3, -20, 1.2, (600, 350)), photo_of(11, 8, 2.0, (450, 300))]
    alone = [encode_face(index) for index in (0, 3, 11)]
    turned = [encoded(photo, "PNG") for photo, _ in photos]
    empty = encoded(np.full((300, 400, 3), 90, np.uint8), "PNG")
    found = run(browser, body, *(base64.b64encode(data).decode() for data in [*alone, *turned, empty]))
    assert [len(faces) for faces in found] == [1, 1, 1, 1, 1, 1, 0]
    differences = []
    for upright, inside, (_, matrix) in zip(found[:3], found[3:6], photos, strict=True):
        points = np.array(upright[0]["points"])
        placed = points @ matrix[:, :2].T + matrix[:, 2]
        apart = np.linalg.norm(placed - inside[0]["points"], axis=1) / np.hypot(*matrix[0, :2])
        assert apart.max() < 8  # pixels of a face of 128
        differences.append(np.abs(np.subtract(upright[0]["crop"], inside[0]["crop"])).mean())
        assert np.linalg.norm(points - inside[0]["points"], axis=1).min() > 50  # where the photo shows it elsewhere
    assert np.median(differences) < 10  # levels; 22 where they are turned the wrong way


def test_a_similarity_is_found_again(page):
    template = np.array(BLAZEFACE_TEMPLATE)
    angle, scale, shift = 0.4, 130.0, np.array([70.0, -20.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    body = """
        const { similarity } = await import("./warp.js");
        const [points, template, asked] = given;
        const found = similarity(points, template);
        return [asked.map(found.back), found.scale];
    """
    asked = np.array([[0, 0], [1, 0], [0.3, 0.8]])
    points = template @ turn.T + shift
    back, found_scale = run(page(), body, points.tolist(), template.tolist(), asked.tolist())
    assert np.allclose(back, asked @ turn.T + shift)
    assert np.isclose(found_scale, scale)


def test_a_photo_has_a_row_for_each_face(page, tmp_path):
    photo, _ = photo_of(0, 0, 1.6, (300, 300), (600, 1000))
    other, _ = photo_of(11, 0, 1.2, (750, 300), (600, 1000))
    photo[:, 560:] = other[:, 560:]
    (tmp_path / "two.png").write_bytes(encoded(photo, "PNG"))
    (tmp_path / "none.png").write_bytes(encoded(np.full((300, 400, 3), 90, np.uint8), "PNG"))
    browser = page()
    browser.find_element("id", "find-faces").click()
    none, *two = rows_of(text := score(browser, tmp_path / "two.png", tmp_path / "none.png"))
    assert text.splitlines()[0].split(",") == [*(field.name for field in dataclasses.fields(Prediction)), *FACE_COLUMNS]
    assert (none["path"], none["error"], none["face"], none["faces"]) == ("none.png", "no face found", "-1", "0")
    assert [(row["path"], row["face"], row["faces"], row["error"]) for row in two] == [
        ("two.png", "0", "2", ""),
        ("two.png", "1", "2", ""),
    ]
    assert int(two[0]["width"]) > int(two[1]["width"])
    for row, middle in zip(two, ((300, 300), (750, 300)), strict=True):
        left, top, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
        assert left < middle[0] < left + width
        assert top < middle[1] < top + height
    labels = [text.text for text in browser.find_elements("css selector", ".photo svg text")]
    assert [label.split()[0] for label in labels] == [row["gender"] for row in two]


def test_small_faces_of_a_large_photo_are_found_in_tiles(page, tmp_path):
    photo = np.full((1500, 2000, 3), 140, np.uint8)
    for at, index in enumerate((0, 3, 11)):
        top, left = 150 + 400 * at, 200 + 500 * at
        photo[top : top + 128, left : left + 128] = draw_face(index)
    (tmp_path / "large.png").write_bytes(encoded(photo, "PNG"))
    # too small for tiles, and its faces for the network
    (tmp_path / "reduced.png").write_bytes(encoded(cv2.resize(photo, (640, 480), interpolation=cv2.INTER_AREA), "PNG"))
    browser = page()
    browser.find_element("id", "find-faces").click()
    large = rows_of(score(browser, tmp_path / "large.png", tmp_path / "reduced.png"))
    assert [(row["path"], row["faces"]) for row in large] == [("large.png", "3")] * 3 + [("reduced.png", "0")]


def test_the_camera_is_looked_at_and_its_pictures_are_kept(page):
    """With a drawing in the place of a camera."""
    browser = page()
    body = """
        const image = await createImageBitmap(new Blob([Uint8Array.from(atob(given[0]), (c) => c.charCodeAt(0))]));
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.width, image.height];
        const show = () => canvas.getContext("2d").drawImage(image, 0, 0);
        setInterval(show, 50);
        show();
        navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(10);
        document.getElementById("use-camera").click();
    """
    run(browser, body, base64.b64encode(encoded(photo_of(0, 0, 1.6, (300, 200), (400, 600))[0], "PNG")).decode())
    label = wait_until(browser, lambda: browser.find_elements("css selector", "#camera svg text"))[0].text
    assert label.split()[0] in ("male", "female")
    browser.find_element("id", "take").click()
    wait_for(browser, r"1 picture in .*")
    browser.find_element("id", "use-camera").click()
    assert not browser.find_element("id", "camera").is_displayed()
    (row,) = rows_of(download(browser))
    assert (row["path"], row["error"]) == ("camera_001.png", "")
    assert row["gender"] == label.split()[0]


def test_a_camera_that_may_not_be_used_is_told(page):
    browser = page()
    refuse = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('Permission denied'); };"
    run(browser, f"{refuse} document.getElementById('use-camera').click();")
    assert wait_for(browser, "The camera .*") == "The camera can't be used: Permission denied"
    assert not browser.find_element("id", "camera").is_displayed()


def test_a_folder_is_dropped(page):
    """With files that the browser did not read from a disk, as a drop from another program has them."""
    browser = page()
    body = """
        const transfer = new DataTransfer();
        for (const name of ["b.jpg", "a.jpg"]) {
          transfer.items.add(new File([Uint8Array.from(atob(given[0]), (c) => c.charCodeAt(0))], name));
        }
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
    """
    run(browser, body, base64.b64encode(encode_face(0)).decode())
    wait_for(browser, r"2 pictures in .*")
    assert [row["path"] for row in rows_of(download(browser))] == ["a.jpg", "b.jpg"]


def test_a_page_without_its_model_says_so(page, browser, sites, tmp_path):
    shutil.copytree(sites["model_float32.tflite"].folder, tmp_path / "page")
    (tmp_path / "page" / MODEL).write_bytes(b"TFL3, but not for long")
    server = serve(tmp_path / "page")
    browser.get(address(server))
    assert wait_for(browser, "The model .*") == "The model can't be loaded: no archive is appended to it"
    server.shutdown()
    server.server_close()
