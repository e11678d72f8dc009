"""music_vae_explore: where music lies, what is known of it, and ways from it."""

import csv
import json

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from music_vae_tf.commands import music_vae_explore as command
from music_vae_tf.commands import music_vae_generate
from music_vae_tf.data import grooves
from music_vae_tf.data.midi import read_midi
from music_vae_tf.data.midi_writer import write_midi

FLAT = "groovae_4bar"
NAME = "hierdec-groove_4bar_small"
STYLES = ("rock", "rock/slow", "funk", "jazz", "rocksteady")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Grooves, and an info.csv that knows all but one."""
    root = tmp_path_factory.mktemp("groove")
    lines = ["drummer,style,bpm,midi_filename"]
    for number, (_, groove) in enumerate(grooves.performances(6)):
        name = f"session{number % 2}/{number}.mid"
        (root / name).parent.mkdir(exist_ok=True)
        write_midi(groove, root / name)
        if number < len(STYLES):
            lines.append(f"drummer1,{STYLES[number]},{100 + number},{name}")
    (root / "info.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def explore(trained, folder, tmp_path):
    """Calls the command; gives its exit status."""

    def run(**flags):
        values = {
            "run_dir": trained(NAME),
            "input": folder,
            "output_dir": tmp_path / "out",
            "umap": "false",
            "num_dimensions": 0,
            **flags,
        }
        return command.run([f"--{k}={v}" for k, v in values.items() if v is not None])

    return run


def rows_of(path, **options):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, **options))


def test_places_are_told_with_what_is_known(explore, tmp_path, capsys):
    assert explore() == 0
    rows = rows_of(tmp_path / "out" / "latent.csv")
    assert [(row["file"], row["style"]) for row in rows] == [
        ("session0/0.mid", "rock"),
        ("session0/2.mid", "funk"),
        ("session0/4.mid", "rocksteady"),
        ("session1/1.mid", "rock/slow"),
        ("session1/3.mid", "jazz"),
        ("session1/5.mid", ""),
    ]
    places = np.array([[row[f"z_{unit}"] for unit in range(3)] for row in rows], float)
    assert np.isfinite(places).all()
    said = capsys.readouterr().err
    assert "6 NoteSequences gave 6 examples; 0 gave none." in said
    assert "6 examples in 3 dimensions" in said


def test_tensorboards_projector_reads_its_files(explore, tmp_path):
    assert explore() == 0
    projector = tmp_path / "out" / "projector"
    config = ProjectorConfig()
    text_format.Parse((projector / "projector_config.pbtxt").read_text(), config)
    (embedding,) = config.embeddings
    points = np.loadtxt(projector / embedding.tensor_path, delimiter="\t")
    known = rows_of(projector / embedding.metadata_path, delimiter="\t")
    assert points.shape == (6, 3) and len(known) == 6
    assert known[0]["bpm"] == "100"


def test_pictures_are_drawn(explore, tmp_path):
    assert explore(color_by="bpm") == 0
    assert (tmp_path / "out" / "pca.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "out" / "umap.png").exists()


def test_dimensions_are_gone_along(explore, tmp_path):
    assert explore(num_dimensions=2, num_steps=3, temperature=2) == 0
    names = sorted(path.name for path in (tmp_path / "out" / "dimensions").iterdir())
    assert len(names) == 6
    assert [name.partition("_at_")[2] for name in names[:3]] == [
        *("+0.00.mid", "+2.00.mid", "-2.00.mid"),
    ]
    for path in (tmp_path / "out" / "dimensions").iterdir():
        read_midi(path)


def test_dimensions_are_played_and_drawn(explore, tmp_path, capsys):
    flags = {"num_dimensions": 1, "num_steps": 2, "temperature": 2}
    assert explore(format="wav,png", **flags) == 0
    files = sorted((tmp_path / "out" / "dimensions").iterdir())
    assert [path.name.partition("_at_")[2] for path in files] == [
        *("+2.00.png", "+2.00.wav", "-2.00.png", "-2.00.wav"),
    ]
    heads = {path.suffix: path.read_bytes()[:4] for path in files}
    assert heads == {".png": b"\x89PNG", ".wav": b"RIFF"}
    assert explore(format="mp3", **flags) == 1
    assert "--format=mp3: mp3 is none of mid, wav, png" in capsys.readouterr().err


def test_an_attribute_is_the_difference_of_two_groups_and_moves_samples(
    explore, trained, tmp_path
):
    attributes = "style=funk minus style=rock; style=jazz"
    assert explore(attributes=attributes) == 0
    out = tmp_path / "out"
    rows = rows_of(out / "latent.csv")
    place = {
        row["style"]: np.array([row[f"z_{unit}"] for unit in range(3)], float)
        for row in rows
    }
    kept = json.loads((out / "style=funk_minus_style=rock.json").read_text())
    assert (kept["config"], kept["attribute"]) == (NAME, "style=funk minus style=rock")
    rocks = (place["rock"] + place["rock/slow"]) / 2  # rocksteady is something else
    np.testing.assert_allclose(kept["vector"], place["funk"] - rocks, atol=1e-6)
    others = np.mean([place[style] for style in place if style != "jazz"], axis=0)
    kept = json.loads((out / "style=jazz.json").read_text())
    np.testing.assert_allclose(kept["vector"], place["jazz"] - others, atol=1e-6)

    def z_of(name, **flags):
        path = tmp_path / f"{name}.npy"
        values = {
            "run_dir": trained(NAME),
            "output_dir": tmp_path / "generated",
            "num_outputs": 2,
            "seed": 1,
            "save_z": path,
            **flags,
        }
        assert not music_vae_generate.run([f"--{k}={v}" for k, v in values.items()])
        return np.load(path)

    file = out / "style=jazz.json"
    plain, once = z_of("plain"), z_of("once", attribute_vector=file)
    back = z_of("back", attribute_vector=file, attribute_strength=-2)
    moved = np.tile(kept["vector"], [2, 1])
    np.testing.assert_allclose(once - plain, moved, atol=1e-5)
    np.testing.assert_allclose(back - plain, -2 * moved, atol=1e-5)


@pytest.mark.parametrize(
    "text, words",
    [
        (
            "{",
            "is not an attribute vector, as music_vae_explore",
        ),
        ("[1]", "is not an attribute vector"),
        ('{"config": "NAME", "vector": [1]}', "expected 3 finite numbers; got [1]"),
        ('{"config": "NAME", "vector": [1, 2, NaN]}', "expected 3 finite numbers"),
        ('{"config": "other", "vector": [1, 2, 3]}', "is an attribute of config other"),
    ],
)
def test_a_file_that_is_not_an_attribute_of_the_model_is_refused(
    trained, tmp_path, capsys, text, words
):
    file = tmp_path / "a.json"
    file.write_text(text.replace("NAME", NAME))
    flags = [f"--run_dir={trained(NAME)}", f"--output_dir={tmp_path}"]
    assert music_vae_generate.run([*flags, f"--attribute_vector={file}"]) == 1
    assert words in capsys.readouterr().err


def test_a_strength_of_no_attribute_is_told(trained, tmp_path, capsys):
    flags = [f"--run_dir={trained(NAME)}", f"--output_dir={tmp_path}"]
    assert music_vae_generate.run([*flags, "--attribute_strength=2"]) == 1
    assert "is that of an --attribute_vector" in capsys.readouterr().err


def test_records_are_explored_as_files_are(
    trained, groove_records, explore, tmp_path, capsys
):
    assert explore(input=groove_records) == 0
    assert len(rows_of(tmp_path / "out" / "latent.csv")) == 12


@pytest.mark.parametrize(
    "flags, words",
    [
        (
            {"color_by": "mood"},
            "no column 'mood'; known of the examples: file, exam",
        ),
        (
            {"attributes": "funk"},
            "'funk' is not a condition; write one such as",
        ),
        ({"attributes": "mood=blue"}, "no column 'mood'"),
        (
            {"attributes": "style=blues"},
            "style=blues: no example is; under style there are funk, jazz, rock, rocks",
        ),
        (
            {"attributes": "style=rock minus style=rock/slow"},
            "2 examples less 1 of the same; expected two groups without",
        ),
        ({"attributes": "example=0"}, "'example=0': 6 examples less no of the same"),
        ({"input": "/nowhere"}, "no file matches /nowhere"),
        ({"info_csv": "/nowhere.csv"}, "there is no /nowhere.csv"),
        ({"temperature": 0}, "--temperature=0.0: expected a number above 0"),
    ],
)
def test_what_makes_no_sense_is_told(explore, tmp_path, capsys, flags, words):
    assert explore(**flags) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "latent.csv").exists()


def test_an_info_csv_of_other_files_is_told(explore, tmp_path, capsys):
    other = tmp_path / "other.csv"
    other.write_text("midi_filename,style\nsomewhere/else.mid,rock\n")
    assert explore(info_csv=other) == 1
    said = capsys.readouterr().err
    assert "info.csv knows none of the files: it has names like somewhere/else" in said


def test_a_collection_without_an_example_is_told(explore, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    ((_, groove),) = grooves.performances(1)
    del groove.notes[3:]
    write_midi(groove, tmp_path / "in" / "short.mid")
    assert explore(input=tmp_path / "in") == 1
    assert "shorter than 4 bars" in capsys.readouterr().err


# Attributes that notes alone decide.


@pytest.fixture
def measured(explore, trained, groove_records, tmp_path):
    """A file of attributes of a model that was trained a little."""
    flags = {"run_dir": trained(FLAT), "input": groove_records, "measure": "true"}
    assert explore(**flags, test_input=groove_records, seed=1) == 0
    return tmp_path / "out" / "attributes.json"


def test_measured_attributes_are_columns_of_the_table(explore, tmp_path):
    assert explore(color_by="density") == 0
    rows = rows_of(tmp_path / "out" / "latent.csv")
    assert all(float(row["density"]) > 0 for row in rows)
    assert {row["pitch_range"] for row in rows} == {""}


def test_vectors_are_measured_and_reported(
    explore, trained, groove_records, tmp_path, capsys
):
    measured = tmp_path / "vectors.json"
    flags = {"run_dir": trained(FLAT), "input": groove_records, "measure": "true"}
    assert explore(**flags, attribute_file=measured) == 0
    effects = json.loads((tmp_path / "out" / "attribute_effects.json").read_text())
    shown = capsys.readouterr().out
    assert "Rows: what is moved." in shown
    for name in effects["attributes"]:
        assert f"\n{name} " in shown
    kept = json.loads(measured.read_text())
    assert kept["config"] == FLAT and list(kept["attributes"]) == effects["has"]
    assert list(kept["given_hits"]) == effects["given_hits"]["has"]
    assert "where the hits are given" in shown


def test_samples_and_inputs_are_moved_by_them(
    measured, trained, folder, tmp_path, capsys
):
    (name, *_) = json.loads(measured.read_text())["attributes"]
    model = [f"--run_dir={trained(FLAT)}", f"--attribute_file={measured}", "--seed=1"]
    z = {}
    for amount in (0, 1):
        path = tmp_path / f"{amount}.npy"
        flags = [*model, f"--attribute={name}={amount}", f"--save_z={path}"]
        out = f"--output_dir={tmp_path / 'samples'}"
        assert music_vae_generate.run([*flags, out, "--num_outputs=2"]) == 0
        z[amount] = np.load(path)
    vector = json.loads(measured.read_text())["attributes"][name]["vector"]
    np.testing.assert_allclose(z[1] - z[0], [vector] * 2, atol=1e-5)
    song = folder / "session0" / "0.mid"
    for mode, more in {
        "reconstruct": [],
        "vary": ["--num_outputs=2"],
        "interpolate": [f"--input_midi={song},{song}", "--num_outputs=2"],
        "transform": ["--nopreserve_onsets"],
    }.items():
        out = tmp_path / mode
        flags = [f"--mode={mode}", f"--input_midi={song}", *more]
        attribute = [f"--attribute={name}=+0.5", f"--output_dir={out}"]
        assert music_vae_generate.run([*model, *flags, *attribute]) == 0
        assert list(out.glob("*.mid"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--attribute=groove=1"], "has no attribute groove"),
        (["--attribute=density=nan"], "density=nan: expected a number"),
        (["--attribute=density"], "expected NAME=AMOUNT"),
        (["--attribute_file=a.json"], "--attribute_file holds vectors for --attribute"),
        (["--attribute=swing=1", "--attribute_file=no.json"], "no.json"),
    ],
)
def test_attributes_without_sense_are_refused(trained, tmp_path, capsys, flags, words):
    flags = [*flags, f"--run_dir={trained(FLAT)}", f"--output_dir={tmp_path / 'o'}"]
    assert music_vae_generate.run(flags) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_flags_of_measuring_need_it(explore, capsys):
    assert explore(test_input="other/") == 1
    assert "--test_input belongs to --measure" in capsys.readouterr().err
