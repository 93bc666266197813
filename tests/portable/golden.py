"""Compute golden digests: `python -m tests.portable.golden NAME...` prints them as JSON.

A name is a digest's whole name, such as "steps Ant-v5", or its first word, "steps", for all such.

The digests in golden.json must be the same on every x86-64 processor with AVX2 and FMA, and change
only with ARITHMETIC_VERSION. A separate process computes them, so that a test can choose its
environment and the processor that it is emulated on.
"""

import dataclasses
import functools
import hashlib
import json
import sys
import warnings
from collections.abc import Iterable

from ddpg import config, environment  # ddpg first: it pins NumPy's kernels
from ddpg.core import ARITHMETIC_VERSION

EXPERIMENTS = "pendulum-demo halfcheetah-benchmark halfcheetah-benchmark-2020 spinup-exercise-2-2"
# The environments of config.yaml, and others that users train on.
ENVIRONMENTS = "Pendulum-v1 HalfCheetah-v5 Hopper-v5 Walker2d-v5 Ant-v5 Swimmer-v5"
UPDATES = 8
SHORT = {
    "hidden_sizes": [32], "epochs": 2, "steps_per_epoch": 150, "start_steps": 60,
    "update_after": 0, "update_every": "episode", "max_ep_len": 50, "batch_size": 20,
    "replay_size": 250, "num_test_episodes": 2,
}  # fmt: skip


def experiment(name: str, **overrides: object) -> config.Experiment:
    """An experiment of config.yaml with some values replaced."""
    return config.resolve_experiment(config.read("config.yaml"), name, overrides)


def digest_updates(name: str) -> str:
    """The weights after UPDATES updates of an experiment's networks on random transitions."""
    import numpy as np

    from ddpg.core.action_space import ActionSpace
    from ddpg.core.agent import DDPG
    from ddpg.core.digests import digest_arrays
    from ddpg.core.replay import ReplayBuffer

    settings = experiment(name)
    env = environment.make(settings.env)
    obs_dim, rng = env.observation_space.shape[0], np.random.default_rng(0)
    agent = DDPG(settings, obs_dim, ActionSpace(env.action_space), UPDATES, rng)
    replay = ReplayBuffer(1000, obs_dim, env.action_space.shape[0])
    for array in replay.data:
        array[:] = rng.standard_normal(array.shape)
    replay.data.terminated[:] = rng.random(1000) < 0.1
    replay.added = 1000
    metrics = agent.update(replay, rng, UPDATES)
    return digest_arrays([*agent.arrays(), *metrics])


def digest_run(env: str) -> str:
    """Everything that a short run on an environment produces."""
    from ddpg.core.digests import digest_arrays
    from ddpg.core.training import Training, train_epochs

    settings = dataclasses.replace(experiment("pendulum-demo", **SHORT), env=env)
    training = Training(settings, 0, functools.partial(environment.make, env))
    results = [digest_arrays(training.replay.data)]
    for result in train_epochs(training, settings.epochs):
        results += [*result.digest, repr(result.returns.tolist()), repr(result.row)]
    return hashlib.sha256("\n".join(results).encode()).hexdigest()


def digest_steps(env: str) -> str:
    """Observations and rewards of 300 random steps."""
    import numpy as np

    from ddpg.core.action_space import ActionSpace
    from ddpg.core.digests import digest_arrays

    made = environment.make(env)
    actions, rng = ActionSpace(made.action_space), np.random.default_rng(0)
    seen = [made.reset(seed=0)[0]]
    for _ in range(300):
        obs, reward, terminated, truncated, _ = made.step(actions.for_env(actions.sample(rng)))
        seen += [obs, np.array(reward, np.float64)]
        if terminated or truncated:
            seen.append(made.reset()[0])
    return digest_arrays(seen)


def digest_noise() -> str:
    """A million draws of exploration noise, by way of float32, and other draws of a run."""
    import numpy as np

    from ddpg.core.digests import digest_arrays

    rng = np.random.default_rng(0)
    return digest_arrays(
        [
            rng.standard_normal(10**6).astype(np.float32),
            rng.uniform(-1, 1, 10**5),
            rng.integers(10**6, size=10**5),
        ]
    )


DIGESTS = {
    "noise": digest_noise,
    **{f"steps {env}": functools.partial(digest_steps, env) for env in ENVIRONMENTS.split()},
    **{f"updates {name}": functools.partial(digest_updates, name) for name in EXPERIMENTS.split()},
    **{f"run {env}": functools.partial(digest_run, env) for env in ENVIRONMENTS.split()},
}


def is_wanted(digest: str, names: Iterable[str]) -> bool:
    """Whether the names include a digest's whole name or its first word."""
    return digest in names or digest.split()[0] in names


def main(names: list[str]) -> None:
    """Print the named digests as JSON."""
    warnings.simplefilter("ignore")
    found = {digest: f() for digest, f in DIGESTS.items() if is_wanted(digest, names)}
    print(json.dumps({"arithmetic version": ARITHMETIC_VERSION} | found, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
