"""Hierarchical models of drums, as a user trains them and plays with them."""

import json
import shutil

import pytest
from trained_drums import train

from music_vae_tf.commands import music_vae_generate
from music_vae_tf.data.midi import read_midi
from music_vae_tf.generation import TrainedModel
from music_vae_tf.run_directory import RunDirectory

CONFIGS = ("hierdec-groove_4bar_small", "musicvae_groove_tokens_small")


def generate(run_dir, output_dir, **flags):
    values = {"run_dir": run_dir, "output_dir": output_dir, "num_outputs": 2, **flags}
    return music_vae_generate.run([f"--{k}={v}" for k, v in values.items()])


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("temperature", [0.1, 2])
def test_samples_are_midi_at_every_temperature(trained, tmp_path, name, temperature):
    assert generate(trained(name), tmp_path, temperature=temperature, seed=1) == 0
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 2
    sequences = [read_midi(path) for path in paths]
    assert any(sequence.notes for sequence in sequences) or temperature < 1
    for sequence in sequences:
        assert all(n.is_drum and n.start_time < 8.1 for n in sequence.notes)


def test_tokens_are_emitted_in_order_unless_the_grammar_is_switched_off(trained):
    name = "musicvae_groove_tokens_small"
    run_dir = RunDirectory.at(str(trained(name)))
    for grammar in (True, False):
        model = TrainedModel(
            run_dir.record().config, 8, run_dir.path, seed=1, grammar=grammar
        )
        rows = model.decode_to_tensors(model.draw(8), 448, temperature=2.0)
        assert all(_obeys(model.converter, sample) for sample in rows) == grammar
        model.converter.to_sequence(rows[0])


def _obeys(converter, rows):
    """Whether each bar, up to its end, is grammatical, and has an end."""
    for bar in rows.argmax(axis=1).reshape(4, -1):
        state = 0
        for token in bar:
            state = converter.grammar.successors[state, token]
            if state <= 0:
                break
        if state != 0:
            return False
    return True


def test_the_grammar_is_a_switch_of_the_command(trained, tmp_path):
    name = "musicvae_groove_tokens_small"
    for switch in ("true", "false"):
        flags = {"grammar": switch, "temperature": 2, "seed": 1}
        assert generate(trained(name), tmp_path / switch, **flags) == 0
    bound, free = (
        [read_midi(path) for path in sorted((tmp_path / switch).iterdir())]
        for switch in ("true", "false")
    )
    assert bound != free


def test_a_groove_goes_to_another_through_tokens(trained, tmp_path):
    name = "musicvae_groove_tokens_small"
    assert generate(trained(name), tmp_path, temperature=2, seed=3) == 0
    start, end = sorted(tmp_path.iterdir())
    flags = {"mode": "interpolate", "input_midi_1": start, "input_midi_2": end}
    assert generate(trained(name), tmp_path / "way", **flags) == 0


def test_the_vocabulary_lies_beside_the_checkpoint(trained):
    train_dir = trained("musicvae_groove_tokens_small") / "train"
    kept = json.loads((train_dir / "vocabulary.json").read_text())
    assert kept["made_by"].startswith("miditok 3.")
    assert kept["tokens"][:2] == ["PAD_None", "Bar_None"]
    assert not (trained("hierdec-groove_4bar_small") / "train" / kept["name"]).exists()


def test_another_vocabulary_is_refused(groove_records, trained, tmp_path, capsys):
    name = "musicvae_groove_tokens_small"
    run_dir = shutil.copytree(trained(name), tmp_path / "run")
    kept = run_dir / "train" / "vocabulary.json"
    kept.write_text(kept.read_text().replace("Pitch_36", "Pitch_136"))
    words = "token 16 is Pitch_136 there and Pitch_36 here"
    assert generate(run_dir, tmp_path / "generated") == 1
    assert words in capsys.readouterr().err
    assert train(name, run_dir, groove_records) == 1
    assert words in capsys.readouterr().err
    assert train(name, run_dir, groove_records, "--mode=eval") == 1
    assert words in capsys.readouterr().err
    warm = f"--warm_start_checkpoint={run_dir}"
    assert train(name, tmp_path / "warm", groove_records, warm) == 1
    assert words in capsys.readouterr().err


def test_the_loss_that_reads_all_columns_as_probabilities(
    groove_records, tmp_path, capsys
):
    name = "hierdec-groove_4bar_small"
    bce = "--reconstruction_loss=bce"
    assert train(name, tmp_path, groove_records, bce) == 0
    loss = float(capsys.readouterr().err.split("loss ")[-1].split(",")[0])
    assert loss > 399  # from which it cannot come down
    decoder = RunDirectory.at(str(tmp_path)).record().config.model.decoder
    output = decoder.arguments["core"].arguments["output"]
    assert output.arguments == {"reconstruction_loss": "bce"}
    assert generate(tmp_path, tmp_path / "out") == 0
    assert train(name, tmp_path, groove_records) == 1
    assert "belongs to a training of config hierdec-groove" in capsys.readouterr().err


def test_that_loss_is_for_grooves_alone(groove_records, tmp_path, capsys):
    bce = "--reconstruction_loss=bce"
    assert train("cat-drums_2bar_small", tmp_path, groove_records, bce) == 1
    said = capsys.readouterr().err
    assert "config cat-drums_2bar_small has no groove in its model" in said
