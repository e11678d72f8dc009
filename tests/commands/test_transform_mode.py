"""music_vae_generate --mode=transform: files of any length, or a reason why not."""

import mido
import pytest
from song_files import band, beat, events, metre, song, strokes, track, without_drums
from untrained_runs import untrained_run

from music_vae_tf.commands import music_vae_generate as command
from music_vae_tf.generation.transform import Report


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory with a very small model that humanizes, as it is initialised."""
    return untrained_run(tmp_path_factory.mktemp("run"), "groovae_2bar_humanize")


@pytest.fixture
def transform(run_dir, tmp_path):
    """Calls the command; gives its exit status."""

    def run(**flags):
        values = {
            "run_dir": run_dir,
            "output_dir": tmp_path / "out",
            "mode": "transform",
            **flags,
        }
        return command.run(
            [f"--{flag}={value}" for flag, value in values.items() if value is not None]
        )

    return run


@pytest.fixture
def band_file(tmp_path):
    path = tmp_path / "song.mid"
    band().save(path)
    return path


def written(tmp_path, ending="mid"):
    return sorted((tmp_path / "out").glob(f"*.{ending}"))


def test_a_song_is_transformed_and_the_rest_of_it_stays(
    transform, band_file, tmp_path, capsys
):
    assert transform(input_midi=band_file, seed=1) == 0
    (path,) = written(tmp_path)
    assert path.name.startswith("groovae_2bar_humanize_transform_song_")
    midi = mido.MidiFile(path)
    assert without_drums(midi) == without_drums(band())
    assert len(strokes(midi)) == len(strokes(band()))
    said = capsys.readouterr().err
    assert "Drums: 78 on track Drums, channel 10" in said
    assert "of 78 notes" in said.lower()


def test_versions_without_a_note_are_counted(transform, band_file, capsys, monkeypatch):
    silent = iter([True, False, True])
    monkeypatch.setattr(Report, "is_silent", property(lambda report: next(silent)))
    assert transform(input_midi=band_file, num_outputs=3) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "answers with no note in 2 of 3 versions; another --seed" in said


def test_songs_are_always_played_by_means_over_hits(transform, band_file, capsys):
    assert transform(input_midi=band_file, playing="magenta") == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "--mode=transform always plays given_hits: leave out --playing" in error


def test_the_switches_reach_the_model(transform, band_file, tmp_path):
    assert transform(input_midi=band_file, amount=0, num_outputs=2) == 0
    one, two = map(mido.MidiFile, written(tmp_path))
    assert events(one) == events(two) == events(band())


def test_sound_and_picture_are_written_too(transform, tmp_path):
    song(track(beat(1))).save(tmp_path / "bar.mid")
    assert transform(input_midi=tmp_path / "bar.mid", format="wav,png") == 0
    assert not written(tmp_path)
    assert written(tmp_path, "wav")[0].read_bytes()[:4] == b"RIFF"
    assert written(tmp_path, "png")[0].read_bytes()[1:4] == b"PNG"


def test_a_bad_file_costs_only_itself(transform, band_file, tmp_path, capsys):
    junk = tmp_path / "junk.mid"
    junk.write_bytes(b"GIF89a")
    assert transform(input_midi=f"{junk},{band_file}") == 1
    said = capsys.readouterr().err
    assert "junk.mid: not a MIDI file" in said and "1 of 2 files" in said
    assert len(written(tmp_path)) == 1


def test_braces_in_a_file_name_are_kept(transform, band_file, tmp_path, capsys):
    path = band_file.rename(tmp_path / "song {final} {0}.mid")
    assert transform(input_midi=path) == 0
    (result,) = written(tmp_path)
    assert result.name.startswith("groovae_2bar_humanize_transform_song {final} {0}_")
    assert result.name.endswith("-000-of-001.mid")
    assert "transform_song {final} {0}_" in capsys.readouterr().err


def test_files_of_one_name_overwrite_nothing(transform, tmp_path):
    """Also where names differ in upper and lower case only, or end in a number."""
    paths = [tmp_path / name for name in ("a/x.mid", "b/x.mid", "c/X.mid", "d/x-2.mid")]
    for number, path in enumerate(paths, 1):
        path.parent.mkdir()
        song(track(beat(number))).save(path)
    assert transform(input_midi=",".join(map(str, paths))) == 0
    kinds = {
        path.name.split("_transform_")[1].split("_")[0] for path in written(tmp_path)
    }
    assert kinds == {"x", "x-2", "X-3", "x-2-2"}
    hits = sorted(len(strokes(mido.MidiFile(path))) for path in written(tmp_path))
    assert hits == [len(strokes(song(track(beat(n))))) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"input_midi": None}, "needs --input_midi=FILE.mid"),
        ({"input_midi": "absent.mid"}, "there is no file absent.mid"),
        ({"input_midi": ","}, "names no file"),
        ({"amount": -1, "status": 2}, "--amount=-1"),
        ({"apply": "pitch"}, "apply=pitch: expected"),
        ({"temperature": "nan", "status": 2}, "finite"),
        ({"format": "mp3"}, "--format=mp3: mp3 is none of mid, wav, png"),
        ({"soundfont": "a.sf2"}, "give --format=mid,wav"),
        ({"format": "wav", "soundfont": __file__}, "not a SoundFont"),
        ({"same_z": "true"}, "--same_z does not belong to --mode=transform"),
        ({"drums": "track:Kit"}, "no notes on a track named Kit. Tracks are named"),
        ({"program": 3}, "keeps the programs of the file"),
        ({"tempo": 90}, "keeps the tempo of the file"),
        ({"loop": "true"}, "writes whole songs"),
        ({"drums": "kit"}, "drums=kit: expected auto"),
        ({"mode": "sample", "amount": "1"}, "--amount belongs to --mode=transform"),
        ({"mode": "sample"}, "--input_midi does not belong to --mode=sample"),
    ],
)
def test_a_mistake_is_explained(transform, band_file, tmp_path, capsys, flags, words):
    flags = {"input_midi": band_file, "status": 1, **flags}
    status = flags.pop("status")
    assert transform(**flags) == status
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_song_without_drums_or_in_three_four_is_refused(transform, tmp_path, capsys):
    song(track([metre(0, 3)]), track(beat(2))).save(tmp_path / "waltz.mid")
    assert transform(input_midi=tmp_path / "waltz.mid") == 1
    assert "3 bars in 3/4" in capsys.readouterr().err
    song(track(beat(2, channel=2), "Keys")).save(tmp_path / "keys.mid")
    assert transform(input_midi=tmp_path / "keys.mid", drums="channel10") == 1
    assert "no drums on channel 10. Tracks are named: Keys" in capsys.readouterr().err


def test_an_output_dir_that_is_a_file_is_named(transform, band_file, tmp_path, capsys):
    assert transform(input_midi=band_file, output_dir=band_file) == 1
    assert "song.mid cannot be written to" in capsys.readouterr().err


def test_configs_that_do_not_fit_are_refused(transform, band_file, capsys):
    flags = {"run_dir": None, "checkpoint_file": "any", "config": "cat-mel_2bar_small"}
    assert transform(input_midi=band_file, **flags) == 1
    assert "transforms no songs" in capsys.readouterr().err


def test_drums_on_another_channel_are_drawn_as_a_kit(transform, tmp_path):
    """A picture of the same notes on channel 10 is the same picture."""
    pictures = []
    for channel in (0, 9):
        path = tmp_path / "song.mid"
        song(track(beat(4, channel=channel), "Drums")).save(path)
        assert transform(input_midi=path, seed=1, format="mid,png", log="ERROR") == 0
        (picture,) = written(tmp_path, "png")
        pictures.append(picture.read_bytes())
        picture.unlink()
    assert pictures[0] == pictures[1]


def test_a_refusal_names_the_file_once(transform, tmp_path, capsys):
    three_four = tmp_path / "waltz.mid"
    song(track([metre(0, 3), *beat(4)], "Drums")).save(three_four)
    text = tmp_path / "text.mid"
    text.write_text("no notes")
    for path in (three_four, text):
        assert transform(input_midi=path) == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.count(str(path)) == 1
