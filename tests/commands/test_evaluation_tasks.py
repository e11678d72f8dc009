"""music_vae_evaluate --task: models and baselines beside the drummers."""

import json

import pytest

from music_vae_tf.analysis import two_sample
from music_vae_tf.commands import music_vae_evaluate as command

HUMANIZE, INFILL = "groovae_2bar_humanize", "groovae_2bar_add_closed_hh"
WITHOUT_MODEL = "groovae_2bar_tap_fixed_velocity_note_dropout"  # no pretrained one
FLAT = "groovae_4bar"
BASELINES = ["quantised", "mean", "histogram draw", "10 nearest"]
FIELDS = ["task", "metric", "unit", "drum_class", "model", "value", "low", "high"]


def evaluate(records, *switches, **flags):
    values = {"examples_path": records, **flags}
    return command.run([*switches, *(f"--{k}={v}" for k, v in values.items())])


def table(text):
    """`{(metric, model): cell}` of the Markdown table in a text."""
    lines = [
        line.strip("|\n ").split(" | ") for line in text.splitlines() if "|" in line
    ]
    models = lines[0]
    return {
        (cells[0], model): cell
        for cells in lines[2:]
        for model, cell in zip(models, cells[1:])
    }


def test_humanize_is_measured_beside_baselines(
    trained, groove_records, tmp_path, capsys
):
    path = tmp_path / "rows.json"
    flags = {"training_path": groove_records, "output_json": path}
    run_dir = trained(HUMANIZE)
    assert evaluate(groove_records, task="humanize", run_dir=run_dir, **flags) == 0
    cells = table(capsys.readouterr().out)
    models = [f"{HUMANIZE}, mode", f"{HUMANIZE}, sample", *BASELINES]
    assert {model for _, model in cells} >= {*models}
    rows = json.loads(path.read_text())
    assert all(list(row) == FIELDS and row["task"] == "humanize" for row in rows)
    figures = {(r["metric"], r["drum_class"], r["model"]): r for r in rows}
    metrics = {row["metric"] for row in rows}
    assert "hits_f1" not in metrics
    assert {"timing_mae", "velocity_kl_pooled", "two_sample_auc_network"} <= metrics
    for model in models:
        mae = figures["velocity_mae", "all", model]
        assert mae["unit"] == "MIDI velocity"
        assert 0 <= mae["low"] <= mae["value"] <= mae["high"] <= 127
        assert ("velocity_mae", "kick", model) in figures
    # The baseline of one neighbour would be the window itself.
    nearest = figures["velocity_mae", "all", "10 nearest"]["value"]
    assert nearest < figures["velocity_mae", "all", "quantised"]["value"]
    grid = figures["offset_autocorrelation", "all", "quantised"]
    assert (grid["value"], grid["low"]) == (None, None)
    assert figures["offset_autocorrelation", "all", "drummers"]["value"] is not None


def test_other_tasks_are_measured_by_their_hits_too(trained, groove_records, tmp_path):
    path = tmp_path / "rows.json"
    flags = {"task": "reconstruct", "run_dir": trained(FLAT), "output_json": path}
    switches = ["--notwo_sample_test", "--decoding=sample"]
    assert evaluate(groove_records, *switches, **flags) == 0
    rows = json.loads(path.read_text())
    measured = {row["drum_class"] for row in rows if row["metric"] == "hits_f1"}
    assert measured >= {"all", "kick", "snare", "crash"}
    assert {row["model"] for row in rows} == {f"{FLAT}, sample", "drummers"}
    assert not any(row["metric"].startswith("two_sample") for row in rows)


def test_infilling_is_measured_on_the_drum_that_is_filled_in(groove_records, tmp_path):
    path = tmp_path / "rows.json"
    flags = {"task": "infill", "config": INFILL, "training_path": groove_records}
    switches = ["--notwo_sample_test", f"--output_json={path}"]
    assert evaluate(groove_records, *switches, **flags) == 0
    rows = json.loads(path.read_text())
    assert {row["drum_class"] for row in rows} == {"all", "closed hi-hat"}


def test_baselines_alone_need_no_model(groove_records, capsys):
    flags = {
        "task": "tap2drum",
        "config": WITHOUT_MODEL,
        "training_path": groove_records,
    }
    assert evaluate(groove_records, "--notwo_sample_test", neighbours=1, **flags) == 0
    cells = table(capsys.readouterr().out)
    # A training window is its own nearest neighbour.
    cell = cells["velocity_mae, MIDI velocity", "1 nearest"]
    assert float(cell.split()[0]) < 10


def test_two_models_stand_side_by_side(trained, groove_records, tmp_path, capsys):
    other = tmp_path / "other"
    other.symlink_to(trained(HUMANIZE))
    run_dirs = f"{trained(HUMANIZE)},{other}"
    switches = ["--notwo_sample_test", "--decoding=mode"]
    assert evaluate(groove_records, *switches, task="humanize", run_dir=run_dirs) == 0
    cells = table(capsys.readouterr().out)
    one, twin = (
        cells["timing_mae, ms", f"{name}, mode"] for name in run_dirs.split(",")
    )
    assert one == twin


def test_a_config_alone_measures_its_pretrained_model(groove_records, capsys):
    switches = ["--notwo_sample_test", "--decoding=mode"]
    assert evaluate(groove_records, *switches, task="humanize", config=HUMANIZE) == 0
    said = capsys.readouterr()
    assert "Pretrained model groovae_2bar_humanize" in said.err
    assert f"{HUMANIZE}, mode" in said.out or f"| {HUMANIZE}" in said.out


def drums_at(path, *pitches):
    """A TFRecord file of two bars in which these pitches sound on each quarter."""
    from note_seq.protobuf.music_pb2 import NoteSequence

    from music_vae_tf.data.records import records_writer

    sequence = NoteSequence(ticks_per_quarter=220, total_time=4.0)
    sequence.tempos.add(qpm=120)
    for quarter in range(8):
        for pitch in pitches:
            start = quarter / 2
            sequence.notes.add(
                pitch=pitch,
                velocity=80,
                start_time=start,
                end_time=start + 0.1,
                is_drum=True,
                instrument=9,
            )
    with records_writer(path) as write:
        write(sequence.SerializeToString())
    return path


def test_drums_that_the_config_lacks_are_counted(trained, tmp_path, capsys):
    records = drums_at(tmp_path / "odd.tfrecord", 36, 33)
    flags = {"task": "humanize", "run_dir": trained(HUMANIZE)}
    assert evaluate(records, "--notwo_sample_test", **flags) == 0
    assert "8 notes are of drums" in capsys.readouterr().err


def test_without_scikit_learn_the_error_says_what_to_install(
    groove_records, monkeypatch, capsys
):
    def missing():
        raise two_sample.NoClassifiers("pip install 'music_vae_tf[evaluate]'")

    monkeypatch.setattr(two_sample, "require_library", missing)
    flags = {"task": "humanize", "config": HUMANIZE, "training_path": groove_records}
    assert evaluate(groove_records, **flags) == 1
    assert "music_vae_tf[evaluate]" in capsys.readouterr().err


def test_a_task_that_does_not_fit_names_those_it_fits(trained, groove_records, capsys):
    assert evaluate(groove_records, task="infill", run_dir=trained(HUMANIZE)) == 1
    error = capsys.readouterr().err
    assert "does not fit config groovae_2bar_humanize" in error
    assert f"it fits {INFILL}" in error


def test_a_split_without_windows_says_what_it_has(trained, tmp_path, capsys):
    records = drums_at(tmp_path / "odd.tfrecord", 33)
    assert evaluate(records, task="humanize", run_dir=trained(HUMANIZE)) == 1
    error = capsys.readouterr().err
    assert "no window of 2 bars in 4/4 to measure humanize on" in error
    assert "8 x notes of unmapped drum pitch 33" in error


@pytest.mark.parametrize(
    "flags, words",
    [
        ({"output_json": "x.json", "run_dir": "a"}, "--output_json is for tasks"),
        ({"neighbours": 3, "run_dir": "a"}, "--neighbours is for tasks"),
        ({"task": "humanize"}, "give --run_dir, --checkpoint_file, or the --config"),
        ({"task": "tap2drum", "config": WITHOUT_MODEL}, "and --training_path"),
        ({"task": "humanize", "run_dir": "/nowhere"}, "there is no such directory"),
    ],
)
def test_flags_that_do_not_go_together(flags, words, groove_records, capsys):
    assert evaluate(groove_records, **flags) in (1, 2)
    assert words in capsys.readouterr().err


# Samples from the prior


def test_samples_are_measured_beside_the_examples(
    trained, groove_records, tmp_path, capsys
):
    path = tmp_path / "rows.json"
    flags = {"run_dir": trained(FLAT), "num_samples": 5, "batch_size": 4}
    flags |= {"training_path": groove_records, "output_json": path}
    assert evaluate(groove_records, task="samples", **flags) == 0
    cells = table(capsys.readouterr().out)
    assert ("density_mean, notes per quarter", FLAT) in cells
    rows = json.loads(path.read_text())
    assert all(list(row) == FIELDS and row["task"] == "samples" for row in rows)
    models = {row["model"].split(" (")[0] for row in rows}
    assert models == {FLAT, "halves of the examples", "examples"}
    figures = {(row["metric"], row["model"]): row["value"] for row in rows}
    assert 0 <= figures["silent", FLAT] <= 100
    assert figures["copies_of_training", FLAT] in (None, 0)
    assert 0 < figures["positions_total_variation", "halves of the examples"] < 0.5


def test_samples_of_one_seed_give_one_table(trained, groove_records, capsys):
    tables = []
    for _ in range(2):
        flags = {"run_dir": trained(FLAT), "num_samples": 3, "seed": 5}
        assert evaluate(groove_records, task="samples", **flags) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"task": "samples", "decoding": "mode"}, "--decoding is not for --task=sampl"),
        ({"task": "samples", "num_samples": 1}, "--num_samples=1"),
        ({"task": "reconstruct", "num_samples": 9}, "--num_samples is for --task=samp"),
        ({"num_samples": 9}, "--num_samples is for tasks"),
        ({"task": "samples", "output_json": "."}, "--output_json=.: a folder"),
    ],
)
def test_flags_that_do_not_fit_samples_are_refused(
    trained, groove_records, capsys, flags, words
):
    assert evaluate(groove_records, run_dir=trained(FLAT), **flags) not in (0, None)
    assert words in capsys.readouterr().err


def test_samples_need_a_config_without_controls(groove_records, tmp_path, capsys):
    """Chords have to be given."""
    from untrained_runs import untrained_run

    run_dir = untrained_run(tmp_path, "cat-mel_2bar_med_chords")
    assert evaluate(groove_records, task="samples", run_dir=run_dir) == 1
    assert "samples for given chords" in capsys.readouterr().err


def test_samples_of_models_that_read_music_alike_share_the_examples(
    trained, groove_records, tmp_path, capsys
):
    """Also of a run directory whose name is that of the column."""
    from untrained_runs import untrained_run

    examples = tmp_path / "examples"
    examples.symlink_to(trained(FLAT))
    run_dirs = f"{trained(FLAT)},{examples}"
    assert (
        evaluate(groove_records, task="samples", run_dir=run_dirs, num_samples=3) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert f"by {trained(FLAT)}, {examples}, at" in lines[0]
    head = [cell.strip() for cell in lines[2].split("|")[2:-1]]
    assert head[:3] == [str(trained(FLAT)), str(examples), "halves of the examples"]
    assert head[3].startswith("examples (")
    run_dirs += f",{untrained_run(tmp_path, 'cat-drums_2bar_small')}"
    assert evaluate(groove_records, task="samples", run_dir=run_dirs) == 1
    assert "reads music in another way than" in capsys.readouterr().err


def test_means_over_hits_are_for_grooves(groove_records, tmp_path, capsys):
    from untrained_runs import untrained_run

    run_dir = untrained_run(tmp_path, "cat-drums_2bar_small")
    flags = {"task": "samples", "run_dir": run_dir, "playing": "given_hits"}
    assert evaluate(groove_records, **flags) == 1
    assert "--playing=given_hits is for GrooVAE configs" in capsys.readouterr().err


def test_a_reconstruction_is_louder_by_means_over_hits(
    trained, groove_records, tmp_path
):
    louder = []
    for playing in ("magenta", "given_hits"):
        path = tmp_path / f"{playing}.json"
        flags = {"task": "reconstruct", "run_dir": trained(FLAT), "output_json": path}
        flags |= {"playing": playing, "decoding": "sample"}
        assert evaluate(groove_records, "--notwo_sample_test", **flags) == 0
        rows = json.loads(path.read_text())
        louder += [
            row["value"]
            for row in rows
            if (row["metric"], row["drum_class"]) == ("velocity_mae", "all")
            and row["model"].startswith(FLAT)
        ]
    assert louder[0] != louder[1]
