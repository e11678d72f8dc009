"""Disks that fill up, permissions that are lost and folders that go, in a training."""

import os
import shutil
import subprocess
import sys

import pytest

TINY = "enc_rnn_size=[2],dec_rnn_size=[2],z_size=2,batch_size=4"
PROGRAM = """
import os, shutil, sys
from pathlib import Path
from music_vae_tf.commands import music_vae_train, progress
from music_vae_tf.training import loop

fault, run_dir, *flags = sys.argv[1:]
train_dir = Path(run_dir) / "train"
filler = Path(run_dir) / "filler"
loop.SAVE_EVERY_S = 0
usual = progress.Progress.advance

def fill():
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass

FAULTS = {
    "full": (fill, filler.unlink),
    "permission": (lambda: train_dir.chmod(0o500), lambda: train_dir.chmod(0o700)),
    "removed": (lambda: shutil.rmtree(run_dir), lambda: None),
}
happen, mend = FAULTS[fault]

def advance(bar, *_, **__):
    usual(bar, *_, **__)
    if bar.title == "Training" and bar.done == 4:
        happen()

def train(steps):
    print("---", music_vae_train.run([*flags, f"--num_steps={steps}"]))
    sys.stdout.flush()
    print("---", file=sys.stderr, flush=True)

train(2)
progress.Progress.advance = advance
train(8)
progress.Progress.advance = usual
mend()
train(8)
print("left", sorted(os.listdir(train_dir)))
print("step", os.path.basename(
    __import__("music_vae_tf.checkpoint").checkpoint.latest(train_dir)
))
"""


def without_overriding():
    """What a command begins with so that permissions hold for the superuser too."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("the superuser writes everywhere, and setpriv is not here")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def on_a_small_disk(folder):
    """The same for a disk of two megabytes, mounted on a folder."""
    mount = f'mount -t tmpfs -o size=2m tmpfs "{folder}" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    if (
        os.geteuid()
        or subprocess.run([*command, "true"], capture_output=True).returncode
    ):
        pytest.skip("only the superuser mounts a small disk")
    return command


def faulty_training(fault, prefix, run_dir, records):
    flags = [
        "--config=groovae_4bar",
        f"--hparams={TINY}",
        f"--run_dir={run_dir}",
        f"--examples_path={records}",
        "--seed=1",
    ]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, fault, run_dir, *flags],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr.split("---\n")[1]


@pytest.mark.long  # test_leftovers.py has a full disk in short
@pytest.mark.parametrize("fault", ["full", "permission", "removed"])
def test_a_fault_is_named_and_the_last_checkpoint_trains_on(
    tmp_path, groove_records, fault, figure
):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    prefix = on_a_small_disk(run_dir) if fault == "full" else without_overriding()
    if fault == "removed":
        prefix = []
    printed, said = faulty_training(fault, prefix, str(run_dir), groove_records)
    codes = [line for line in printed.splitlines() if line.startswith("---")]
    assert codes == ["--- 0", "--- 1", "--- 0"], said
    assert "Traceback" not in said and "crash" not in said
    last = said.splitlines()[-1]
    assert str(run_dir) in last, last
    reasons = {
        "full": "space",
        "permission": "ermission",
        "removed": "was removed while",
    }
    assert reasons[fault] in last, last
    assert "step model.ckpt-8" in printed
    for leftover in (".unfinished", ".partial", "lock.json"):
        assert leftover not in printed
    figure(
        "A full disk, a lost permission or a removed run_dir ends a training by name; "
        "the last checkpoint trains on",
        f"{fault}: exit status 1, resumed to the end",
    )


@pytest.mark.long
@pytest.mark.parametrize("begun", [False, True], ids=["new", "resumed"])
def test_a_folder_that_is_read_only_is_named_and_stays_as_it_was(
    tmp_path, groove_records, begun, figure
):
    run_dir = tmp_path / "run"
    train_dir = run_dir / "train"
    train_dir.mkdir(parents=True)
    flags = ["--config=groovae_4bar", f"--hparams={TINY}", "--seed=1"]
    flags += [f"--run_dir={run_dir}", f"--examples_path={groove_records}"]
    command = [*without_overriding(), sys.executable, "-m"]
    command += ["music_vae_tf.commands.music_vae_train", *flags]
    if begun:
        subprocess.run([*command, "--num_steps=1"], check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in train_dir.iterdir()}
    train_dir.chmod(0o500)
    done = subprocess.run([*command, "--num_steps=3"], capture_output=True, text=True)
    train_dir.chmod(0o700)
    assert done.returncode == 1, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert f"{train_dir} cannot be written to: Permission denied" in done.stderr
    assert {path.name: path.read_bytes() for path in train_dir.iterdir()} == before
    figure(
        "A folder that is read-only is refused by name before anything is read",
        f"run_dir {'of a training' if begun else 'that is new'}: exit status 1, "
        "unchanged",
    )
