"""music_vae_evaluate: a table of reconstruction metrics, a column for each model."""

import re

import pytest

from music_vae_tf.commands import music_vae_evaluate as command

FLAT, HIERARCHICAL = "groovae_4bar", "hierdec-groove_4bar_small"
TOKENS = "musicvae_groove_tokens_small"
MODES = ("teacher-forced", "autoregressive")


def evaluate(run_dir, records, **flags):
    values = {"run_dir": run_dir, "examples_path": records, **flags}
    return command.run([f"--{k}={v}" for k, v in values.items() if v is not None])


def table(text):
    """`{name of a row: its cells}` of the Markdown table in a text."""
    lines = [line.strip("|\n ").split(" | ") for line in text.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}


def test_flat_and_hierarchical_stand_side_by_side(trained, groove_records, capsys):
    run_dirs = f"{trained(FLAT)},{trained(HIERARCHICAL)}"
    assert evaluate(run_dirs, groove_records, batch_size=5) == 0
    rows = table(capsys.readouterr().out)
    assert rows["config"] == [FLAT, HIERARCHICAL]
    assert rows["step"] == ["2", "2"]
    assert rows["examples"] == ["12", "12"]
    accuracies = (
        "hit accuracy",
        "hit F1",
        "velocity accuracy within 0.1",
        "onset offset accuracy within 0.1",
    )
    for name in accuracies:
        for mode in MODES:
            assert all(re.fullmatch(r"\d+\.\d %", x) for x in rows[f"{name}, {mode}"])
    for name in (
        "reconstruction loss, nats",
        "KL, bits",
        "onset offset MAE, in steps, teacher-forced",
    ):
        assert all(float(cell) >= 0 for cell in rows[name])
    losses = [f"{group} loss per step" for group in ("hits", "velocities", "offsets")]
    for column in range(2):
        of_a_step = sum(float(rows[name][column]) for name in losses)
        whole = float(rows["reconstruction loss, nats"][column])
        assert whole == pytest.approx(64 * of_a_step, abs=0.2)
    assert all(re.fullmatch(r"[0-3] of 3", cell) for cell in rows["active units"])


def test_the_same_seed_gives_the_same_numbers(trained, groove_records, capsys):
    for seed in (1, 1, 2):
        assert evaluate(trained(FLAT), groove_records, seed=seed) == 0
    one, twin, other = capsys.readouterr().out.split("| | ")[1:]
    assert one == twin != other


def test_tokens_are_counted_by_kind(trained, groove_records, capsys):
    assert evaluate(trained(TOKENS), groove_records) == 0
    rows = table(capsys.readouterr().out)
    kinds = ["token", *(f"{k} token" for k in ("Bar", "Pitch", "Position", "Velocity"))]
    assert [f"{kind} accuracy, {mode}" for kind in kinds for mode in MODES] == [
        name for name in rows if "token accuracy" in name
    ]


def test_a_checkpoint_by_its_name(trained, groove_records, capsys):
    prefix = trained(FLAT) / "train" / "model.ckpt-0"
    hparams = trained(FLAT) / "train" / "config.yaml"
    flags = {"checkpoint_file": prefix, "config": hparams}
    assert evaluate(None, groove_records, **flags) == 0
    assert table(capsys.readouterr().out)["step"] == ["0"]


@pytest.mark.parametrize(
    "flags, words",
    [
        ({"run_dir": "a,a"}, "--run_dir=a,a: a run directory is given twice"),
        ({"run_dir": "a,b", "config": FLAT}, "leave out --config"),
        ({"run_dir": "/nowhere"}, "--run_dir=/nowhere: there is no such directory"),
        ({"run_dir": None}, "name a model: --config plays its pretrained model"),
        ({"temperature": 0}, "--temperature=0.0: expected a number above 0"),
        ({"examples_path": "/nowhere"}, "no file matches /nowhere"),
    ],
)
def test_what_makes_no_sense_is_told(trained, groove_records, capsys, flags, words):
    values = {"run_dir": trained(FLAT), "examples_path": groove_records, **flags}
    assert evaluate(values.pop("run_dir"), values.pop("examples_path"), **values) == 1
    assert words in capsys.readouterr().err
