"""What one process of a run of the tests makes, and the others take."""

import fcntl
import os
import shutil


def made_once(tmp_path_factory, name, make):
    """The folder of this name, which `make(folder)` has filled in one of the processes.

    The others wait until it is whole. All share it, so no test may change it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of the whole run; each worker has a folder in it
    folder, whole = base / f"once-{name}", base / f"once-{name}.whole"
    with open(base / f"once-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back by the system if a worker dies
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder
