"""The arithmetic of DDPG. With the kernels that `ddpg.kernels` pins, it determines a run's bytes.

No module here reads or writes files, prints, locks or parses. If a change here alters bytes, raise
ARITHMETIC_VERSION: `tests/portable` compares golden digests and fails otherwise.
"""

# Two runs have equal bytes if their configuration, seed, exact packages and this number are equal.
# 1: products by the processor's own kernels (revisions up to 2b12505).
# 2: products summed in a fixed order, kernels pinned, exploration noise drawn as float64.
ARITHMETIC_VERSION = 2
