"""music_vae_generate with --input_midi: reconstruct, vary, interpolate, continue."""

import wave

import mido
import pytest
from song_files import beat, metre, song, tempo, track
from untrained_runs import untrained_run

from music_vae_tf.commands import music_vae_generate as command
from music_vae_tf.data.midi import read_midi


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory with a very small groovae_4bar, as it is initialised."""
    return untrained_run(tmp_path_factory.mktemp("run"), "groovae_4bar")


@pytest.fixture
def generate(run_dir, tmp_path):
    """Calls the command; gives its exit status."""

    def run(**flags):
        values = {
            "run_dir": run_dir,
            "output_dir": tmp_path / "out",
            "seed": 1,
            **flags,
        }
        return command.run(
            [f"--{flag}={value}" for flag, value in values.items() if value is not None]
        )

    return run


@pytest.fixture
def files(tmp_path):
    """Paths of so many files, with commas between; of 2, 3, 4... bars."""

    def make(count):
        paths = [tmp_path / f"{number}.mid" for number in range(count)]
        for number, path in enumerate(paths):
            head = track([tempo(0, 100 + 10 * number)])
            song(head, track(beat(number + 2))).save(path)
        return ",".join(map(str, paths))

    return make


def written(tmp_path, ending="mid"):
    return sorted(path.name for path in (tmp_path / "out").glob(f"*.{ending}"))


def numbers(names):
    return [name[-14:-4] for name in names]


@pytest.mark.parametrize(
    ("mode", "inputs", "flags", "count"),
    [
        ("reconstruct", 1, {}, 1),
        ("reconstruct", 2, {"num_outputs": 2}, 4),
        ("vary", 1, {}, 5),
        ("vary", 1, {"num_outputs": 2, "distance": 0.5}, 2),
        ("interpolate", 3, {"num_outputs": 7}, 7),
        ("interpolate", 4, {"grid": 2}, 4),
        ("interpolate", 1, {"input_bar": "all", "num_outputs": 2}, None),
        ("continue", 1, {"num_outputs": 2, "length": "3bars"}, 2),
    ],
)
def test_outputs_of_all_modes(generate, files, tmp_path, mode, inputs, flags, count):
    paths = files(inputs)
    if count is None:  # one file of several parts
        count, path = 2, tmp_path / "long.mid"
        song(track(beat(8))).save(path)
        paths = path
    assert generate(mode=mode, input_midi=paths, **flags) == 0
    names = written(tmp_path)
    assert len(names) == count
    assert all(name.startswith(f"groovae_4bar_{mode}_") for name in names)


def test_outputs_last_whole_bars_at_the_tempo_of_the_input(generate, files, tmp_path):
    assert generate(mode="vary", input_midi=files(1), num_outputs=1) == 0
    (name,) = written(tmp_path)
    assert mido.MidiFile(tmp_path / "out" / name).length == pytest.approx(16 * 0.6)


def test_one_tempo_for_all(generate, files, tmp_path):
    flags = {"mode": "interpolate", "input_midi": files(2), "tempo": 60}
    assert generate(num_outputs=2, **flags) == 0
    for name in written(tmp_path):
        assert mido.MidiFile(tmp_path / "out" / name).length == pytest.approx(16)


def test_a_joined_interpolation_goes_through_all_outputs(generate, files, tmp_path):
    flags = {"mode": "interpolate", "input_midi": files(3), "num_outputs": 3}
    assert generate(joined="true", **flags) == 0
    *separate, whole = written(tmp_path)
    assert len(separate) == 3 and "_interpolate_joined_" in whole
    lengths = [mido.MidiFile(tmp_path / "out" / name).length for name in separate]
    joined = mido.MidiFile(tmp_path / "out" / whole)
    assert joined.length == pytest.approx(sum(lengths), abs=0.01)
    tempos = [round(mido.tempo2bpm(m.tempo)) for m in joined if m.type == "set_tempo"]
    assert tempos == [100, 110, 120]


def test_a_joined_continuation_begins_with_the_input(generate, files, tmp_path):
    flags = {"mode": "continue", "input_midi": files(1), "num_outputs": 1}
    assert generate(joined="true", length="2bars", **flags) == 0
    (name,) = written(tmp_path)
    sequence = read_midi(tmp_path / "out" / name)
    bar = 4 * 0.6
    played = lambda one, start: sorted(
        (round(n.start_time - start, 2), n.pitch)
        for n in one.notes
        if start - 0.05 <= n.start_time < start + 2 * bar - 0.05
    )
    original = played(read_midi(tmp_path / "0.mid"), 0)
    # Two bars, which are looped to fill four.
    assert played(sequence, 0) == played(sequence, 2 * bar) == original
    assert mido.MidiFile(tmp_path / "out" / name).length == pytest.approx(6 * bar)


def test_loops_are_cut_at_the_bar_in_the_sound_too(generate, files, tmp_path):
    flags = {"mode": "reconstruct", "input_midi": files(1), "format": "mid,wav,png"}
    assert generate(loop="true", **flags) == 0
    (name,) = written(tmp_path, "wav")
    with wave.open(str(tmp_path / "out" / name)) as file:
        assert file.getnframes() == round(16 * 0.6 * file.getframerate())
    assert len(written(tmp_path, "png")) == len(written(tmp_path)) == 1


def test_a_drum_map_is_read_and_written(generate, files, tmp_path):
    flags = {"mode": "continue", "input_midi": files(1), "num_outputs": 1}
    kits = {}
    for kit in ("gm", "ableton"):
        folder = tmp_path / kit
        assert generate(drum_map=kit, output_dir=folder, joined="true", **flags) == 0
        (path,) = folder.iterdir()
        kits[kit] = {note.pitch for note in read_midi(path).notes}
    assert 51 in kits["gm"] and 47 not in kits["ableton"]
    assert kits["ableton"] <= {36, 38, 41, 42, 43, 45, 46, 49}


def test_pitched_outputs_are_played_by_a_program(generate, tmp_path):
    run_dir = untrained_run(tmp_path / "melodies", "cat-mel_2bar_small")
    assert generate(run_dir=run_dir, program=11, temperature=1) == 0
    programs = {
        note.program
        for path in (tmp_path / "out").iterdir()
        for note in read_midi(path).notes
    }
    assert programs == {11}


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ("pad", "bars 1 to 2, then silence up to the 4 bars that the model reads"),
        ("loop", "bars 1 to 2, repeated up to the 4 bars that the model reads"),
    ],
)
def test_it_says_what_a_short_input_is_filled_with(generate, files, capsys, fit, words):
    assert generate(mode="reconstruct", input_midi=files(1), fit=fit) == 0
    assert words in capsys.readouterr().err


def test_the_same_seed_gives_the_same_files(generate, files, tmp_path):
    flags = {"mode": "vary", "input_midi": files(1), "num_outputs": 2}
    for folder in ("one", "two"):
        assert generate(output_dir=tmp_path / folder, **flags) == 0
    contents = [
        [path.read_bytes() for path in sorted((tmp_path / folder).iterdir())]
        for folder in ("one", "two")
    ]
    assert contents[0] == contents[1] and contents[0][0] != contents[0][1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"mode": "interpolate"}, "needs two inputs or more"),
        ({"mode": "interpolate", "grid": 3}, "between four inputs; --input_midi names"),
        ({"mode": "interpolate", "grid": 3, "num_outputs": 9, "count": 4}, "decides"),
        ({"mode": "interpolate", "num_outputs": 1, "count": 2}, "2 steps or more"),
        ({"mode": "vary", "distance": -1, "status": 2}, "--distance"),
        ({"mode": "vary", "distance": "nan", "status": 2}, "--distance"),
        ({"mode": "vary", "grid": 3}, "--grid belongs to --mode=interpolate"),
        ({"mode": "vary", "input_bar": "9"}, "0.mid has 2 bars"),
        ({"mode": "vary", "input_bar": "end"}, "expected the number of a bar"),
        ({"mode": "vary", "fit": "cut"}, "fit=cut: expected loop or pad"),
        ({"mode": "vary", "tempo": "nan", "status": 2}, "--tempo"),
        ({"mode": "vary", "tempo": "inf", "status": 2}, "--tempo"),
        ({"mode": "vary", "length": "4bars"}, "--length does not belong to"),
        ({"mode": "vary", "drum_map": "cubase"}, "drum_map=cubase: expected one of"),
        ({"mode": "vary", "drum_map": "no.yaml"}, "no.yaml: No such file"),
        ({"mode": "vary", "chords": "C"}, "--chords does not belong to"),
        ({"mode": "continue", "length": "64"}, "expected bars, as in --length=8bars"),
        ({"mode": "continue", "length": "0bars"}, "expected bars"),
        ({"mode": "sample", "fit": "loop", "count": 0}, "--fit belongs to"),
        ({"mode": "vary", "program": 11}, "--program=11 has no effect on drums"),
        ({"mode": "sample", "program": 0, "count": 0}, "groovae_4bar is drums"),
        ({"mode": "reconstruct", "count": 0}, "needs --input_midi"),
    ],
)
def test_a_mistake_is_explained(generate, files, tmp_path, capsys, flags, words):
    flags = {"count": 1, "status": 1, **flags}
    inputs, status = files(flags.pop("count")) or None, flags.pop("status")
    assert generate(input_midi=inputs, **flags) == status
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_file_without_an_example_is_refused_with_the_reason(
    generate, tmp_path, capsys
):
    song(track([metre(0, 3)]), track(beat(2))).save(tmp_path / "waltz.mid")
    assert generate(mode="vary", input_midi=tmp_path / "waltz.mid") == 1
    assert "waltz.mid: time signature 3/4" in capsys.readouterr().err


def test_where_no_drums_are_found_the_flag_is_named(generate, tmp_path, capsys):
    path = tmp_path / "bass.mid"
    song(track(beat(4, channel=0, hits=[(0, 60, 90)]), "Bass")).save(path)
    assert generate(mode="reconstruct", input_midi=path) == 1
    assert "no drums on channel 10. --drums=all or" in capsys.readouterr().err
