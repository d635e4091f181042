"""tf.data service gives every example once, by several workers; a wrong address is one sentence."""

import collections
import contextlib
import socket
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from gender_tfds import reading
from gender_tfds.faces import NUM_FOLDS
from gender_tfds.user_error import UserError
from trainer import data_service, input_pipeline
from trainer.config import TrainConfig


@pytest.fixture(scope="module")
def service():
    """The address of a dispatcher with two workers."""
    dispatcher = tf.data.experimental.service.DispatchServer()
    address = dispatcher.target
    # a worker that stops waits for its next heartbeat, by itself up to half a minute
    config = tf.data.experimental.service.WorkerConfig(address.partition("://")[2], heartbeat_interval_ms=200)
    workers = [tf.data.experimental.service.WorkerServer(config) for _ in range(2)]
    yield address
    del workers, dispatcher


@pytest.fixture(scope="module")
def builder(data_dir):
    return reading.open_built("drawn_faces", str(data_dir))


def _names(examples):
    return collections.Counter(example["filename"] for example in examples.as_numpy_iterator())


def test_two_workers_give_each_example_once_in_every_pass(service, builder, monkeypatch):
    local = _names(reading.read_folds(builder, range(NUM_FOLDS)))
    assert set(local.values()) == {1}
    encoded = reading.read_folds(builder, range(NUM_FOLDS), counted=False)
    examples = data_service.read_by_service(encoded, service)
    assert _names(examples) == local
    assert _names(examples) == local
    monkeypatch.setattr(data_service, "POLICY", tf.data.experimental.service.ShardingPolicy.OFF)
    planted = _names(data_service.read_by_service(encoded, service))
    assert planted == dict.fromkeys(local, 2)


def test_training_reads_the_same_faces_by_it(service, builder):
    config = TrainConfig(image_size=32, batch_size=32, epochs=2, cache="off")
    counts = input_pipeline.count_faces([builder], config.folds("train"))
    seen = []
    for address in (None, service):
        batches = input_pipeline.make_train_dataset([builder], config, counts, counts, data_service=address)
        faces = [image.tobytes() for images, _ in batches.as_numpy_iterator() for image in images]
        seen.append(collections.Counter(faces))
    assert seen[0] == seen[1]
    assert sum(seen[0].values()) == 2 * sum(counts[0].values())


DISPATCHER = """
import sys, tensorflow as tf
s = tf.data.experimental.service
s.DispatchServer(s.DispatcherConfig(port=int(sys.argv[1]))).join()
"""
WORKER = """
import sys, tensorflow as tf
s = tf.data.experimental.service
s.WorkerServer(s.WorkerConfig(dispatcher_address=f"localhost:{sys.argv[1]}")).join()
"""


def _free_port():
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def _wait(ready, seconds=120):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.5)


def _answers(address):
    with contextlib.suppress(UserError):
        data_service.check_service(address)
        return True
    return False


@pytest.mark.slow
def test_two_worker_processes_give_each_example_once(builder, monkeypatch):
    port = _free_port()
    address = f"grpc://localhost:{port}"
    config = TrainConfig(image_size=32, batch_size=32, epochs=2, cache="off")
    counts = input_pipeline.count_faces([builder], config.folds("train"))
    local = _names(reading.read_folds(builder, range(NUM_FOLDS)))
    encoded = reading.read_folds(builder, range(NUM_FOLDS), counted=False)
    started = [subprocess.Popen([sys.executable, "-c", script, str(port)]) for script in (DISPATCHER, WORKER, WORKER)]
    try:
        _wait(lambda: _answers(address))
        with monkeypatch.context() as planted:
            planted.setattr(data_service, "POLICY", tf.data.experimental.service.ShardingPolicy.OFF)
            # only now both have registered
            _wait(lambda: _names(data_service.read_by_service(encoded, address)) == dict.fromkeys(local, 2))
        assert _names(data_service.read_by_service(encoded, address)) == local
        batches = input_pipeline.make_train_dataset([builder], config, counts, counts, data_service=address)
        assert sum(len(targets) for _, targets in batches.as_numpy_iterator()) == 2 * sum(counts[0].values())
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://", "grpc://host", "http://host:5050", "grpc://host:x"])
def test_what_is_no_address_is_one_sentence(address):
    with pytest.raises(UserError, match="is no address; give that of the dispatcher"):
        data_service.check_service(address)


def test_a_dispatcher_that_does_not_answer_is_told_and_one_that_does_is_taken():
    data_service.check_service(None)
    with socket.create_server(("localhost", 0)) as server:
        address = f"grpc://localhost:{server.getsockname()[1]}"
        data_service.check_service(address)
    with pytest.raises(UserError, match="no dispatcher answers there"):
        data_service.check_service(address)
