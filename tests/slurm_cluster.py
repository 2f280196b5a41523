"""A real Slurm cluster of one node on this machine: its daemons listen on the loopback interface alone."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from servers import free_port

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "scontrol")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_CONFIG = """\
ClusterName=qlit
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
KillWait=15
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class SlurmCluster:
    """A cluster of this machine as its only node, with 8 CPUs, however many there are.

    Args:
        settings: Further lines of slurm.conf.
    """

    def __init__(self, *settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qlit-slurm-"))  # a short path, for the socket of munged
        self.folder.chmod(0o755)
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.config = self.folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        ports = {"controller_port": free_port(), "node_port": free_port()}
        text = _CONFIG.format(host=host, folder=self.folder, **ports)
        self.config.write_text("\n".join([text, *settings, ""]))
        self.environment = {"SLURM_CONF": str(self.config)}
        munge = [f"--{name}={self.folder}/munge/{name.partition('-')[0]}"
                 for name in ("key-file", "socket", "pid-file", "log-file", "seed-file")]  # fmt: skip
        self._daemons = [
            self._start("munged", "--foreground", *munge),
            self._start("slurmctld", "-D", "-i"),
            self._start("slurmd", "-D", "-N", host),
        ]
        deadline = time.monotonic() + 60
        while self.said("sinfo", "--noheader", "--format=%T") != "idle":
            assert time.monotonic() < deadline, self._logs()
            time.sleep(0.2)

    @staticmethod
    def missing() -> str:
        """Why there can be none here; empty if there can."""
        if absent := [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]:
            return f"no Slurm on this machine ({absent[0]}; Debian has slurm-wlm and munge)"
        return "" if os.geteuid() == 0 else "Slurm's daemons are started by root alone"

    def said(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """State of a job, or of a task of an array (`12_3`), with its exit status: "COMPLETED 0"."""
        shown = self.said("scontrol", "--oneliner", "show", "job", job).splitlines()
        words = dict(word.split("=", 1) for word in shown[0].split() if "=" in word) if shown else {}
        return f"{words.get('JobState', 'UNKNOWN')} {words.get('ExitCode', '').partition(':')[0]}"

    def wait(self, job: str, *states: str, timeout_s: float = 240) -> str:
        """Wait until a job is in one of these states, or has ended; return its state with the exit status."""
        deadline = time.monotonic() + timeout_s
        ends = states or ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        while (state := self.state(job)).split()[0] not in ends:
            assert time.monotonic() < deadline, f"{job} is {state}\n{self._logs()}"
            time.sleep(0.3)
        return state

    def stop(self) -> None:
        self.said("scancel", "--quiet", f"--user={os.getuid()}")
        time.sleep(1)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self._daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        program = shutil.which(name, path=_PATH)
        assert program is not None
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [program, *arguments],
                env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def _logs(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))
