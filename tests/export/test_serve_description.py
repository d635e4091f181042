"""What the server says of itself in OpenAPI is true: schemathesis asks what it allows, and more."""

import re
import subprocess
import sys

from tests.export.servers import running


def test_schemathesis_finds_nothing(artefacts, tmp_path):
    with running(f"--model={artefacts / 'model_float32.tflite'}") as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--max-examples=15"]
        command += ["--seed=1", "--checks=all", "--request-timeout=30", "--suppress-health-check=all"]
        # no schema can say that bytes are a picture: that some are refused is right
        command += ["--exclude-checks=positive_data_acceptance"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-6000:]
        assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 50
        assert server.stop() == 0
