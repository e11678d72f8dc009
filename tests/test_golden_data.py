"""The golden data themselves: complete, small, and compared with a copy."""

import importlib.util
import json
import shutil

import golden_data
import numpy as np
import pytest
from magenta_configs import MAGENTA

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def compare():
    path = golden_data.COMPACT / "compare.py"
    spec = importlib.util.spec_from_file_location("compare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_repository_holds_all_configs_in_six_megabytes():
    assert golden_data.Golden().models() == sorted(MAGENTA)
    files = [path for path in golden_data.COMPACT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6 * MEGABYTE


def test_no_number_is_trivial():
    """Arrays of zeros would let much pass."""
    for name in sorted(MAGENTA):
        _, arrays = golden_data.Golden().model(name)
        for key in ("full/mu", "full/sigma", "full/r_loss", "decode/samples"):
            assert np.isfinite(arrays[key]).all(), (name, key)
            assert np.ptp(arrays[key]) > 0, (name, key)


def test_each_difference_between_two_folders_is_named(compare, tmp_path):
    copy = shutil.copytree(golden_data.COMPACT, tmp_path / "copy")
    shutil.rmtree(copy / "midi")
    one = next(iter((copy / "models").iterdir()))
    manifest = json.loads((one / "manifest.json").read_text())
    manifest["logits_time_stride"] += 1
    (one / "manifest.json").write_text(json.dumps(manifest))
    with np.load(one / "arrays.npz") as arrays:
        changed = {**arrays, "z": arrays["z"] + 0.1}
    np.savez(one / "arrays.npz", **changed)
    found = list(compare.differences(golden_data.COMPACT, copy))
    lost = [line for line in found if line.endswith("only in one folder")]
    assert lost and all(line.startswith("midi/") for line in lost)
    assert set(found) - set(lost) == {
        f"models/{one.name}/arrays.npz: z differs",
        f"models/{one.name}/manifest.json: /logits_time_stride differs",
    }
