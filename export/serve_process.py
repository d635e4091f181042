"""The server's processes: sockets, signals, workers."""

import asyncio
import contextlib
import dataclasses
import logging
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import pathlib
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator

import uvicorn

from export.head_limits import HeadLimits
from gender_tfds.terminal import show_log
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)

_CONNECTIONS = 1024  # of one worker; over it, uvicorn answers 503


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a worker has to know; see the flags of gender-serve."""

    model: str
    max_batch_size: int
    max_latency_ms: float
    max_queue: int
    max_body: int
    timeout: float
    max_memory: int
    grace_seconds: int
    token: str | None
    web_dir: str | None


def serve(options: ServerOptions, host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it has. SIGHUP loads the model anew.

    Raises:
      UserError: the address can't be had, or the model can't be loaded.
    """
    from export.service import Model

    Model.load(pathlib.Path(options.model))  # fails here, with one sentence, and not in every worker
    listening = _listen(host, port)
    host, port = listening.getsockname()[:2]

    def announce() -> None:
        told = "Serving %s on http://%s:%d with %d worker(s); its interface is at /docs."
        log.info(told, options.model, host, port, workers)

    if workers == 1:
        _work(options, listening, announce)
        return
    with tempfile.TemporaryDirectory(prefix="gender-serve-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read when prometheus_client is imported, in each worker
        _supervise(options, listening, workers, announce)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:  # a name with an empty or a long part has no IDNA
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--host={host} --port={port} can't be listened on ({reason}); give others") from error
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


class _Server(uvicorn.Server):
    """Leaves signals to `_work`: uvicorn's own raise SIGTERM once more at the end, and the status would not be 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _work(options: ServerOptions, listening: socket.socket, announce: Callable[[], None] = lambda: None) -> None:
    """Serves in this process; announces it when signals are heeded and the model is loaded."""
    from export.admission import Limits
    from export.serve import make_app
    from export.service import Service

    services: list[Service] = []

    def make_service() -> Service:
        services.append(
            Service(
                pathlib.Path(options.model),
                max_batch_size=options.max_batch_size,
                max_latency=options.max_latency_ms / 1000,
                max_queue=options.max_queue,
            )
        )
        announce()
        return services[0]

    limits = Limits(
        max_body=options.max_body, timeout=options.timeout, max_memory=options.max_memory, token=options.token
    )
    config = uvicorn.Config(
        make_app(make_service, limits, options.web_dir),
        http=HeadLimits,
        log_config=None,
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=options.grace_seconds,
        timeout_keep_alive=30,
        server_header=False,
    )
    server = _Server(config)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
        loop.add_signal_handler(signal.SIGHUP, lambda: services and loop.run_in_executor(None, services[0].reload))
        await server.serve([listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def _in_worker(options: ServerOptions, listening: socket.socket) -> None:
    show_log()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work(options, listening)


def _end_with_parent() -> None:
    """Ends this worker as SIGTERM does when the process that started it was killed: nobody else would."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _supervise(options: ServerOptions, listening: socket.socket, workers: int, announce: Callable[[], None]) -> None:
    """Keeps that many workers alive, and hands on the signals it gets."""
    from prometheus_client.multiprocess import mark_process_dead  # which reads the environment that `serve` has set

    context = multiprocessing.get_context("spawn")  # TensorFlow and LiteRT have threads, which a fork would lose
    stopping = False

    def start() -> multiprocessing.process.BaseProcess:
        process = context.Process(target=_in_worker, args=(options, listening))
        process.start()
        return process

    running: list[multiprocessing.process.BaseProcess] = []

    def hand_on(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = stopping or number != signal.SIGHUP
        for process in running:
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGTERM if number == signal.SIGINT else number)

    previous = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        running.extend(start() for _ in range(workers) if not stopping)
        announce()
        while not stopping:
            multiprocessing.connection.wait([process.sentinel for process in running], timeout=1)
            for place, process in enumerate(running):
                if not process.is_alive() and not stopping:
                    log.error("A worker ended with status %s; another one starts.", process.exitcode)
                    if process.pid:
                        mark_process_dead(process.pid)
                    running[place] = start()
        for process in running:  # also one that was being started as the signal came
            process.terminate()
            process.join()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
