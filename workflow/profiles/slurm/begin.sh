# What the shell of a SLURM job reads before it starts Snakemake.

# SIGTERM goes to every process of a job, and so do the warnings that `--signal` asks for. If this
# shell or a Snakemake ended of one, SLURM would kill what is left of the job before the training,
# which takes them all the same, has saved.
trap '' TERM USR1 USR2 XCPU

# Snakemake's plugin starts every task of an array as the array's first job, of which it then misses
# or, if the task fails, deletes the files. So start each task as its own job: the command of the
# first is a line of the job's script, $0, and those of the others are packed behind it.
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
