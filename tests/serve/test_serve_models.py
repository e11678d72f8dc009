"""Which models the page offers, and maps of latent spaces."""

import json
import sys

import numpy as np
import pytest
from untrained_runs import untrained_run

from music_vae_tf import pretrained
from music_vae_tf.data.converters import tokens
from music_vae_tf.generation.attributes import AttributeVector, along
from music_vae_tf.run_directory import RunDirectory
from music_vae_tf.serve import latent_map, loops, playables
from music_vae_tf.serve.errors import CannotServe

BOX = "groovae_2bar_humanize"
TOKENS = "musicvae_groove_tokens_small"
KINDS = [
    *("cat-mel_2bar_small", "cat-drums_2bar_small", "nade-drums_2bar_full"),
    *("groovae_4bar", "hierdec-trio_16bar", "hier-multiperf_vel_1bar_med"),
]


def of_run(folder, name, examples=None):
    run = untrained_run(folder, name)
    own = RunDirectory.at(str(run)).record().config, str(run)
    return playables.Playables(own, examples)


def twelve_grooves():
    from music_vae_tf.data import grooves

    return grooves.performances(12), "twelve"


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_is_played(name, tmp_path):
    models = of_run(tmp_path, name, twelve_grooves)
    playable = models.load(models.default)
    assert json.loads(json.dumps(playables.description(playable), allow_nan=False))
    z = playable.latent_map.draw(1)
    answer = loops.answer(loops.Recipe(z, 1, 0.5, 120.0, {}), playable)
    assert answer["quarters"] >= 4
    assert json.dumps(answer, allow_nan=False)


def test_a_model_whose_libraries_are_missing_is_not_offered(monkeypatch, caplog):
    caplog.set_level("INFO", "music_vae_tf")
    assert TOKENS in playables.Playables(None).offers
    monkeypatch.setitem(sys.modules, "miditok", None)
    tokens._tokenizer.cache_clear()
    assert TOKENS not in playables.Playables(None).offers
    tokens._tokenizer.cache_clear()
    assert f"{TOKENS} is not offered" in caplog.text and "[tokens]" in caplog.text


def test_a_model_of_the_command_line_comes_first(tmp_path):
    models = of_run(tmp_path, "groovae_4bar")
    assert list(models.offers)[:2] == ["own", pretrained.usual("transform")]
    assert models.offers["own"].title == "groovae_4bar (yours)"


def test_a_model_in_the_box_is_offered_once():
    own = pretrained.config(BOX), pretrained.weights_path(BOX)
    models = playables.Playables(own)
    assert models.default == BOX
    assert "own" not in models.offers


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat-mel_2bar_med_chords", "conditioned"),
        ("groovae_2bar_hits_control_tfds", "conditioned"),
    ],
)
def test_a_model_that_needs_more_than_a_latent_vector_is_refused(name, words, tmp_path):
    with pytest.raises(CannotServe, match=words):
        of_run(tmp_path, name)


def test_at_most_two_models_stay_loaded(tmp_path, models):
    loaded = dict(models._loaded)
    try:
        assert models.load(BOX) is models.load(BOX)
        assert len(models._loaded) <= playables.MOST_LOADED
    finally:
        models._loaded.update(loaded)


def test_without_examples_a_map_is_one_of_the_prior(tmp_path):
    models = of_run(tmp_path, "cat-mel_2bar_small", lambda: (iter(()), "none"))
    plane = models.load("own").latent_map
    assert plane.source == "draws from the prior"
    assert plane.points.shape == (latent_map.PRIOR_POINTS, 2)
    assert plane.examples == []


def test_folders_are_the_styles_of_a_collection():
    from note_seq.protobuf import music_pb2

    names = ["funk/a.mid", "rock/indie/b.mid", "c.mid", ""]
    sequences = [music_pb2.NoteSequence(filename=name) for name in names]
    styles = [style for style, _ in latent_map.of_files(sequences)]
    assert styles == ["funk", "indie", "", ""]


@pytest.fixture
def plane():
    rng = np.random.default_rng(0)
    means = rng.standard_normal([40, 6]) * [4, 2, 0.5, 0.5, 0.1, 0.1] + 1
    return latent_map._map(means, np.full([40, 6], 0.1), [], "numbers")


def test_a_place_at_an_example_is_its_latent_vector(plane):
    for number in (0, 7, 39):
        found = plane.vector(plane.points[number])
        np.testing.assert_allclose(found, plane.means[number], atol=1e-3)


def test_a_place_between_examples_is_within_them(plane):
    found = plane.vector(plane.points[:2].mean(axis=0))
    assert (found >= plane.means.min(axis=0)).all()
    assert (found <= plane.means.max(axis=0)).all()


def test_a_latent_vector_is_shown_at_its_principal_components(plane):
    for number in (0, 7, 39):
        place = plane.place(plane.means[number])
        np.testing.assert_allclose(place, plane.points[number], atol=1e-9)


def test_draws_are_those_of_the_posteriors_of_examples(plane):
    draws = np.stack([plane.draw(seed) for seed in range(200)])
    nearest = ((draws[:, None] - plane.means) ** 2).sum(axis=2).min(axis=1)
    assert np.sqrt(nearest).max() < 6 * 0.1
    assert (plane.draw(3) == plane.draw(3)).all()


def attribute(vector):
    return AttributeVector(vector, 0.0, 1.0, 1.0, 1.0, "", "", True)


def test_amounts_of_attributes_move_the_latent_vector(models):
    playable = models.load(BOX)
    up = np.ones(256, np.float32)
    known = {
        "density": attribute(up),
        "swing": attribute(-up),
    }
    moved = along(known, {"density": 2, "swing": 0.5})
    np.testing.assert_allclose(moved, 1.5 * up)
    z = playable.latent_map.draw(1)
    other = playables.dataclasses.replace(playable, attributes=known)
    recipe = loops.Recipe(z, 1, 0.5, 120.0, {"density": 0.0})
    assert loops.answer(recipe, other) | {"attributes": {}} == loops.answer(
        recipe._replace(amounts={}), playable
    )


def test_a_fingerprint_changes_with_the_weights(tmp_path):
    first, second = (
        of_run(tmp_path / name, name, lambda: (iter(()), "none")).load("own")
        for name in ("cat-mel_2bar_small", "cat-drums_2bar_small")
    )
    assert loops.fingerprint(first.player) == first.fingerprint != second.fingerprint
