"""Claims: statements of a paper or of notes about groups of a comparison, read from a YAML file.

`workflow/schemas/claims.schema.yaml` describes the file, `ddpg.analysis.judging` tests each claim
against the data. Nothing here needs more than the configuration, so a wrong claim is found before
anything is trained.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddpg import config
from ddpg.errors import UserError
from ddpg.files import encode_file_name

SCHEMA = config.SCHEMA.with_name("claims.schema.yaml")

# The quantities of two groups: such a claim needs `against`, any other must not have it.
OF_TWO_GROUPS = ("difference", "effect_size", "seeds_to_settle", "probability_of_improvement")


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement about the group `group` of `comparison`, and what must be measured if it holds.

    The data agrees where `quantity`, of two groups `against` another one, lies in [`low`, `high`];
    `test` says whether its value or its whole interval must.
    """

    statement: str
    source: str
    comparison: str
    group: str
    quantity: str
    low: float
    high: float
    test: str = "value"
    against: str | None = None


def read_claims(settings: Mapping[str, Any], root: Path | str = ".") -> tuple[Claim, ...]:
    """Read the file that `claims:` of the configuration names; no claims where it names none.

    No claims if the configuration has no comparisons. The path is relative to `root`. Raises
    UserError with one line for a file that is missing, is not YAML or violates the schema, and for
    a comparison or group that the configuration does not have.
    """
    if "claims" not in settings or not settings["comparisons"]:
        return ()
    path = Path(root, encode_file_name(settings["claims"]))
    if not path.exists():
        raise UserError(f"claims: {path}: no such file; correct the path or remove `claims`")
    content = config.read_with_schema(path, SCHEMA, "a file of claims; it needs `claims:`")
    return tuple(
        _make_claim(claim, settings["comparisons"], f"{path}: claims.{position}")
        for position, claim in enumerate(content["claims"])
    )


def _make_claim(claim: dict[str, Any], comparisons: Mapping[str, Any], where: str) -> Claim:
    name = claim["comparison"]
    if name not in comparisons:
        raise UserError(
            f"{where}.comparison: the configuration has no comparison {name!r}; there are: "
            f"{', '.join(comparisons)}; rename it or remove the claim"
        )
    declared = comparisons[name]
    groups = [*declared["experiments"], *declared.get("references", {})]
    for key in ("group", "against"):
        if key in claim and claim[key] not in groups:
            raise UserError(
                f"{where}.{key}: the comparison {name} has no group {claim[key]!r}; there are: "
                f"{', '.join(groups)}"
            )
    quantity = claim["quantity"]
    if (quantity in OF_TWO_GROUPS) != ("against" in claim):
        problem = (
            "needs `against`, the other group"
            if quantity in OF_TWO_GROUPS
            else ("is about one group; remove `against`")
        )
        raise UserError(f"{where}: {quantity} {problem}")
    low, high = _read_range(claim["expected"], f"{where}.expected")
    kept = {field.name for field in dataclasses.fields(Claim)} & claim.keys()
    return Claim(low=low, high=high, **{key: claim[key] for key in kept})


def _read_range(expected: dict[str, float], where: str) -> tuple[float, float]:
    low, high = expected.get("at_least", -math.inf), expected.get("at_most", math.inf)
    if math.isinf(low) and math.isinf(high):
        raise UserError(f"{where}: give `at_least`, `at_most` or both")
    if low > high:
        raise UserError(f"{where}: at_least {low:g} is above at_most {high:g}")
    slack = expected.get("slack", 0.0)
    return (
        low - slack * abs(low) if math.isfinite(low) else low,
        high + slack * abs(high) if math.isfinite(high) else high,
    )
