"""disturb_decoder.py HOW COMMAND... - run a command and provoke, in the process that decodes for it, a crash, a
hang or a want of memory. Exits as the command does; 99 when no such process was caught."""
import os
import resource
import signal
import subprocess
import sys
import time


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += map(int, f.read().split())
    except OSError:
        pass
    return found


def decodes(pid):
    """It has its alarm, and so its limits too: the recording is open, or will be next."""
    try:
        with open(f"/proc/{pid}/status") as f:
            caught = next(line for line in f if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return int(caught.split()[1], 16) >> (signal.SIGALRM - 1) & 1


def catch(command):
    """The command's child starts those that decode; the first of them, stopped."""
    while command.poll() is None:
        for server in children(command.pid):
            for worker in children(server):
                if decodes(worker):
                    os.kill(worker, signal.SIGSTOP)
                    return worker
        time.sleep(0.0005)
    return None


how = sys.argv[1]
command = subprocess.Popen(sys.argv[2:])
worker = catch(command)
if not worker:
    command.wait()
    sys.exit(99)
if how == "memory":  # as much as it has now, and a little
    with open(f"/proc/{worker}/statm") as f:
        taken = int(f.read().split()[0]) * resource.getpagesize()
    resource.prlimit(worker, resource.RLIMIT_AS, (taken + (1 << 20), taken + (1 << 20)))
os.kill(worker, {"crash": signal.SIGSEGV, "hang": signal.SIGALRM, "memory": signal.SIGCONT}[how])
os.kill(worker, signal.SIGCONT)
sys.exit(command.wait())
