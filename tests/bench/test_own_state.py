"""A state folder of one's own: whatever hosts it holds at its end have left before it is removed."""

import os
import signal
import subprocess
import sys

from eucentric.bench.own_state import end_hosts, own_state
from eucentric.core.stop import list_hosts, locked
from eucentric.instruments.launch import connect

URI = "twin://mxene?seed=1"


def test_hosts_have_left_before_the_folder_goes(monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", "/the/user/s")
    with own_state() as folder:
        connect(URI).close()
        (host,) = list_hosts()
        os.kill(host.pid, signal.SIGTERM)  # it is leaving while the folder is closed
    assert not folder.exists()
    assert os.environ["EUCENTRIC_STATE"] == "/the/user/s"


def test_one_that_does_not_leave_in_time_is_killed(monkeypatch):
    monkeypatch.setattr("eucentric.bench.own_state._LEAVE_S", 0.05)
    with own_state() as folder:
        connect(URI).close()
        (host,) = list_hosts()
        os.kill(host.pid, signal.SIGSTOP)
        end_hosts(folder / "s")
        assert not locked(host.lock)


def test_a_lock_without_an_info_file_is_waited_for():
    """A host removes its info file first and frees its lock last."""
    hold = "import fcntl, sys, time; f=open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(.3)"
    with own_state() as folder:
        lock = folder / "s" / "hosts" / "a.lock"
        lock.parent.mkdir(parents=True)
        leaving = subprocess.Popen([sys.executable, "-S", "-c", hold, str(lock)], stdout=subprocess.PIPE)
        leaving.stdout.readline()
        assert locked(lock)
        end_hosts(folder / "s")
        assert not locked(lock)
    leaving.stdout.close()
    leaving.wait()
