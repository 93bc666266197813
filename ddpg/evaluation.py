"""Read a trained policy, and evaluate it."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ddpg import environment
from ddpg.core.action_space import ActionSpace
from ddpg.core.evaluation import MOST_AT_ONCE, evaluate_policy
from ddpg.core.policy import Policy
from ddpg.errors import UserError
from ddpg.runs.directory import CONFIG, RunDirectory
from ddpg.runs.policy_file import load_policy
from ddpg.runs.typed_json import from_json, read_dataclass

if TYPE_CHECKING:
    from ddpg.runs.run_state import RunState

# Here the gradient of tanh, 1 - tanh², is 2 % of that at 0.
SATURATED = 0.99
# Steps of an episode where neither a configuration nor the environment limits it.
WITHOUT_LIMIT = 1000


class Trained(NamedTuple):
    """A policy, the name of its environment, and the time limit of its episodes in steps."""

    policy: Policy
    env: str
    max_ep_len: int


class Evaluation(NamedTuple):
    """Returns and lengths of episodes, (episodes,) as from `evaluate_policy`, and saturation.

    `saturation` is the share of the actions' components, over all steps, for which the tanh of the
    actor's last layer is beyond ±SATURATED. There the gradient of tanh is at most 2 % of that at 0.
    """

    returns: np.ndarray
    lengths: np.ndarray
    saturation: float


@dataclasses.dataclass(frozen=True)
class _Settings:
    """The keys of a run's configuration that this module reads."""

    env: str | None = None
    hidden_sizes: tuple[int, ...] = ()
    max_ep_len: int | None = None


def load_trained(source: Path, env: str | None = None) -> Trained:
    """The policy of a run (finished, published or stopped), or of a policy.npz.

    `env` overrides the run's environment, and must be given for a file without config.json beside
    it. Then episodes end at the environment's own limit, or without one after 1,000 steps, which
    may not be the run's `max_ep_len`. UserError for anything else.
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or directory")
    run = RunDirectory(source if source.is_dir() else source.parent)
    state = None
    if source.is_dir() and not run.policy_path.exists():
        state = _read_checkpoint(run)
    settings = _read_settings(run, state)
    name = settings.env if env is None else env
    if name is None:
        raise UserError(
            f"{source}: no environment is known, because there is no config.json with an `env` "
            "next to it; give the environment (--env)"
        )
    env_of_policy = environment.make(name)
    space = env_of_policy.action_space
    if state is not None:
        policy = _make_policy_of_checkpoint(state, settings)
    else:
        policy = load_policy(run.policy_path if source.is_dir() else source)
    _check_layers(source, policy)
    obs_dim = env_of_policy.observation_space.shape[0]
    needed = (len(policy.weights[0]), len(policy.scale))
    if needed != (obs_dim, space.shape[0]):
        raise UserError(
            f"{source}: the policy has {needed[0]} observations and {needed[1]} actions, {name} "
            f"has {obs_dim} and {space.shape[0]}; give the policy's environment with --env"
        )
    own_limit = env_of_policy.spec.max_episode_steps if env_of_policy.spec else None
    return Trained(policy, name, settings.max_ep_len or own_limit or WITHOUT_LIMIT)


def load_policy_file(path: Path) -> Policy:
    """The policy in a policy.npz, for any environment; UserError if it is something else."""
    policy = load_policy(path)
    _check_layers(path, policy)
    return policy


def evaluate_trained(trained: Trained, episodes: int, seed: int) -> Evaluation:
    """Play `episodes` episodes of the policy without noise, MOST_AT_ONCE at a time.

    An episode depends neither on how many others are played nor on the number of cores: BLAS rounds
    a row of a product differently if there are other rows or threads.
    """
    policy = trained.policy
    saturated = []

    def act(obs: np.ndarray) -> np.ndarray:
        action = np.concatenate([policy(row[None]) for row in obs])
        saturated.append(np.abs(action - policy.offset) > SATURATED * policy.scale)
        return action

    rng = np.random.default_rng(seed)
    envs = [environment.make(trained.env) for _ in range(min(episodes, MOST_AT_ONCE))]
    with threadpool_limits(1):
        returns, lengths = evaluate_policy(act, envs, episodes, trained.max_ep_len, rng)
    return Evaluation(returns, lengths, float(np.concatenate(saturated).mean()))


def _read_checkpoint(run: RunDirectory) -> "RunState":
    """The newest state of a run without policy.npz; UserError if there is none."""
    from ddpg.runs.checkpoint import read_newest_state

    if state := read_newest_state(run.checkpoint_path):
        return state
    raise UserError(f"{run}: {run.explain_no_policy()}")


def _read_settings(run: RunDirectory, state: "RunState | None") -> _Settings:
    """The settings in the checkpoint or, for a policy.npz, in the config.json beside it."""
    if state is not None:
        return from_json(_Settings, state.identity.config)
    return (
        read_dataclass(_Settings, run.config_path, CONFIG)
        if run.config_path.exists()
        else _Settings()
    )


def _make_policy_of_checkpoint(state: "RunState", settings: _Settings) -> Policy:
    """The actor, with the action bounds of the run's own environment, as in its policy.npz."""
    # The agent's state begins with the actor's parameters: a weight and a bias for each layer.
    params = state.snapshot.agent[: 2 * (len(settings.hidden_sizes) + 1)]
    actions = ActionSpace(environment.make(str(settings.env)).action_space)
    return Policy.from_params(params, actions.scale, actions.offset)


def _check_layers(source: Path, policy: Policy) -> None:
    """UserError unless each layer takes the outputs of the one before it, the last one's actions.

    NumPy would broadcast some arrays of wrong shapes, and the returns would be wrong.
    """
    outputs = policy.weights[0].shape[0] if policy.weights and policy.weights[0].ndim else 0
    for number, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True)):
        if weight.ndim != 2 or weight.shape[0] != outputs or bias.shape != weight.shape[1:]:
            raise UserError(
                f"{source}: not a policy: layer {number} has weights {weight.shape} and biases "
                f"{bias.shape}, but gets {outputs} inputs; give the policy.npz of a finished run"
            )
        outputs = weight.shape[1]
    if not outputs or policy.scale.shape != (outputs,) or policy.offset.shape != (outputs,):
        raise UserError(
            f"{source}: not a policy: its last layer has {outputs} outputs, but the scale and "
            f"offset of its actions are {policy.scale.shape} and {policy.offset.shape}; give the "
            "policy.npz of a finished run"
        )
