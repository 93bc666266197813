"""How fast is training beside other libraries' DDPG, at the same work on the same core?

Ours, Stable-Baselines3 (PyTorch) and SBX (JAX), each in a separate process, are interleaved on one
core: the same environment, networks, batch and replay size, and after each trajectory one update
for each of its steps. None evaluates its policy in between. The others run as they come, with the
processor's own kernels: none of the variables that this package sets reaches them.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks import common

# Steps per round (whole trajectories) and number of rounds.
ROUNDS = {common.LARGE: (1000, 10), common.SMALL: (1050, 15)}

OURS, SB3, SBX = "this package", "Stable-Baselines3", "SBX"
DISTRIBUTIONS = {OURS: ("tensorflow",), SB3: ("stable-baselines3", "torch"), SBX: ("sbx-rl", "jax")}


def main() -> None:
    """Measure both networks; write side_by_side.csv."""
    common.pin()
    rows = []
    for name, (steps, rounds) in ROUNDS.items():
        with tempfile.TemporaryDirectory() as directory:
            rows += measure(name, steps, rounds, directory)
    common.write_table("side_by_side", rows)


def measure(name: str, steps: int, rounds: int, directory: str) -> list[dict]:
    """Rows of steps per second, one for each library and round."""
    settings = dataclasses.asdict(common.read_experiment(name))
    workers = {
        OURS: common.Worker(set_up_ours, name, steps, directory),
        SB3: common.Worker(set_up_peer, "stable_baselines3", settings, steps, native=True),
        SBX: common.Worker(set_up_peer, "sbx", settings, steps, native=True),
    }
    rates = {library: [] for library in workers}
    rows = []
    for round_, library, seconds in common.interleave(workers, rounds):
        rates[library].append(steps / seconds)
        rows.append(
            {
                "experiment": name,
                "library": library,
                "versions": "; ".join(f"{d} {metadata.version(d)}" for d in DISTRIBUTIONS[library]),
                "round": round_,
                "steps": steps,
                "steps_per_second": steps / seconds,
            }
        )
    for worker in workers.values():
        worker.close()
    print(f"{name}: medians of {rounds} rounds (lowest to highest)")
    for library, values in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates[OURS], values, strict=True)]
        print(
            f"  {library:18s} steps/s {common.format_median_and_range(values, 0):28s} "
            f"ours / theirs {common.format_median_and_range(ratios)}"
        )
    return rows


def set_up_ours(name: str, steps: int, directory: str) -> Callable[[], float]:
    """Set up this package."""
    return common.make_training_segment(name, steps, Path(directory), evaluation=False).train


def set_up_peer(module: str, settings: dict, steps: int) -> Callable[[], float]:
    """Set up the DDPG of `module` with an experiment's settings.

    Does not import this package, which would pin this process's kernels.
    """
    import importlib
    import types

    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3.common.noise import NormalActionNoise

    torch.set_num_threads(1)
    experiment = types.SimpleNamespace(**settings)
    env = gym.make(
        experiment.env, disable_env_checker=True, max_episode_steps=experiment.max_ep_len
    )
    act_dim = env.action_space.shape[0]
    if experiment.pi_lr != experiment.q_lr:
        raise ValueError("the peers have one learning rate for actor and critic")
    model = importlib.import_module(module).DDPG(
        "MlpPolicy",
        env,
        learning_rate=experiment.q_lr,
        buffer_size=experiment.replay_size,
        learning_starts=0,
        batch_size=experiment.batch_size,
        tau=1 - experiment.polyak,
        gamma=experiment.discount,
        train_freq=(1, "episode"),
        gradient_steps=-1,
        action_noise=NormalActionNoise(np.zeros(act_dim), np.full(act_dim, experiment.act_noise)),
        policy_kwargs={"net_arch": list(experiment.hidden_sizes)},
        seed=0,
        **({"device": "cpu"} if module == "stable_baselines3" else {}),
    )

    def segment() -> float:
        before, start = model.num_timesteps, time.process_time()
        model.learn(steps, reset_num_timesteps=False)
        seconds = time.process_time() - start
        if model.num_timesteps - before != steps:
            raise RuntimeError(f"{module} took {model.num_timesteps - before} steps, not {steps}")
        return seconds

    return segment


if __name__ == "__main__":
    main()
