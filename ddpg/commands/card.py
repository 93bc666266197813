"""`card`: a model card of a run's policy, with the metadata that Hugging Face's hub reads."""

from pathlib import Path

import yaml

from ddpg.errors import UserError

HELP = "write a model card of a run's policy, from its run.json"

LICENCE = "mit"
LIBRARY = "ddpg-repro"
TASK = "reinforcement-learning"

_CARD = """\
# DDPG on {env}

The policy of one run of DDPG ([Lillicrap et al., 2016](https://arxiv.org/abs/1509.02971)):
experiment `{experiment}`, seed {seed}, {steps:,} environment steps. It is one seed of this
experiment; seeds differ, so judge the algorithm by all of them.

| | |
| --- | --- |
| mean return of the last evaluation ({episodes} episodes, without noise) | {mean:,.1f} |
| standard deviation between these episodes | {sd:,.1f} |
| mean of the last {last} evaluations | {final:,.1f} |
| observations, actions | {obs_dim}, {act_dim} |
| hidden layers | {hidden} |

## Use

`policy.npz` holds the weights and biases of each layer (`weight_0`, `bias_0`, ...; relu between
layers), and `scale` and `offset`, which map the last layer's tanh to the bounds of the actions.

```python
from ddpg import api

policy = api.load_policy("policy.npz")  # needs config.json beside it
action = policy(observation)            # float32 ({act_dim},) for an observation ({obs_dim},)
returns = api.evaluate("policy.npz", episodes=10)
```

## Training

{configuration}

## What produced it

{provenance}

{again}
"""

_REPLAY = """\
The same seed and configuration give the same bytes on every processor of the platform
`{platform}`: `python -m ddpg verify RUN --replay 2` trains the first epochs again and compares
them."""
_OLD = """\
This package computes version {current} of the arithmetic. `python -m ddpg verify RUN --replay 2`
names the revision that trains this run again."""


def add_arguments(parser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="as README.md (default: print the card)"
    )


def run(options) -> None:
    """Print or write the card; UserError for a run that is not finished, or damaged."""
    from ddpg.analysis.tables import write_text

    text = model_card(options.run)
    if options.output is None:
        print(text, end="")
        return
    write_text(options.output, text)
    print(options.output)


def model_card(directory: Path) -> str:
    """The card of the run in `directory`: metadata in YAML, then Markdown."""
    from ddpg import run_directory
    from ddpg.analysis import curves
    from ddpg.policy_file import load_policy
    from ddpg.runs.record import RunRecord

    record = RunRecord.read(directory / run_directory.RUN)
    if problems := run_directory.mismatches(directory, record):
        raise UserError(f"{problems[0]}; a card describes a whole run")
    curve = curves.read_run(directory)
    policy = load_policy(directory / run_directory.POLICY)
    settings = record.identity.config
    env, last = curve["env"].iloc[0], curve.iloc[-1]
    evaluations = curves.final_evaluations(len(curve))
    mean, sd = last["test_return_mean"], last["test_return_std"]
    body = _CARD.format(
        env=env, experiment=record.experiment, seed=record.seed, steps=record.steps,
        episodes=settings.get("num_test_episodes", "?"), mean=mean, sd=sd, last=evaluations,
        final=curve["test_return_mean"].tail(evaluations).mean(),
        obs_dim=len(policy.weights[0]), act_dim=len(policy.scale),
        hidden=", ".join(str(len(bias)) for bias in policy.biases[:-1]),
        configuration=_table({f"`{key}`": f"`{value}`" for key, value in settings.items()}),
        provenance=_table(_provenance(record)), again=_again(record),
    )  # fmt: skip
    metadata = yaml.safe_dump(_metadata(env, mean, sd), sort_keys=False, allow_unicode=True)
    return f"---\n{metadata}---\n\n{body}"


def _metadata(env: str, mean: float, sd: float) -> dict:
    """What the hub reads; a reward's form, mean +/- deviation, is that of its leaderboards."""
    return {
        "library_name": LIBRARY,
        "license": LICENCE,
        "pipeline_tag": TASK,
        "tags": [TASK, "deep-reinforcement-learning", "ddpg", env],
        "model-index": [
            {
                "name": "DDPG",
                "results": [
                    {
                        "task": {"type": TASK, "name": TASK},
                        "dataset": {"name": env, "type": env},
                        "metrics": [
                            {
                                "type": "mean_reward",
                                "value": f"{mean:.2f} +/- {sd:.2f}",
                                "name": "mean_reward",
                                "verified": False,
                            }
                        ],
                    }
                ],
            }
        ],
    }


def _provenance(record) -> dict[str, str]:
    machine = record.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    return {
        "code": str(machine.git or "not recorded"),
        "version of the arithmetic": str(record.arithmetic_version),
        "packages": f"python {machine.python}, {versions}",
        "processor": machine.cpu.model,
        "finished": f"{record.finished:%Y-%m-%d %H:%M %Z}",
        "SHA-256 of the weights": f"`{record.weights_sha256}`",
        "SHA-256 of policy.npz": f"`{record.files['policy.npz']}`",
    }


def _again(record) -> str:
    from ddpg.core import ARITHMETIC_VERSION

    if record.arithmetic_version == ARITHMETIC_VERSION:
        return _REPLAY.format(platform=record.identity.platform)
    return _OLD.format(current=ARITHMETIC_VERSION)


def _table(rows: dict[str, str]) -> str:
    lines = [f"| {key} | {value} |" for key, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])
