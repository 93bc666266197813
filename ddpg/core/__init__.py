"""The arithmetic of DDPG: everything that determines the bytes of a run, and nothing else.

No module here reads or writes files, prints, locks or parses. A change here that changes bytes
must raise ARITHMETIC_VERSION; `tests/portable` holds the golden digests that notice it.
"""

# Two runs have equal bytes if their configuration, seed, exact packages and this number are equal.
# 1: products by the processor's own kernels (revisions up to 2b12505).
# 2: products summed in a fixed order, kernels pinned, exploration noise drawn as float64.
ARITHMETIC_VERSION = 2
