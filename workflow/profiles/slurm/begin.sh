# The shell of a SLURM job sources this file before it starts Snakemake.

# SLURM sends SIGTERM, and the warnings of `--signal`, to every process of a job. If one ended this
# shell or Snakemake, SLURM would kill the rest of the job before the training has saved. The training
# sets its own handlers, so it still receives them.
trap '' TERM USR1 USR2 XCPU

# The command that the plugin puts last in the job script, $0, is not always the right one:
# - It starts every task of an array as the array's first job. Snakemake then misses the files of that
#   job or, if the task fails, deletes them. So start each task as its own job; the commands of all but
#   the first are packed after it.
# - It runs the jobs of a group one after another. So run a group with Snakemake's local executor, which
#   runs them in parallel.
if [ -r "$0" ] && grep -qE -e '--slurm-jobstep-array-execs|--local-groupid' "$0"; then
    python=$(sed -nE 's/.* ([^ ]+) -m snakemake .*/\1/p' "$0")
    own=$("$python" - "$0" "${SLURM_ARRAY_TASK_ID:-}" <<'END'
import base64, json, re, sys, zlib
from pathlib import Path

script, task = Path(sys.argv[1]).read_text(), sys.argv[2]
command = re.search(r".* -m snakemake .*", script)[0]
if array := re.search(r"(.*)\s--slurm-jobstep-array-execs[=\s]+(\S+)", command):
    others = json.loads(base64.b64decode(array[2].strip("'")))
    command = zlib.decompress(bytes.fromhex(others[task])).decode() if task in others else array[1]
if "--local-groupid" in command:
    command = command.replace("--executor slurm-jobstep --jobs 1", "")
print(command)
END
    ) || exit 1
    exec sh -c "$own"
fi
