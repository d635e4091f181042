"""What a client may send, and what each fault is answered with."""

import asyncio
import base64
import json
import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from starlette.requests import Request

from export import requests_http as incoming
from export.requests_http import RefusedError
from tests.hostile import property_of

FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'

FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'


def _request(chunks, headers=(), wait=0.0):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        await asyncio.sleep(wait)
        return messages.pop(0)

    encoded = [(name.encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": "POST", "headers": encoded}, receive)


def _read(read, request, max_body=100, timeout=5.0):
    return asyncio.run(read(request, max_body, timeout))


def _refused(read, request, **limits):
    with pytest.raises(RefusedError) as raised:
        _read(read, request, **limits)
    return raised.value.status, str(raised.value)


def test_a_body_within_the_limits_is_read_whole():
    assert _read(incoming.read_body, _request([b"ab", b"", b"c"])) == b"abc"
    assert _read(incoming.read_body, _request([b"x" * 100])) == b"x" * 100


def test_a_body_over_the_limit_is_413_by_its_head_or_its_bytes():
    status, said = _refused(incoming.read_body, _request([], [("content-length", "101")]))
    assert (status, said) == (413, "the body has 101 bytes, and 100 are allowed")
    assert _refused(incoming.read_body, _request([b"x" * 60, b"x" * 60]))[0] == 413


def test_a_body_that_does_not_come_is_408():
    assert _refused(incoming.read_body, _request([b"x"], wait=1.0), timeout=0.05)[0] == 408


def test_a_picture_is_the_body_or_the_files_of_a_form():
    assert _read(incoming.read_pictures, _request([b"picture"])) == ([""], [b"picture"])
    body = FORM % (b"a.jpg", b"one") + FORM % (b"b.jpg", b"t\r\nwo\x00") + b"--x--\r\n"
    for kind in ("multipart/form-data", "Multipart/Form-Data"):
        request = _request([body], [("content-type", f"{kind}; boundary=x")])
        found = _read(incoming.read_pictures, request, max_body=1000)
        assert found == (["a.jpg", "b.jpg"], [b"one", b"t\r\nwo\x00"])


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        ("image/jpeg", b"", "the body is empty"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            "no file",
        ),
        ("multipart/form-data; boundary=x", b"nonsense", "the form"),
        ("multipart/form-data", b"--x--", "can't be read"),
    ],
)
def test_a_form_without_a_picture_is_400(content_type, body, said):
    status, told = _refused(incoming.read_pictures, _request([body], [("content-type", content_type)]))
    assert status == 400
    assert said in told


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"a"', b"\xff", b"[" * 90])
def test_a_body_that_is_no_json_object_is_400(body):
    assert _refused(incoming.read_json, _request([body]))[0] == 400


def test_instances_are_tensorflow_servings():
    encoded = base64.b64encode(b"picture").decode()
    content = {"instances": [{"b64": encoded}, {"image_bytes": {"b64": encoded}}]}
    assert incoming.instances(content) == [b"picture"] * 2


@pytest.mark.parametrize(
    "content", [{}, {"instances": []}, {"instances": "a"}, {"instances": [1]}, {"instances": [{"b64": "?"}]}]
)
def test_other_instances_are_400(content):
    with pytest.raises(RefusedError) as raised:
        incoming.instances(content)
    assert raised.value.status == 400


PIXELS = np.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3)


def _input(**changes):
    given = {"name": "images", "shape": [2, 4, 4, 3], "datatype": "UINT8", "data": PIXELS.ravel().tolist()}
    return {"inputs": [given | changes]}


def test_kserves_inputs_are_pixels_or_encoded_pictures():
    for data in (PIXELS.ravel().tolist(), PIXELS.tolist()):  # flat or nested
        found = incoming.infer_input(_input(data=data), 4)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, PIXELS)
    encoded = {"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(b"x").decode()]}
    assert incoming.infer_input({"inputs": [encoded]}, 4) == [b"x"]


def test_one_long_text_among_many_takes_no_memory_of_its_length_times_their_number():
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError):
            incoming.infer_input(_input(data=["a" * 10_000, *[""] * 9_999]), 4)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"inputs": []},
        {"inputs": [1]},
        _input(name="other"),
        _input(datatype="FP32"),
        _input(shape=[1, 4, 4, 3]),
        _input(shape=[2, 5, 5, 3]),
        _input(shape="2"),
        _input(shape=[]),
        _input(shape=[2.0, 4, 4, 3]),
        _input(shape=[True, 4, 4, 3], data=[1] * 48),
        _input(data=[]),
        _input(data=None),
        _input(data=[1, [2]]),
        _input(data=[0.5] * 96),
        _input(data=[256] * 96),
        _input(data=[-1] * 96),
        _input(data=["a"] * 96),
        _input(data=[True] * 96),
        _input(data=[[]], shape=[0, 4, 4, 3]),
        _input(data=[[1] * 48, [1] * 47]),
        _input(data=[1] * 97),
        _input(name="image_bytes", datatype="BYTES", shape=[2], data=["eA=="]),
        _input(name="image_bytes", datatype="BYTES", shape=[1], data=[1]),
    ],
)
def test_other_inputs_are_400(content):
    with pytest.raises(RefusedError) as raised:
        incoming.infer_input(content, 4)
    assert raised.value.status == 400


NUMBERS = strategies.one_of(
    strategies.integers(), strategies.integers(0, 255), strategies.floats(), strategies.booleans()
)
LEAVES = strategies.one_of(strategies.none(), NUMBERS, strategies.text(max_size=20))
JSON = strategies.recursive(
    LEAVES,
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=4), strategies.dictionaries(strategies.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
SHAPES = strategies.one_of(
    JSON,
    strategies.lists(strategies.integers(-3, 5), max_size=5),
    strategies.sampled_from([[1], [1, 4, 4, 3], [1.0, 4, 4, 3], [True, 4, 4, 3]]),
)
NESTED = strategies.recursive(  # also of unequal lengths
    strategies.integers(0, 255), lambda inner: strategies.lists(inner, max_size=4), max_leaves=20
)
PICTURES = strategies.one_of(
    JSON,
    strategies.lists(NESTED, max_size=4),
    strategies.lists(strategies.one_of(LEAVES, strategies.integers(0, 255)), max_size=60),
    strategies.lists(strategies.integers(0, 255), min_size=48, max_size=48),
    strategies.lists(strategies.integers(-1, 2**70), min_size=48, max_size=48),
    strategies.lists(strategies.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()), max_size=3),
)
KINDS = strategies.one_of(
    strategies.just(("images", "UINT8")), strategies.just(("image_bytes", "BYTES")), strategies.tuples(JSON, JSON)
)
INPUTS = strategies.builds(
    lambda kind, shape, data: {"name": kind[0], "datatype": kind[1], "shape": shape, "data": data},
    *(KINDS, SHAPES, PICTURES),
)


INSTANCES = strategies.one_of(
    JSON,
    strategies.fixed_dictionaries({"b64": LEAVES}),
    strategies.fixed_dictionaries({"image_bytes": strategies.fixed_dictionaries({"b64": LEAVES})}),
)


def _answer(read, *arguments):
    """Returns what was read, or None where the client is told in one line that it is at fault."""
    try:
        return read(*arguments)
    except RefusedError as error:
        refused = error
    assert 400 <= refused.status < 500
    assert "\n" not in str(refused)
    return None


@property_of
@hypothesis.given(
    strategies.one_of(JSON, INPUTS.map(lambda given: {"inputs": [given]})).filter(lambda x: isinstance(x, dict))
)
def test_any_input_is_read_or_refused(content):
    found = _answer(incoming.infer_input, content, 4)
    if isinstance(found, np.ndarray):
        assert (found.dtype, str(list(found.shape))) == (np.uint8, str(content["inputs"][0]["shape"]))
        assert found.ravel().tolist() == np.array(content["inputs"][0]["data"]).ravel().tolist()
    elif found is not None:
        assert [base64.b64encode(data).decode() for data in found] == content["inputs"][0]["data"]


@property_of
@hypothesis.given(
    strategies.one_of(
        JSON.filter(lambda x: isinstance(x, dict)),
        strategies.lists(INSTANCES, max_size=3).map(lambda instances: {"instances": instances}),
    )
)
def test_any_instances_are_read_or_refused(content):
    found = _answer(incoming.instances, content)
    assert found is None or all(isinstance(data, bytes) for data in found)


@property_of
@hypothesis.given(
    strategies.one_of(strategies.binary(max_size=200), JSON.map(lambda content: json.dumps(content).encode()))
)
def test_any_body_is_json_or_refused(body):
    content = _answer(_read, incoming.read_json, _request([body]), 10_000)
    assert content is None or isinstance(content, dict)


PARTS = [
    b"--x",
    b"--x--",
    b"\r\n",
    b"\n",
    b"Content-Disposition: form-data; name=",
    b'"f"',
    b'; filename="',
    b'a.jpg"',
    b": ",
]
TYPES = [
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "image/jpeg",
    "\xff;=",
]


@property_of
@hypothesis.given(
    strategies.sampled_from(TYPES),
    strategies.one_of(
        strategies.binary(max_size=200),
        strategies.lists(
            strategies.one_of(strategies.sampled_from(PARTS), strategies.binary(max_size=9)), max_size=20
        ).map(b"".join),
        strategies.binary(max_size=50).map(lambda content: FORM % (b"a.jpg", content) + b"--x--\r\n"),
    ),
)
def test_any_form_holds_pictures_or_is_refused(content_type, body):
    request = _request([body])
    request.scope["headers"] = [(b"content-type", content_type.encode("latin-1"))]
    found = _answer(_read, incoming.read_pictures, request, 10_000)
    if found is not None:
        names, pictures = found
        assert len(names) == len(pictures) > 0
        assert all(isinstance(data, bytes) for data in pictures)
