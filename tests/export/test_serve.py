"""The three interfaces on a real server, against the scorer's own answers; and how it says no."""

import base64
import concurrent.futures
import json
import socket

import cv2
import numpy as np
import pytest

from export import commands
from export.predictor import decode_all, load_predictor
from gender_tfds import faces
from tests.conftest import SHARED_DATA
from tests.export.servers import Session, running

MODEL_FILE = "model_float32.tflite"
BAD = b"no picture"
BLANK = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
PORTRAITS = sorted((SHARED_DATA / "portraits").glob("*/*.jpg"))


@pytest.fixture(scope="module")
def server(artefacts, tmp_path_factory):
    token = tmp_path_factory.mktemp("secret") / "token"
    token.write_text("open sesame\n")
    flags = [f"--model={artefacts / MODEL_FILE}", f"--token_file={token}", "--max_body=300000", "--timeout=1"]
    with running(*flags, "--max_queue=64") as started:
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="module")
def session():
    with Session() as opened:
        opened.headers["Authorization"] = "Bearer open sesame"
        yield opened


@pytest.fixture(scope="module")
def expected(artefacts, test_faces):
    images, _ = decode_all(test_faces, 32)
    return load_predictor(artefacts / MODEL_FILE).predict(images)


def _b64(data):
    return base64.b64encode(data).decode()


def _gender(p_female):
    return faces.GENDERS[int(p_female > 0.5)]


def test_a_body_that_is_a_picture_gets_the_scorers_row(server, session, test_faces, expected):
    for number in (0, 1, 7):
        answer = session.post(f"{server.url}/predict", data=test_faces[number])
        assert answer.status_code == 200
        (row,) = answer.json()["predictions"]
        assert list(row) == ["path", "gender", "confidence", "p_female", "error"]
        assert row["p_female"] == pytest.approx(float(expected[number]), abs=1e-6)
        assert row["gender"] == _gender(expected[number])
        assert "says nothing about people" in answer.json()["note"]


def test_the_files_of_a_form_get_a_row_each_and_a_bad_one_its_reason(server, session, test_faces, expected):
    files = [("file", ("a.jpg", test_faces[0])), ("file", ("bad.jpg", BAD)), ("file", ("b.jpg", test_faces[1]))]
    answer = session.post(f"{server.url}/predict", files=files)
    assert answer.status_code == 200
    first, bad, second = answer.json()["predictions"]
    assert [first["path"], bad["path"], second["path"]] == ["a.jpg", "bad.jpg", "b.jpg"]
    assert bad["gender"] is None
    assert "not a picture" in bad["error"]
    np.testing.assert_allclose([first["p_female"], second["p_female"]], expected[:2], atol=1e-6)


def test_doubtful_faces_are_left_undecided_on_request(server, session, test_faces, expected):
    confidence = max(float(expected[0]), 1 - float(expected[0]))
    for least, gender in ((confidence + 1e-3, "undecided"), (confidence - 1e-3, _gender(expected[0]))):
        answer = session.post(f"{server.url}/predict", params={"min_confidence": least}, data=test_faces[0])
        assert answer.json()["predictions"][0]["gender"] == gender
    assert session.post(f"{server.url}/predict", params={"min_confidence": "x"}, data=test_faces[0]).status_code == 400


def test_tensorflow_servings_interface(server, session, test_faces, expected):
    body = {"instances": [{"b64": _b64(data)} for data in test_faces[:5]]}
    answer = session.post(f"{server.url}/v1/models/gender:predict", data=json.dumps(body))
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    np.testing.assert_allclose([row["p_female"] for row in rows], expected[:5], atol=1e-6)
    assert [row["gender"] for row in rows] == [_gender(one) for one in expected[:5]]
    status = session.get(f"{server.url}/v1/models/gender").json()["model_version_status"][0]
    assert status["state"] == "AVAILABLE"


# a shape that the refusal repeats, and that no UTF-8 can
LONE_SURROGATE = b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": "\\ud800", "data": [1]}]}'


def test_kserves_interface(server, session, test_faces, expected):
    model = session.get(f"{server.url}/v2/models/gender").json()
    assert model["inputs"][1] == {"name": "images", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}
    images, _ = decode_all(test_faces[:2], 32)
    ways = [
        {"name": "images", "shape": [2, 32, 32, 3], "datatype": "UINT8", "data": images.tolist()},
        {"name": "image_bytes", "shape": [2], "datatype": "BYTES", "data": [_b64(data) for data in test_faces[:2]]},
    ]
    for way in ways:
        answer = session.post(f"{server.url}/v2/models/gender/infer", json={"id": "\ud800", "inputs": [way]}).json()
        assert answer["id"] == "\ud800"
        p_female, gender = answer["outputs"]
        assert (p_female["name"], p_female["shape"]) == ("p_female", [2])
        np.testing.assert_allclose(p_female["data"], expected[:2], atol=1e-6)
        assert gender["data"] == [_gender(one) for one in expected[:2]]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/predict", BAD, 422),
        ("/predict", b"", 400),
        ("/predict", b"x" * 300_001, 413),
        ("/v1/models/gender:predict", json.dumps({"instances": [{"b64": _b64(BAD)}]}).encode(), 422),
        ("/v1/models/gender:predict", b"{", 400),
        ("/v2/models/gender/infer", b"[]", 400),
        ("/v2/models/gender/infer", b'{"id": 1, "inputs": []}', 400),
        ("/v2/models/gender/infer", b'{"id": "\\ud800", "inputs": []}', 400),
        ("/v2/models/gender/infer", LONE_SURROGATE, 400),
        ("/nothing", b"", 404),
    ],
)
def test_a_fault_of_the_client_is_told_to_it(server, session, path, body, status):
    answer = session.post(f"{server.url}{path}", data=body)
    assert answer.status_code == status
    assert status == 404 or answer.json()["error"]


def test_without_the_token_only_health_is_answered(server, test_faces):
    assert Session().post(f"{server.url}/predict", data=test_faces[0]).status_code == 401
    given = {"Bearer open sesame": 200, "bearer open sesame": 200, "Bearer Open sesame": 401, "Bearer open sesam": 401}
    given |= {"Basic open sesame": 401, "Bearer": 401}
    for text, status in given.items():
        answer = Session().post(f"{server.url}/predict", data=test_faces[0], headers={"Authorization": text})
        assert answer.status_code == status
    for path in ("live", "ready"):
        assert Session().get(f"{server.url}/v2/health/{path}").status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/v2/health/live", 200), ("/docs", 200), ("/nothing", 404)])
def test_head_is_answered_as_get_without_the_body(server, session, path, status):
    head, get = (ask(f"{server.url}{path}") for ask in (session.head, session.get))
    assert head.status_code == get.status_code == status
    assert head.headers["Content-Length"] == get.headers["Content-Length"] != "0"
    assert head.content == b""
    line = json.loads(server.read_until('"HEAD"'))
    assert (line["route"], line["status"]) == (path if status == 200 else "other", status)


def test_a_slow_sender_is_cut_off_and_others_are_served_meanwhile(server, session, test_faces):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer open sesame\r\nContent-Length: 1000\r\n\r\n"
        slow.sendall(head.encode() + b"x")
        assert session.post(f"{server.url}/predict", data=test_faces[0]).status_code == 200
        slow.settimeout(10)
        assert b" 408 " in slow.recv(1000)


def test_more_pictures_than_the_queue_takes_are_503_or_right(server, test_faces, expected):
    def ask(number):
        headers = {"Authorization": "Bearer open sesame"}
        chosen = [number % 50, (number + 1) % 50]
        body = json.dumps({"instances": [{"b64": _b64(test_faces[one])} for one in chosen] * 8})
        answer = Session().post(f"{server.url}/v1/models/gender:predict", data=body, headers=headers)
        if answer.status_code == 503:
            assert answer.headers["Retry-After"] == "1"
            return False
        rows = answer.json()["predictions"]
        np.testing.assert_allclose([row["p_female"] for row in rows], list(expected[chosen]) * 8, atol=1e-5)
        return True

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answered = list(pool.map(ask, range(48)))
    assert any(answered)
    assert not all(answered)


def test_numbers_for_prometheus(server, session, test_faces):
    session.post(f"{server.url}/predict", data=test_faces[0])
    session.post(f"{server.url}/predict", data=BAD)
    text = session.get(f"{server.url}/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['gender_requests_total{path="/predict",status="200"}']) >= 1
    assert float(lines['gender_requests_total{path="/predict",status="422"}']) >= 1
    assert float(lines["gender_batch_size_count"]) >= 1
    assert float(lines["gender_queue_depth"]) == 0
    assert any(name.startswith("gender_errors_total{reason=") for name in lines)


def test_the_log_has_a_line_a_request_and_no_name(server, session, test_faces):
    session.get(f"{server.url}/v2/health/live")
    assert json.loads(server.read_until('"/v2/health/live"'))["status"] == 200
    session.post(f"{server.url}/predict", files={"file": ("secret_name.jpg", test_faces[0])})
    server.read_until('"/predict"')
    assert not any("secret_name" in line for line in server.lines)


def test_with_a_detector_each_face_of_a_photo_has_a_row(server, session, test_faces):
    answer = session.post(f"{server.url}/predict", params={"detector": "yunet"}, data=BLANK)
    assert answer.status_code == 422
    (row,) = answer.json()["predictions"]
    assert (row["face"], row["faces"], row["error"]) == (-1, 0, "no face found")
    assert session.post(f"{server.url}/predict", data=BLANK).status_code == 200
    assert session.post(f"{server.url}/predict", params={"detector": "x"}, data=BLANK).status_code == 400


@pytest.mark.skipif(not PORTRAITS, reason="reads ../shared/data/portraits, which is not there")
def test_the_faces_of_a_photo_are_the_scorers(server, session, artefacts, tmp_path):
    files = [("file", (path.name, path.read_bytes())) for path in PORTRAITS[:3]]
    answer = session.post(f"{server.url}/predict", params={"detector": "yunet"}, files=files).json()
    for path in PORTRAITS[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = tmp_path / "table.jsonl"
    model = f"--model={artefacts / MODEL_FILE}"
    assert commands.score([*map(str, PORTRAITS[:3]), model, "--detector=yunet", f"--output={table}"]) == 0
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row, expected in zip(answer["predictions"], rows, strict=True):
        assert row | {"path": ""} == expected | {"path": ""}
