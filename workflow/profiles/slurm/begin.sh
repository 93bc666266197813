# The shell of a SLURM job sources this file before it starts Snakemake.

# SLURM sends SIGTERM, and the warnings of `--signal`, to every process of a job. If one ended this
# shell or Snakemake, SLURM would kill the rest of the job before the training has saved. The training
# sets its own handlers, so it still receives them.
trap '' TERM USR1 USR2 XCPU

# Snakemake's plugin starts every task of an array as the array's first job. It then misses the files
# of that job or, if the task fails, deletes them. So start each task as its own job: the command of
# the first job is a line of the job script, $0, and those of the others are packed after it.
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ] && [ -r "$0" ]; then
    python=$(sed -nE 's/.* ([^ ]+) -m snakemake .*/\1/p' "$0")
    own=$("$python" - "$0" "$SLURM_ARRAY_TASK_ID" <<'END'
import base64, json, re, sys, zlib
from pathlib import Path

script, task = Path(sys.argv[1]).read_text(), sys.argv[2]
first, packed = re.search(r"(.* -m snakemake .*)\s--slurm-jobstep-array-execs[=\s]+(\S+)", script).groups()
others = json.loads(base64.b64decode(packed.strip("'")))
print(zlib.decompress(bytes.fromhex(others[task])).decode() if task in others else first)
END
    ) || exit 1
    exec sh -c "$own"
fi
