"""What attributes do to a model's music, and the files of their vectors."""

import json

import numpy as np
import pytest
from song_files import QUARTER, band, strokes
from untrained_runs import playing_model

from music_vae_tf import pretrained
from music_vae_tf.analysis.attributes import NAMES, BadAmounts
from music_vae_tf.data import grooves
from music_vae_tf.generation import TrainedModel
from music_vae_tf.generation import collection as collections
from music_vae_tf.generation.attribute_fitting import (
    NoAttributes,
    fit,
    fit_playing,
    measured_of,
    write_effects,
)
from music_vae_tf.generation.attributes import (
    BadAttribute,
    attributes_of,
    shift,
    write_attributes,
)
from music_vae_tf.generation.transform import BadTransform

TINY = "enc_rnn_size=[8],dec_rnn_size=[8],z_size=4"
HUMANIZE = "groovae_2bar_humanize"
STEP = QUARTER // 4


def untrained(name):
    return playing_model(name, TINY, 32)


@pytest.fixture(scope="module")
def small():
    return untrained("groovae_4bar")


@pytest.fixture(scope="module")
def collection(small):
    return collections.encode(small, (one for _, one in grooves.performances(24)), {})


@pytest.fixture(scope="module")
def fitted(small, collection):
    return fit(small, collection, collection)


@pytest.fixture(scope="module")
def playing(small, collection):
    return fit_playing(small, collection, collection)


@pytest.fixture
def file(small, fitted, playing, tmp_path):
    path = tmp_path / "attributes.json"
    write_attributes(path, small, fitted.vectors, playing.vectors)
    return path


@pytest.fixture(scope="module")
def humanize():
    return TrainedModel(HUMANIZE, 32, seed=1)


# The models in the box.


@pytest.mark.parametrize(
    "name", [name for name in pretrained.names() if pretrained.attributes_path(name)]
)
def test_a_pretrained_models_vectors_are_of_its_weights(name):
    model = TrainedModel(name, 8)
    vectors = attributes_of(model)
    assert vectors and set(vectors) <= set(NAMES)
    assert pretrained.attributes_path(name).stat().st_size < 100_000
    for one in vectors.values():
        assert one.vector.shape == (model.z_size,) and one.deviation > 0


@pytest.mark.parametrize("name", ["density", "syncopation", "laid_back", "swing"])
def test_an_amount_of_one_moves_what_it_names(humanize, name):
    z = humanize.draw(48)
    one = attributes_of(humanize)[name]
    low, high = (
        np.nanmean(measured_of(humanize, z + amount * one.vector)[:, NAMES.index(name)])
        for amount in (-1, 1)
    )
    assert high - low > 0.5 * one.deviation


def test_a_song_is_moved_by_attributes_of_its_playing(humanize):
    low, high = (
        strokes(humanize.transform(band(), temperature=1e-9, attributes=a)[0].midi)
        for a in ("velocity=-1", {"velocity": 1})
    )
    step = lambda stroke: (round(stroke[0] / STEP), stroke[1])
    for one in (low, high):
        assert sorted(map(step, one)) == sorted(map(step, strokes(band())))
    low, high = (np.mean([velocity for _, _, velocity in one]) for one in (low, high))
    assert high > low + 5
    with pytest.raises(BadTransform, match="density: all hits stay where they are"):
        humanize.transform(band(), attributes={"density": 1})
    assert humanize.transform(band(), attributes={"density": 1}, preserve_onsets=False)


def test_amounts_add_up(humanize):
    vectors = attributes_of(humanize)
    expected = 2 * vectors["density"].vector - vectors["laid_back"].vector
    moved = humanize.shift("density=2,laid_back=-1")
    np.testing.assert_allclose(moved, expected, rtol=1e-5)
    assert moved.dtype == np.float32


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ("groove=1", "has no attribute groove; it has density, syncopation"),
        ("pitch_range=1", "has no attribute pitch_range; it has"),
    ],
)
def test_an_attribute_that_a_model_has_not_is_refused(humanize, amounts, words):
    with pytest.raises(BadAttribute, match=words):
        shift(humanize, amounts)
    with pytest.raises(BadAmounts, match="from -5 to 5"):
        shift(humanize, {"density": float("nan")})


def test_other_weights_of_the_same_config_have_no_attributes():
    assert attributes_of(untrained(HUMANIZE)) == {}
    with pytest.raises(BadAttribute, match="nor any other: music_vae_explore writes"):
        shift(untrained(HUMANIZE), "density=1")


# Vectors of any model.


def test_vectors_are_made_of_data_and_kept_in_a_file(small, fitted, file):
    vectors = attributes_of(small, file)
    assert set(vectors) == set(fitted.vectors) and vectors
    for name, one in vectors.items():
        expected = fitted.vectors[name]
        np.testing.assert_allclose(one.vector, expected.vector, rtol=1e-3)
        assert one.correlation == pytest.approx(expected.correlation, rel=1e-3)
        assert one.correlation >= 0.2


def test_the_same_data_give_the_same_bytes(small, collection, playing, file, tmp_path):
    again = fit(small, collection, collection).vectors
    write_attributes(tmp_path / "b", small, again, playing.vectors)
    assert (tmp_path / "b").read_bytes() == file.read_bytes()


def test_vectors_of_given_hits_are_of_their_playing_and_kept_apart(
    small, playing, file
):
    assert playing.names and set(playing.names) <= {
        *("swing", "laid_back", "velocity", "velocity_range")
    }
    kept = attributes_of(small, file, given_hits=True)
    assert list(kept) == list(playing.vectors)


def test_a_decoder_that_cannot_be_given_hits_has_none_of_their_playing():
    model = untrained("hierdec-groove_4bar_small")
    music = (one for _, one in grooves.performances(12))
    collection = collections.encode(model, music, {})
    assert fit_playing(model, collection, collection) is None


def test_the_report_has_a_row_and_a_column_for_each_attribute(
    fitted, playing, tmp_path
):
    count = len(fitted.names)
    assert len(fitted.lines()) == count + 1
    write_effects(tmp_path / "effects.json", fitted, playing)
    effects = json.loads((tmp_path / "effects.json").read_text())
    assert effects["attributes"] == fitted.names
    assert np.shape(effects["spearman"]) == (count, count)
    assert np.abs(effects["spearman"]).max() <= 1
    assert np.shape(effects["moved_deviations"]) == (count, count)
    assert effects["given_hits"]["attributes"] == playing.names


def test_vectors_stay_within_reach(fitted):
    longest = max(np.linalg.norm(one.vector) for one in fitted.vectors.values())
    assert longest <= 0.4 * np.sqrt(2 * 4) * 1.001


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: "[]", "is not a file of attributes"),
        (lambda content: "{", "is not a file of attributes"),
        (lambda content: content | {"weights_norm": 1.0}, "of other weights"),
        (lambda content: content | {"config": "groovae_2bar"}, "holds attributes of"),
        (lambda content: _with(content, vector=[1.0]), "has 1 numbers; 4 are expected"),
        (lambda content: _with(content, vector=[1e999] * 4), "are not finite"),
        (lambda content: _with(content, vector=["a"] * 4), "is damaged"),
        (lambda content: _with(content, mean=None), "is damaged"),
        (lambda content: content | {"attributes": {"a": {"vector": [0] * 4}}}, "'a'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(small, file, change, words):
    changed = change(json.loads(file.read_text()))
    file.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(BadAttribute, match=words):
        attributes_of(small, file)


def _with(content, **fields):
    name, one = next(iter(content["attributes"].items()))
    return content | {"attributes": {name: one | fields}}


def test_too_few_examples_and_conditioned_models_are_refused(small, collection):
    few = collection._replace(means=collection.means[:3])
    with pytest.raises(NoAttributes, match="3 examples are too few"):
        fit(small, few, collection)
    with pytest.raises(NoAttributes, match="is conditioned"):
        fit(untrained("groovae_2bar_hits_control_tfds"), collection, collection)
