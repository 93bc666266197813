"""Self-test of the image: print its description, train a few steps, and render one frame.

apptainer test containers/ddpg.sif
docker run --rm --entrypoint python ddpg /opt/ddpg/containers/selftest.py
"""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from ddpg import config, training
from ddpg.runs import provenance
from ddpg.runs.typed_json import to_json

print(json.dumps(to_json(provenance.read_image()) or "not in an image", indent=2))
packages = provenance.describe_machine().packages
print("Python", platform.python_version(), *map(" ".join, packages.items()))

settings = config.read(Path(config.__file__).parent.parent / "config.yaml")
experiment = config.resolve_experiment(settings, "pendulum-demo", settings["smoke"] | {"epochs": 1})
with tempfile.TemporaryDirectory() as directory:
    run = training.train(experiment, experiment.seeds[0], Path(directory))
print("trained", run.steps, "steps; weights", run.weights_sha256[:16])
print("GPU:", ", ".join(provenance.find_gpus()) or "none")

# In a separate process: TensorFlow and Mesa each load an LLVM, and crash in one process.
DRAW = """
from ddpg import environment
env = environment.make("HalfCheetah-v5", render_mode="rgb_array")
env.reset(seed=0)
picture = env.render()
assert picture.std() > 10, "the picture is blank"
print("drew", *picture.shape)
"""
subprocess.run([sys.executable, "-c", DRAW], check=True)
print("self-test passed")
