"""A private one-node SLURM (munge, slurmctld, slurmd) that lasts one test session."""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

# The node reports more processors than it has, so that all jobs of a test run at once. As on a real
# cluster, a job over its memory request is killed, and signals reach all processes of a job.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={directory}/munge.sock,cred_expire=10
StateSaveLocation={directory}/slurmctld
SlurmdSpoolDir={directory}/slurmd
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MinJobAge=600
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=32000 Gres=gpu:2 State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=10 State=UP
EnforcePartLimits=ALL
"""
# Two simulated GPUs: devices that exist on every machine.
GPUS = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


class Cluster:
    """The daemons, with all their files in `directory`, and the client commands."""

    def __init__(self, directory: Path):
        self.directory = directory
        host = socket.gethostname().split(".")[0]
        with socket.socket() as one, socket.socket() as other:
            for free in (one, other):
                free.bind(("127.0.0.1", 0))
            ports = [free.getsockname()[1] for free in (one, other)]
        (directory / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=host, ports=ports, user=getpass.getuser(), directory=directory
            )
        )
        (directory / "gres.conf").write_text(GPUS)
        for name in ("slurmctld", "slurmd", "bin"):
            (directory / name).mkdir()
        key = directory / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        # SLURM_CONF names the configuration, which is not in /etc/slurm. Snakemake's job step
        # unsets all SLURM variables before it calls `srun`, so this wrapper sets that one again.
        srun = directory / "bin/srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={directory}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(directory / "slurm.conf"),
            "PATH": f"{directory}/bin{os.pathsep}{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Start the daemons and wait until the node accepts jobs."""
        munge = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid"}
        munge |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        files = [f"--{option}={self.directory / name}" for option, name in munge.items()]
        self.ask("munged", "--force", *files)
        self.ask("slurmctld")
        self.ask("slurmd")
        deadline = time.monotonic() + 30
        while self.ask("sinfo", "--noheader", "--format=%t", check=False).strip() != "idle":
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def stop(self) -> None:
        """Cancel all jobs and stop the daemons."""
        self.ask("scancel", f"--user={getpass.getuser()}", check=False)
        deadline = time.monotonic() + 40
        while self.ask("squeue", "--noheader", check=False) and time.monotonic() < deadline:
            time.sleep(0.1)
        for name in ("slurmd", "slurmctld", "munged"):
            file = self.directory / f"{name}.pid"
            pid = int(file.read_text()) if file.exists() else 0
            while pid and Path(f"/proc/{pid}").exists() and time.monotonic() < deadline + 10:
                os.kill(pid, signal.SIGTERM)
                time.sleep(0.1)

    def ask(self, *command: str, check: bool = True) -> str:
        """Run one of SLURM's programs; returns its output."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, timeout=20, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.stdout}{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """The daemons' logs."""
        return "".join(path.read_text() for path in self.directory.glob("*.log"))
