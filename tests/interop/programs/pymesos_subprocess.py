"""pymesos.subprocess, a whole framework of others: processes on the cluster.

MESOS_MASTER=HOST:PORT python pymesos_subprocess.py

Its scheduler and its executor pass pickles, sockets and signals to each other, as
task data, update data and messages. Exits 0 if all went as expected.
"""

import os
import signal

import pymesos.subprocess.popen as popen
from pymesos.subprocess import PIPE, Popen

# Of all its code only this line is of Python 2: a text where bytes belong.
popen.Redirector._wakeup = lambda self: os.write(self._wakeup_fd, b"\0")

SMALL = {"cpus": 0.1, "mem": 32}


def main():
    lines = [["sh", "-c", f"echo out {n}; exit {n}"] for n in range(3)]
    processes = [Popen(line, stdout=PIPE, **SMALL) for line in lines]
    for number, process in enumerate(processes):
        output, _ = process.communicate()
        assert output == b"out %d\n" % number, output
        assert process.returncode == number
    sleeper = Popen(["sleep", "100"], **SMALL)
    sleeper.terminate()  # a message to the executor
    assert sleeper.wait() == -signal.SIGTERM
    print("PASS")


main()
