"""Claim: gender-serve answers near the in-process limit, and stays right and alive under bad load.

    python benchmarks/serve.py MODEL.tflite FOLDER [--seconds=20] [--workers=1]

Loopback only. In turns, five rounds: an in-process loop of decode and invoke with as many threads as the server has
workers, and the server under 64 connections that post one picture after another. Then 200 connections, of which a tenth
send what is no picture, too much, or too slowly.
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

import numpy as np

from export.predictor import decode_all, load_predictor

SERVE = "import sys; from export.serving_commands import serve\nif __name__ == '__main__': sys.exit(serve())"


class Server:
    """A server process on a free port."""

    def __init__(self, model: str, workers: int, log: pathlib.Path) -> None:
        command = [sys.executable, "-c", SERVE, f"--model={model}", "--port=0", f"--workers={workers}", "--timeout=2"]
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, stderr=errors)  # noqa: S603 (this interpreter, the code above)
        while not (found := re.search(r"on http://[\d.]+:(\d+) ", log.read_text())):
            time.sleep(0.05)
        self.port = int(found[1])

    def memory(self) -> int:
        """Returns the resident MB of all its processes."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        statuses = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in (self.process.pid, *children)]
        return sum(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) for status in statuses) // 1024

    def stop(self) -> int:
        """Ends it; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, wait: float = 0) -> tuple:
    """Posts a body; returns status and JSON."""
    writer.write(f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    if wait:
        writer.write(body[:10])
        await asyncio.sleep(wait)
        body = body[10:]
    writer.write(body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(re.search(r"content-length: (\d+)", head, re.IGNORECASE)[1])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def load(
    port: int, pictures: list[bytes], expected: np.ndarray, connections: int, seconds: float, bad: float
) -> tuple[collections.Counter, list[float]]:
    """Returns counts of outcomes, and the seconds of each good answer."""
    counts, times = collections.Counter(), []
    until = time.perf_counter() + seconds

    async def good(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            number = (number + 1) % len(pictures)
            begin = time.perf_counter()
            status, answer = await ask(reader, writer, pictures[number])
            if status == 200:
                times.append(time.perf_counter() - begin)
                right = abs(answer["predictions"][0]["p_female"] - expected[number]) < 2e-3
                counts["right" if right else "WRONG"] += 1
            else:
                counts[status] += 1
        writer.close()

    async def faulty(number: int) -> None:
        kind = number % 3
        body = [b"no picture" * 50, b"x" * 21_000_000, pictures[0]][kind]
        while time.perf_counter() < until:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                status, _ = await asyncio.wait_for(ask(reader, writer, body, wait=4 if kind == 2 else 0), 30)
                counts[f"{('malformed', 'oversized', 'slow')[kind]}: {status}"] += 1
                writer.close()
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                counts[f"{('malformed', 'oversized', 'slow')[kind]}: {type(error).__name__}"] += 1

    faulty_ones = round(connections * bad)
    jobs = [faulty(number) for number in range(faulty_ones)]
    await asyncio.gather(*jobs, *(good(number * 7) for number in range(connections - faulty_ones)))
    return counts, times


def limit(model: str, pictures: list[bytes], workers: int, seconds: float) -> float:
    """Returns the pictures a second of a loop of decode and invoke, in so many processes."""
    code = """
import sys, time, pickle
from export.predictor import TFLitePredictor, decode_all
import pathlib
pictures = pickle.load(open(sys.argv[2], "rb"))
predictor = TFLitePredictor(pathlib.Path(sys.argv[1]), threads=1)
until, done = time.perf_counter() + float(sys.argv[3]), 0
while time.perf_counter() < until:
    start = done % (len(pictures) - 32)
    predictor.predict(decode_all(pictures[start : start + 32], predictor.image_size)[0])
    done += 32
print(done)
"""
    import pickle
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        pickle.dump(pictures, file)
        file.flush()
        command = [sys.executable, "-c", code, model, file.name, str(seconds)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(workers)]  # noqa: S603
        return sum(int(process.communicate()[0]) for process in started) / seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=1)
    flags = parser.parse_args()
    files = sorted(path for path in flags.folder.iterdir() if path.suffix == ".jpg")[:1000]
    pictures = [file.read_bytes() for file in files]
    predictor = load_predictor(flags.model)
    expected = predictor.predict(decode_all(pictures, predictor.image_size)[0])
    log = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "gender-serve-benchmark.log"  # noqa: S108
    server = Server(flags.model, flags.workers, log)
    shares = []
    for _ in range(5):
        possible = limit(flags.model, pictures, flags.workers, flags.seconds / 4)
        counts, times = asyncio.run(load(server.port, pictures, expected, 64, flags.seconds, 0))
        shares.append(len(times) / flags.seconds / possible)
        p50, p99 = (1000 * np.percentile(times, share) for share in (50, 99))
        print(f"64 connections: {shares[-1]:.2f} of the limit, p50 {p50:.0f} ms, p99 {p99:.0f} ms, {dict(counts)}")
    print(f"median {statistics.median(shares):.2f} of the in-process limit ({min(shares):.2f} to {max(shares):.2f})")
    before = server.memory()
    counts, times = asyncio.run(load(server.port, pictures, expected, 200, flags.seconds, 0.1))
    middle = server.memory()
    more, _ = asyncio.run(load(server.port, pictures, expected, 200, flags.seconds, 0.1))
    print(f"200 connections, a tenth bad: p99 {1000 * np.percentile(times, 99):.0f} ms, {dict(counts + more)}")
    print(f"memory {before} MB before, {middle} MB after once, {server.memory()} MB after twice")
    counts, _ = asyncio.run(load(server.port, pictures, expected, 4, 1, 0))
    print(f"alive afterwards: {dict(counts)}; exit status {server.stop()}")


if __name__ == "__main__":
    main()
