"""`card`: a model card of a run's policy, with the metadata that Hugging Face's hub reads."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import yaml

from ddpg.runs.directory import POLICY, RunDirectory
from ddpg.runs.record import RunRecord

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
| mean return over the last {last:,.0f} steps | {final:,.1f} |
| observations, actions | {obs_dim}, {act_dim} |
| hidden layers | {hidden} |

## Use

`policy.npz` holds the weights and biases of each layer (`weight_0`, `bias_0`, ...; relu between
layers), and `scale` and `offset`, which map the last layer's tanh to the bounds of the actions.

```python
from ddpg import api

policy = api.load_policy("policy.npz")
action = policy(observation)  # float32 ({act_dim},) for an observation ({obs_dim},)
returns = api.evaluate("policy.npz", episodes=10)  # needs config.json beside it
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


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write it to this file (default: print it)"
    )


def run(options: Namespace) -> None:
    """Print or write the card; UserError for a run that is not finished, or damaged."""
    from ddpg.files import write_text

    text = format_card(options.run)
    if options.output is None:
        print(text, end="")
        return
    write_text(options.output, text)
    print(options.output)


def format_card(directory: Path) -> str:
    """The card of the run in `directory`: metadata in YAML, then Markdown."""
    from ddpg.analysis import curves
    from ddpg.analysis.groups import measure_runs
    from ddpg.runs.policy_file import load_policy

    run = RunDirectory(directory)
    record = run.read_undamaged()
    curve = curves.read_run(directory)
    policy = load_policy(run.policy_path)
    settings = record.identity.config
    env, last = curve["env"].iloc[0], curve.iloc[-1]
    final = measure_runs(curve)
    mean, sd = last["test_return_mean"], last["test_return_std"]
    body = _CARD.format(
        env=env, experiment=record.experiment, seed=record.seed, steps=record.steps,
        episodes=settings.get("num_test_episodes", "?"), mean=mean, sd=sd,
        last=final.window.end - final.window.start, final=final.moments.mean,
        obs_dim=len(policy.weights[0]), act_dim=len(policy.scale),
        hidden=", ".join(str(len(bias)) for bias in policy.biases[:-1]),
        configuration=_format_table({f"`{key}`": f"`{value}`" for key, value in settings.items()}),
        provenance=_format_table(_describe_provenance(record)), again=_explain_replay(record),
    )  # fmt: skip
    metadata = yaml.safe_dump(_make_metadata(env, mean, sd), sort_keys=False, allow_unicode=True)
    return f"---\n{metadata}---\n\n{body}"


def _make_metadata(env: str, mean: float, sd: float) -> dict:
    """What the Hub reads.

    The reward is written as mean +/- standard deviation, as the Hub's leaderboards require.
    """
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


def _describe_provenance(record: RunRecord) -> dict[str, str]:
    return {
        "code": record.describe_revision(),
        "version of the arithmetic": str(record.arithmetic_version),
        "packages": record.describe_packages(),
        "processor": record.machine.cpu.model,
        "finished": f"{record.finished:%Y-%m-%d %H:%M %Z}",
        "SHA-256 of weights and optimiser state": f"`{record.weights_sha256}`",
        "SHA-256 of policy.npz": f"`{record.files[POLICY]}`",
    }


def _explain_replay(record: RunRecord) -> str:
    from ddpg.core import ARITHMETIC_VERSION

    if record.arithmetic_version == ARITHMETIC_VERSION:
        return _REPLAY.format(platform=record.identity.platform)
    return _OLD.format(current=ARITHMETIC_VERSION)


def _format_table(rows: dict[str, str]) -> str:
    lines = [f"| {key} | {value} |" for key, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])
