"""A song through a model: what must stay stays, event by event; joins have no seam."""

import functools
import io
from collections import Counter

import mido
import numpy as np
import pytest
from song_files import (
    BAR,
    BEAT,
    QUARTER,
    band,
    beat,
    events,
    metre,
    note,
    song,
    strokes,
    track,
    without_drums,
)

from music_vae_tf import config as configs
from music_vae_tf.data import drum_maps
from music_vae_tf.data.converters import drum_parts
from music_vae_tf.data.midi import UnreadableMusic, parse_as_daw, read_midi
from music_vae_tf.data.midi_editing import Edits
from music_vae_tf.data.midi_song import MidiSong
from music_vae_tf.data.song_drums import NoDrums
from music_vae_tf.data.song_grid import grid
from music_vae_tf.generation import TrainedModel, transform
from music_vae_tf.generation.transform_edits import Blend, NewNotes, add_edits
from music_vae_tf.generation.transform_tasks import UnfitConfig, freedom, task_of
from music_vae_tf.generation.transform_windows import WindowModel, perform

TINY = "enc_rnn_size=[8],dec_rnn_size=[8],z_size=4"
HUMANIZE, TAP = "groovae_2bar_humanize", "groovae_2bar_tap_fixed_velocity"
INFILL, CONTROL = "groovae_2bar_add_closed_hh", "groovae_2bar_hits_control_tfds"
STEP = QUARTER // 4


@functools.cache
def model(name=HUMANIZE):
    """A small untrained model, whose weights are large enough to move notes."""
    config = configs.override(configs.load(name), TINY)
    trained = TrainedModel(config, 4, seed=3)
    rng = np.random.default_rng(5)
    for variable in trained.model.weights:
        variable.assign(rng.normal(0, 0.7, variable.shape))
    return trained


def only(midi, name=HUMANIZE, **options):
    trained = model(name)
    trained.reseed(0)  # whatever was drawn before
    (one,) = trained.transform(midi, **options)
    return one


def cells(midi):
    """(step, pitch) of the drums."""
    return sorted(
        ((tick + STEP // 2) // STEP, pitch) for tick, pitch, _ in strokes(midi)
    )


# What stays.


@pytest.mark.parametrize("name", [HUMANIZE, TAP, INFILL, CONTROL, "groovae_4bar"])
def test_all_but_the_drums_stays_event_by_event(name):
    midi = band()
    result = only(midi, name)
    assert without_drums(result.midi) == without_drums(midi)
    assert strokes(result.midi) != strokes(midi)


@pytest.mark.parametrize("name", [HUMANIZE, CONTROL, "groovae_4bar"])
@pytest.mark.parametrize("amount", [1, 3])
def test_no_hit_is_added_or_lost_or_leaves_its_step(name, amount):
    midi = band()
    result = only(midi, name, amount=amount)
    assert cells(result.midi) == cells(midi)
    assert result.report.moved > 40 and result.report.louder_or_softer > 40


@pytest.mark.parametrize("name", [HUMANIZE, CONTROL])
def test_an_amount_of_zero_changes_nothing(name):
    midi = band()
    assert events(only(midi, name, amount=0).midi) == events(midi)


def test_an_amount_of_zero_adds_and_removes_no_hit_either():
    midi = band()
    for name in (HUMANIZE, INFILL):
        result = only(midi, name, amount=0, preserve_onsets=False)
        assert events(result.midi) == events(midi)
        assert not result.report.added and not result.report.removed
    assert only(midi, TAP, amount=0).report.removed  # of taps nothing stays


def test_half_the_amount_goes_half_the_way():
    midi = song(track(beat(2)))
    before, half, whole = (
        sorted(
            MidiSong(only(midi, amount=amount, temperature=1e-9).midi).notes,
            key=lambda one: (one.pitch, one.start),
        )
        for amount in (0, 0.5, 1)
    )
    for one, two, three in zip(before, half, whole):
        assert abs(two.start - (one.start + three.start) / 2) <= 1
        assert abs(two.velocity - (one.velocity + three.velocity) / 2) <= 1


def test_velocity_and_timing_are_applied_apart():
    midi = song(track(beat(2)))
    by_tick = lambda one: [(n.start, n.pitch) for n in MidiSong(one).notes]
    louder = only(midi, apply=["velocity"]).midi
    assert by_tick(louder) == by_tick(midi) and strokes(louder) != strokes(midi)
    moved = only(midi, apply=["timing"])
    assert not moved.report.louder_or_softer and moved.report.moved
    velocities = lambda one: sorted((p, v) for _, p, v in strokes(one))
    assert velocities(moved.midi) == velocities(midi)


def test_a_flam_moves_as_one():
    flam = note(2 * STEP - 35, 38, 50) + note(2 * STEP, 38, 100)
    two_snares = note(4 * STEP, 38, 100) + note(4 * STEP, 40, 60)
    early_grace = note(8 * STEP - 70, 38, 40) + note(8 * STEP, 38, 110)
    midi = song(track(flam + two_snares + early_grace))
    result = only(midi)
    assert result.report.moved == 6
    by_time = [(n.start, n.velocity) for n in MidiSong(result.midi).notes]
    before = [(n.start, n.velocity) for n in MidiSong(midi).notes]
    for i in (0, 2, 4):
        apart = lambda notes, i=i: notes[i + 1][0] - notes[i][0]
        ratio = lambda notes, i=i: notes[i][1] / notes[i + 1][1]
        assert apart(by_time) == apart(before)
        assert ratio(by_time) == pytest.approx(ratio(before), rel=0.1)


def onsets(ticks, velocities=(90,)):
    """Closed hi-hats at these ticks of the second bar."""
    velocities = np.resize(velocities, len(ticks)).tolist()
    hits = zip(ticks, velocities)
    return [e for t, v in hits for e in note(BAR + t, 42, v, 9, 10)]


def with_offset(midi, late, amount=1.0):
    """Where hits begin if a model plays all of them so many steps late."""
    task = task_of(model().config, model().converter)
    read = MidiSong(midi)
    (stretch,) = played(midi, task)
    result = stretch.played._replace(
        offsets=np.full_like(stretch.played.offsets, -2 * late)
    )
    edits, everything = Edits(), stretch.played.hits > 0
    new = NewNotes(0, 9, [], replaces=False, end=4 * BAR)
    blend = Blend(amount, False, True)
    add_edits(edits, read, stretch, result, everything, blend, new)
    assert not edits.added and not edits.removed
    return [tick - BAR for tick, _, _ in strokes(read.edited(edits))]


EIGHTH_TRIPLETS = [0, 160, 320, 480, 640, 800, 960]
OFF_THE_GRID = {
    "32nds": list(range(0, 480, 60)),
    "eighth triplets": EIGHTH_TRIPLETS,
    "sixteenth triplets": list(range(0, 960, 80)),
    "shuffled eighths": [0, 320, 480, 800, 960, 1280],
    "shuffled sixteenths": [0, 160, 240, 400, 480, 640, 720, 880],
}


@pytest.mark.parametrize("ticks", OFF_THE_GRID.values(), ids=OFF_THE_GRID)
@pytest.mark.parametrize("velocities", [(90,), (60, 110), (110, 60)])
def test_notes_between_sixteenths_keep_their_place(ticks, velocities):
    midi = song(track(onsets(ticks, velocities), end=3 * BAR))
    assert with_offset(midi, late=0) == ticks
    for late in (-0.1, 0.1):
        moves = np.subtract(with_offset(midi, late), ticks)
        assert set(moves.tolist()) == {round(late * STEP)}


@pytest.mark.parametrize("gap", [40, 60], ids=["triplets", "32nds"])
def test_a_roll_that_swells_moves_as_one(gap):
    ticks = list(range(0, 480, gap))
    midi = song(track(onsets(ticks, range(30, 30 + len(ticks))), end=3 * BAR))
    (stretch,) = played(midi, task_of(model().config, model().converter))
    on_steps = {number for number, tick in enumerate(ticks) if not tick % STEP}
    assert stretch.between == set(range(len(ticks))) - on_steps
    assert with_offset(midi, late=0, amount=0) == ticks


def test_a_drag_leads_to_its_stroke():
    ticks = [0, 240 - 80, 240 - 40, 240]
    midi = song(track(onsets(ticks, (100, 30, 40, 100)), end=3 * BAR))
    (stretch,) = played(midi, task_of(model().config, model().converter))
    assert set(map(tuple, stretch.cells.values())) == {(0,), (3, 2, 1)}
    assert not stretch.between
    # Late enough that the drag would be another step's by itself.
    moves = np.subtract(with_offset(midi, late=0.2), ticks)
    assert moves.tolist() == [24] * 4


def test_a_grace_note_of_a_stroke_between_steps_moves_with_it():
    ticks = [0, 157, 193, 480]
    midi = song(track(onsets(ticks, (90, 8, 11, 90)), end=3 * BAR))
    assert with_offset(midi, late=-0.3, amount=0) == ticks
    moves = np.subtract(with_offset(midi, late=0.1), ticks)
    assert moves.tolist() == [12] * 4


def test_notes_near_a_step_take_the_timing_of_the_model():
    ticks = [0, 120 + 25, 240 - 25, 360]
    midi = song(track(onsets(ticks), end=2 * BAR))
    assert with_offset(midi, late=0.1) == [12, 132, 252, 372]


def test_notes_between_sixteenths_are_counted_and_moved_in_between():
    midi = song(track(beat(1) + onsets(EIGHTH_TRIPLETS), end=3 * BAR))
    result = only(midi, amount=0.2)
    assert result.report.between == 4
    assert "timing of the notes around them: 4 notes between" in str(result.report)
    hats = [(t, v) for t, pitch, v in strokes(result.midi) if pitch == 42][8:]
    for first in (0, 3):
        one, two, three, four = (tick for tick, _ in hats[first : first + 4])
        assert abs((two - one) - (four - one) / 3) < 4
        assert abs((three - one) - (four - one) * 2 / 3) < 4
    assert {velocity for _, velocity in hats} != {90}
    as_played = only(midi, "groovae_4bar")  # it reads their timing itself
    assert not as_played.report.between


def test_an_answer_without_a_note_is_said():
    assert transform.Report("", Counter(), [], taken=6, removed=6).is_silent
    for other in ({"removed": 6, "added": 1}, {"removed": 5}):
        assert not transform.Report("", Counter(), [], taken=6, **other).is_silent
    assert not transform.Report("", Counter(), [], taken=0).is_silent


def test_what_to_apply_may_be_one_text():
    midi = song(track(beat(2)))
    parts = only(midi, apply=("timing",)), only(midi, apply="timing")
    assert strokes(parts[0].midi) == strokes(parts[1].midi) != strokes(midi)


def test_bars_of_two_quarters_are_read_two_by_two():
    kit = track(beat(4))
    halves = only(song(track([metre(0, 2)]), kit))
    whole = only(song(track([metre(0, 4)]), kit))
    assert strokes(halves.midi) == strokes(whole.midi) != strokes(song(kit))
    assert halves.report.left_out == {}
    said = "Read two by two as bars of 4/4: 8 bars in 2/4"
    assert said in halves.report.lines() and said not in whole.report.lines()
    metres = [m for m in halves.midi.tracks[0] if m.type == "time_signature"]
    assert [m.numerator for m in metres] == [2]


def test_of_an_odd_number_of_such_bars_the_last_is_read_too():
    """And the bars behind it as if they stood alone."""
    cut = 3 * BAR + BAR // 2
    kit = track(beat(6))
    result = only(song(track([metre(0, 2), metre(cut, 4)]), kit))
    assert result.report.taken == len(strokes(song(kit)))
    assert cells(result.midi) == cells(song(kit))


def test_one_such_bar_among_others_stays():
    head = track([metre(0, 4), metre(BAR, 2), metre(BAR + BAR // 2, 4)])
    result = only(song(head, track(beat(4))))
    assert result.report.left_out["bars in 2/4"] == 1


def test_bars_in_another_metre_and_unknown_drums_stay_and_are_counted():
    third = 2 * BAR + 6 * QUARTER  # where 4/4 comes back, after two bars of 3/4
    waltz = [e for e in beat(2, first_bar=2) if e[0] < third - STEP]
    late = [(tick + third, message) for tick, message in beat(3)]
    kit = track(beat(2) + note(0, 16) + waltz + late)
    midi = song(track([metre(2 * BAR, 3), metre(third, 4)]), kit)
    result = only(midi)
    before, after = strokes(midi), strokes(result.midi)
    in_waltz = lambda s: 2 * BAR + STEP <= s[0] < third - STEP
    assert list(filter(in_waltz, after)) == list(filter(in_waltz, before))
    assert (0, 16, 90) in after
    assert result.report.left_out["bars in 3/4"] == 2
    assert result.report.left_out["notes of unmapped drum pitch 16"] == 1
    assert "Unchanged:" in str(result.report) and "2 bars in 3/4" in str(result.report)
    assert after != before


@pytest.mark.parametrize("cut", [BAR + 2 * QUARTER, BAR + 2 * QUARTER + 47])
@pytest.mark.parametrize("has_more", [True, False])
def test_nothing_is_written_into_bars_behind_a_metre_that_cuts_one_short(cut, has_more):
    """Also where it sets in off the grid, and where no drum follows."""
    kit = [e for e in beat(2) if e[0] < cut - 70]
    if has_more:
        kit += note(cut - 60, 38) + note(cut + 3 * QUARTER, 38)
    midi = song(track([metre(cut, 3)]), track(kit, end=cut + 6 * QUARTER))
    # From where a note is nearer to the bar line than to the last step.
    first = cut - STEP // 2 if cut % STEP == 0 else cut
    for name in (TAP, INFILL, HUMANIZE):
        result = only(midi, name, preserve_onsets=False)
        assert result.report.added
        before, after = (
            {s for s in strokes(one) if s[0] >= first} for one in (midi, result.midi)
        )
        assert after == before


def test_of_equal_strokes_the_nearest_to_the_step_leads():
    trained = model("groovae_4bar")
    midi = song(track(onsets(range(0, 480, 60))))
    (stretch,) = played(midi, task_of(trained.config, trained.converter))
    assert not stretch.between and stretch.played.hits.sum() == 5
    (offsets,) = np.nonzero(stretch.played.offsets.sum(axis=1))
    assert offsets.tolist() == [20]  # the last one, which is alone


def test_no_note_is_in_two_stretches():
    """4/4 begins anew 47 ticks after a step; a note just before it is early."""
    cut = BAR + 2 * QUARTER + 47
    kit = beat(1) + note(cut - 50, 38) + note(cut - 70, 36) + note(cut + QUARTER, 38)
    midi = song(track([metre(0, 4), metre(cut, 8, 8)]), track(kit))
    stretches = played(midi, task_of(model().config, model().converter))
    numbers = [n for s in stretches for cell in s.cells.values() for n in cell]
    assert len(stretches) == 2 and sorted(numbers) == list(range(len(kit) // 2))


def test_silent_bars_stay_silent():
    midi = song(track(beat(2) + beat(2, first_bar=6)))
    for name in (TAP, INFILL):
        after = strokes(only(midi, name).midi)
        assert not [s for s in after if 2 * BAR + STEP <= s[0] < 6 * BAR - STEP]


# What is played.


def test_hats_are_added_and_the_other_drums_stay():
    stiff = [hit for hit in BEAT if hit[1] != 42]
    midi = band(drums=beat(6, hits=stiff))
    result = only(midi, INFILL)
    assert result.report.added and not result.report.moved
    assert [s for s in strokes(result.midi) if s[1] != 42] == strokes(midi)
    assert {s[1] for s in strokes(result.midi)} - {s[1] for s in strokes(midi)} == {42}


def test_hats_that_are_there_stay_unless_they_are_given_up():
    midi = band()
    kept = only(midi, INFILL)
    assert set(strokes(midi)) <= set(strokes(kept.midi))
    anew = only(midi, INFILL, preserve_onsets=False)
    assert anew.report.removed and anew.report.added
    others = lambda one: [s for s in strokes(one) if s[1] != 42]
    assert others(anew.midi) == others(midi)


@pytest.mark.parametrize("end", [BAR + 3 * QUARTER + 70, 2 * BAR])
def test_added_notes_have_their_length_and_end_with_the_bar(end):
    kit = [e for e in beat(2) if e[0] <= end] + note(2 * BAR - 50, 36, length=49)
    kit = [e for e in kit if end == 2 * BAR or e[0] < BAR + 3 * QUARTER + 70]
    midi = song(track([], end=9 * BAR), track(kit, end=end))
    hits = 0
    for name in (TAP, INFILL):
        result = only(midi, name, preserve_onsets=False)
        added = MidiSong(result.midi).notes
        assert all(one.start < 2 * BAR for one in added)
        lasts = [one for one in added if one.start > 2 * BAR - QUARTER]
        follow = {(one.pitch, one.start) for one in added}
        for one in lasts:
            is_cut = one.end == 2 * BAR or (one.pitch, one.end) in follow
            hits += one.end - one.start == STEP
            assert one.end - one.start in (STEP, 60, 49) or is_cut
        assert end <= events(result.midi)[1][-1][0] <= 2 * BAR
    assert hits


def test_a_kit_takes_the_place_of_taps_on_any_key():
    taps = [e for step in range(0, 64, 3) for e in note(step * STEP, 20, 80, 2)]
    midi = song(track(beat(1, channel=4)), track(taps, "Taps"))
    result = only(midi, TAP, drums="track:taps")
    assert not strokes(result.midi, 2)
    assert strokes(result.midi, 9) and len({s[1] for s in strokes(result.midi)}) > 2
    assert events(result.midi)[0] == events(midi)[0]
    assert result.report.removed == 22


def test_without_preserving_the_model_decides_hits():
    midi = song(track(beat(4)))
    result = only(midi, preserve_onsets=False)
    assert cells(result.midi) != cells(midi)
    assert result.report.added and result.report.removed


def test_versions_differ_and_the_same_seed_repeats_them():
    config = configs.override(configs.load(HUMANIZE), TINY)
    midi = song(track(beat(3)))

    def versions():
        trained = TrainedModel(config, 4, seed=3)
        for variable, like in zip(trained.model.weights, model().model.weights):
            variable.assign(like)
        return [
            events(v.midi)
            for v in trained.transform(midi, num_outputs=2, temperature=1)
        ]

    one, other = versions()
    assert one != other
    assert versions() == [one, other]


# Windows.


def played(midi, task):
    read = MidiSong(midi)
    numbers, _ = transform.chosen_drums(read, "auto", task.converter.pitch_classes)
    return grid(read, numbers, task.converter).stretches


def test_what_the_encoder_reads_is_what_the_converter_extracts(tmp_path):
    trained = model("groovae_4bar")
    task = task_of(trained.config, trained.converter)
    loose = [(t + (t % 7) * 5, m) for t, m in beat(4) if m.type == "note_on"]
    midi = song(track(loose + note(4 * BAR - 60, 38)))
    midi.save(tmp_path / "one.mid")
    (example,) = task.converter.to_examples(read_midi(tmp_path / "one.mid"))
    (stretch,) = played(midi, task)
    rows = task.converter.rows(stretch.played)[: example.length]
    np.testing.assert_allclose(rows, task.converter.unpack(example).inputs, atol=1e-4)


def test_windows_cover_a_song_of_any_length():
    windows = WindowModel(model(), task_of(model().config, model().converter))
    for bars in range(1, 9):
        starts = windows.starts(bars * 16)
        covered = {s for start in starts for s in range(start, start + 32)}
        assert set(range(bars * 16)) <= covered
        assert all(start % 16 == 0 for start in starts)


def jumps(groove, hop):
    """Mean changes of velocity and offset from hit to hit, across and within hops."""
    across, within = [], []
    for drum in range(groove.hits.shape[1]):
        steps = np.flatnonzero(groove.hits[:, drum])
        for one, two in zip(steps, steps[1:]):
            change = [
                abs(feature[two, drum] - feature[one, drum])
                for feature in (groove.velocities, groove.offsets)
            ]
            (across if one // hop != two // hop else within).append(change)
    return np.mean(across, axis=0), np.mean(within, axis=0)


def test_joins_of_windows_have_no_seam():
    """All hits alike: without joins nothing but the model's own course is heard."""
    trained = model()
    task = task_of(trained.config, trained.converter)
    rng = np.random.default_rng(1)
    hits = [(s, p, 90) for s in range(16) for p in (42, 36) if rng.random() < 0.8]
    (stretch,) = played(song(track(beat(40, hits=hits))), task)

    def ratio(hop):
        model_of_windows = WindowModel(trained, task)
        model_of_windows.hop = hop
        windows = model_of_windows.read(model_of_windows.cut(stretch.played))
        noise = np.random.default_rng(2).normal(size=windows.means.shape)
        # Windows of very different latent vectors, the worst case.
        windows = windows._replace(means=windows.means + 3 * noise)
        free = freedom(task, stretch.played)
        result = perform(
            model_of_windows, stretch.played, windows, free, 0 * noise[0], 0.5
        )
        across, within = jumps(result, hop)
        return across / within

    assert (ratio(16) < 1.2).all()
    assert (ratio(32) > 1.5).any()  # windows side by side can be heard


# What is refused.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat-mel_2bar_small", "not grooves .*groovae_2bar_humanize"),
        ("hierdec-groove_4bar", "cannot keep given hits"),
        ("musicvae_groove_tokens", "not grooves"),
    ],
)
def test_configs_that_transform_nothing_are_refused(name, words):
    with pytest.raises(
        UnfitConfig, match=f"config {name} transforms no songs.*{words}"
    ):
        task_of(configs.load(name), None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"amount": -1}, "amount=-1: expected 0 to 10"),
        ({"amount": float("nan")}, "amount=nan"),
        ({"apply": ["pitch"]}, "apply=pitch: expected velocity"),
        ({"apply": []}, "expected velocity"),
        ({"temperature": 0}, "temperature=0: expected a number above 0"),
    ],
)
def test_options_without_sense_are_refused(options, words):
    with pytest.raises(transform.BadTransform, match=words):
        only(band(), **options)


def test_onsets_are_not_preserved_where_a_kit_takes_their_place():
    with pytest.raises(UnfitConfig, match="the place of the taps"):
        only(band(), TAP, preserve_onsets=True)
    with pytest.raises(UnfitConfig, match="decides no hits"):
        only(band(), CONTROL, preserve_onsets=False)


@pytest.mark.parametrize(
    ("midi", "words"),
    [
        (song(track([])), "no notes"),
        (song(track(note(0, 60, channel=0), "Piano")), "no drums.*named: Piano"),
        (song(track([metre(0, 3)]), track(beat(2))), "3 bars in 3/4"),
        (song(track(note(0, 3))), "unmapped drum pitch 3"),
    ],
)
def test_songs_without_drums_for_the_model_are_refused(midi, words):
    with pytest.raises(transform.NothingToTransform, match=words):
        only(midi)


def test_drums_are_found_where_a_daw_left_them():
    kit = track(beat(2, channel=0), "Drum Rack")
    bass = track(beat(2, channel=1, hits=[(0, 40, 90)]), "Bass")
    midi = song(bass, kit)
    result = only(midi)
    assert events(result.midi)[0] == events(midi)[0]
    assert result.report.tracks == {"track Drum Rack, channel 1": 26}
    assert drum_parts.TAKEN_AS_DRUMS in result.report.remarks
    unnamed = song(bass, track(beat(2, channel=0), "Loop"))
    with pytest.raises(transform.NothingToTransform, match="--drums=track:NAME"):
        only(unnamed)
    assert only(unnamed, drums="track:loop").report.moved


def test_drums_on_another_channel_are_heard_as_drums():
    program = mido.Message("program_change", channel=0, program=0)
    volume = mido.Message("control_change", channel=0, control=7, value=90)
    kit = track([(0, program), (0, volume), *beat(2, channel=0)], "Drums")
    bass = track(beat(2, channel=0, hits=[(0, 40, 90)]), "Bass")
    result = only(song(bass, kit))
    heard = result.heard()
    assert heard.tracks[0] == result.midi.tracks[0]
    channels = [(m.type, m.channel) for m in heard.tracks[1] if not m.is_meta]
    assert channels[:2] == [("program_change", 0), ("control_change", 9)]
    assert len(channels) == 2 + 2 * 26
    assert {channel for _, channel in channels[2:]} == {9}
    assert sum(note.is_drum for note in parse_as_daw(_saved(heard)).notes) == 26
    assert {m.channel for m in result.midi.tracks[1] if not m.is_meta} == {0}


def _saved(midi):
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def test_a_drum_map_is_read_and_written():
    toms = [(step, 58, 90) for step in range(0, 16, 4)]  # third tom's rim on a TD-11
    midi = song(track(beat(2, hits=toms)))
    with_map = only(midi, INFILL, drum_map=drum_maps.load("td11"))
    assert {pitch for _, pitch, _ in strokes(with_map.midi)} == {58, 42}
    ableton = only(midi, TAP, drum_map=drum_maps.load("ableton"))
    new = {pitch for _, pitch, _ in strokes(ableton.midi)}
    assert new & {41, 43, 45} and not new & {47, 48, 50, 51}


def test_an_hour_is_counted_window_by_window():
    midi = song(track(beat(60)))
    seen = []

    class Shown:
        def __init__(self, total):
            seen.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def advance(self, windows):
            seen.append(windows)

    only(midi, progress=Shown)
    assert seen == [2 * 59, 59, *[4] * 14, 3]  # encoded, then decoded


def test_a_file_is_read_and_written(tmp_path):
    band().save(tmp_path / "song.mid")
    only(tmp_path / "song.mid").save(tmp_path / "out.mid")
    assert without_drums(mido.MidiFile(tmp_path / "out.mid")) == without_drums(band())
    (tmp_path / "junk.mid").write_bytes(b"junk")
    with pytest.raises(UnreadableMusic, match="junk.mid: not a MIDI file"):
        only(tmp_path / "junk.mid")


def test_bad_events_and_a_track_that_is_cut_off_cost_only_themselves(tmp_path):
    whole = _saved(band())
    clock_and_key = b"\0\xf8\0\xff\x59\2\x08\0"
    start = whole.index(b"MTrk") + 8
    head, track_ = whole[: start - 4], whole[start:-60]
    size = int.from_bytes(whole[start - 4 : start], "big") + len(clock_and_key)
    broken = head + size.to_bytes(4, "big") + clock_and_key + track_
    result = only(broken)
    result.save(tmp_path / "out.mid")
    assert clock_and_key in (tmp_path / "out.mid").read_bytes()
    assert result.report.moved > 40
    assert (
        "DAW does: 1 byte outside of any message, 1 impossible key signature, "
        in str(result.report)
    )
    assert "1 track that is cut off" in str(result.report)


def test_drums_of_every_task_are_found_where_they_are_alone():
    """Kick and snare get hi-hats, and taps on any key a kit, without --drums."""
    beat_alone = [hit for hit in BEAT if hit[1] != 42]
    result = only(song(track(beat(2, channel=0, hits=beat_alone))), INFILL)
    assert result.report.taken == 2 * len(beat_alone)
    taps = [(step, 60, 90) for step in (0, 3, 6, 10)]
    tapped = song(track(beat(2, channel=0, hits=taps), "Piano"))
    assert only(tapped, TAP).report.taken == 8
    with pytest.raises(NoDrums):
        only(tapped)


def test_drums_on_a_track_each_are_transformed_beside_others():
    tracks = [
        track(beat(2, channel=0, hits=[hit for hit in BEAT if hit[1] == pitch]), name)
        for pitch, name in ((36, "Kick"), (38, "Snare"), (42, "Hi-Hat"))
    ]
    bass = track(beat(2, channel=1, hits=[(0, 40, 90)]), "Bass")
    midi = song(bass, *tracks)
    result = only(midi)
    assert result.report.taken == 2 * len(BEAT)
    assert events(result.midi)[0] == events(midi)[0]
    assert only(midi, drums="track:Kick,Snare").report.taken == 10
    assert only(midi, drums="track:4").report.taken == 16


def test_a_number_of_a_track_is_that_of_the_note_sequence():
    """Not by channels and programs, but by the notes that end first."""
    melody = [e for t in range(0, 2 * BAR, QUARTER) for e in note(t, 60, 90, 5)]
    bass = [e for t in range(QUARTER, 2 * BAR, BAR) for e in note(t, 36, 90, 0)]
    kit = [(t + 2 * QUARTER, message) for t, message in beat(2, channel=2)]
    swap = [
        (0, mido.Message("program_change", channel=2, program=25)),
        (BAR, mido.Message("program_change", channel=2, program=8)),
    ]
    midi = song(track(melody + bass + swap + kit, "Song"), kind=0)
    read, data = MidiSong(midi), io.BytesIO()
    midi.save(file=data)
    sequence = parse_as_daw(data.getvalue())
    count = len({one.instrument for one in sequence.notes})
    assert count == 4
    for number in range(1, count + 1):
        chosen, _ = transform.chosen_drums(read, f"track:{number}", "reduced")
        same = [one for one in sequence.notes if one.instrument == number - 1]
        assert sorted((read.notes[n].program, read.notes[n].pitch) for n in chosen) == (
            sorted((one.program, one.pitch) for one in same)
        )
