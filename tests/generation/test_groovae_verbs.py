"""Every verb with every GrooVAE config: each does its work, or is refused."""

import pytest
from song_files import band, strokes, without_drums
from untrained_runs import playing_model

from music_vae_tf import config as configs
from music_vae_tf.generation import latent_verbs
from music_vae_tf.generation.inputs import InputOptions
from music_vae_tf.generation.transform_tasks import (
    UnfitConfig,
    check_config,
    fitting_configs,
)

TINY = "enc_rnn_size=[8],dec_rnn_size=[8],z_size=4"
GROOVES = [name for name in configs.names() if name.startswith("groovae")]


def small(name):
    return playing_model(name, TINY, 4)


@pytest.fixture
def song(tmp_path):
    """A file of a band."""
    path = tmp_path / "song.mid"
    band().save(path)
    return path


def test_all_groovae_configs_transform_songs():
    assert set(fitting_configs()) == set(GROOVES) and len(GROOVES) >= 6


@pytest.mark.parametrize("name", GROOVES)
def test_every_verb_works_on_a_file(name, song):
    model = small(name)
    (result,) = model.transform(song)
    assert without_drums(result.midi) == without_drums(band())
    assert strokes(result.midi)
    parts = latent_verbs.read_inputs(model, [song], InputOptions(bar="all"))
    read = (parts * 2)[:2]
    quarters = latent_verbs.length_quarters(model)
    made = [
        *latent_verbs.reconstruct(model, read[:1]),
        *latent_verbs.vary(model, read[:1], 2),
        *latent_verbs.interpolate(model, read, 3),
    ]
    assert len(made) == 6
    for sequence in made:
        expected = quarters * 60 / sequence.tempos[0].qpm
        assert sequence.total_time == pytest.approx(expected)
    if model.model.control_depth:
        with pytest.raises(latent_verbs.BadVerb, match="it is conditioned"):
            latent_verbs.continue_inputs(model, read[:1])
    else:
        assert len(latent_verbs.continue_inputs(model, read[:1], 1)) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("hierdec-groove_4bar", "cat-drums_2bar_small", "cat-mel_2bar_small"),
        *("hierdec-trio_16bar", "hier-multiperf_vel_1bar_med", "clef_lstm"),
    ],
)
def test_configs_that_do_not_fit_are_refused_with_those_that_do(name):
    with pytest.raises(UnfitConfig, match=f"config {name} transforms no songs") as told:
        check_config(configs.load(name))
    assert ", ".join(fitting_configs()) in str(told.value)
