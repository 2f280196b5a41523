"""Some kills and signals at random moments of a fit; `kills.py` makes hundreds, of studies too."""

import os
import subprocess
import sys
from pathlib import Path


def test_killed_and_stopped_fits_end_as_undisturbed_ones(tmp_path):
    script = Path(__file__).with_name("kills.py")
    path = {**os.environ, "PYTHONPATH": ":".join(sys.path), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-W", "ignore", str(script), "--only", "fit", "--kills", "2", "--signals", "3"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], env=path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "5 moments, 0 failures" in done.stdout
