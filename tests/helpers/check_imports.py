"""Check what a program imports."""

import subprocess
import sys

from helpers.checkout import ROOT


def check_tensorflow_is_not_imported(program: str, *arguments: object) -> None:
    """Assert that a Python program with these arguments succeeds without importing TensorFlow."""
    program = f"import sys\n{program}\nsys.exit('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
