"""What a GrooVAE config does to a song: which hits it decides, which it plays anew."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from music_vae_tf.config import Config
from music_vae_tf.data.converters.groove import GrooveConverter
from music_vae_tf.data.converters.groove_edits import Groove
from music_vae_tf.errors import UserFacingError

HUMANIZE, TAP, INFILL, PERFORM, CONTROL = (
    "humanize",
    "tap2drum",
    "infill",
    "perform",
    "hits control",
)


class UnfitConfig(UserFacingError, ValueError):
    """A config that transforms no song, or an option that its task does not have."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A config's task on a song.

    Attributes:
        name: one of the above.
        description: for users, after "it ".
        converter: prepares what the encoder reads; without random edits.
        preserves_onsets: whether each hit stays where it is. Then humanizing adds none.
    """

    name: str
    description: str
    converter: GrooveConverter
    preserves_onsets: bool


class Freedom(NamedTuple):
    """What a model decides of a stretch: bool `[steps, drums]` each."""

    hits: np.ndarray  # whether the drum is hit
    playing: np.ndarray  # how loud and when, where it is hit


DESCRIPTIONS = {
    HUMANIZE: "plays the hits of a score with dynamics and timing",
    TAP: "plays the whole kit along with a tapped rhythm",
    INFILL: "adds drums to a kit without them",
    PERFORM: "plays the hits again from their latent vector",
    CONTROL: "plays given hits in the feel of a latent vector",
}


def task_of(
    config: Config, converter: GrooveConverter, preserve_onsets: bool | None = None
) -> Task:
    """The task that a config was trained for.

    preserve_onsets: None is the default of the task: yes, except for taps.

    Raises:
        UnfitConfig: it has none, or its decoder cannot keep given hits.
    """
    check_config(config)
    name = _name(converter)
    if name == TAP and preserve_onsets:
        raise UnfitConfig(
            f"preserve_onsets: config {config.name} {DESCRIPTIONS[TAP]}, which takes "
            "the place of the taps: leave it out"
        )
    if name == CONTROL and preserve_onsets is False:
        raise UnfitConfig(
            f"nopreserve_onsets: config {config.name} {DESCRIPTIONS[CONTROL]}, and "
            "decides no hits: leave it out"
        )
    preserves = name != TAP if preserve_onsets is None else preserve_onsets
    whole = dataclasses.replace(converter, max_note_dropout_probability=None)
    return Task(name, DESCRIPTIONS[name], whole, preserves)


def check_config(config: Config) -> None:
    """
    Raises:
        UnfitConfig: the config transforms no songs; the message has the reason.
    """
    if is_fit(config):
        return
    if config.converter.kind != "groove":
        reason = "its examples are not grooves (hits, velocities and offsets of drums)"
    else:
        reason = "its decoder cannot keep given hits"
    raise UnfitConfig(
        f"config {config.name} transforms no songs: {reason}. Configs that do are "
        f"{', '.join(fitting_configs())}"
    )


def is_fit(config: Config) -> bool:
    """Whether models of a config can transform songs."""
    return bool(
        config.kind == "music_vae"
        and config.converter.kind == "groove"
        and config.model.decoder.kind == "lstm"
        and config.model.z_size
    )


def fitting_configs() -> list[str]:
    """Names of configs that transform songs."""
    from music_vae_tf import config as configs

    return [name for name in configs.names() if is_fit(configs.load(name))]


def _name(converter):
    if converter.tapify:
        return TAP
    if converter.add_instruments:
        return INFILL
    if converter.humanize:
        return HUMANIZE
    return CONTROL if converter.hits_as_controls else PERFORM


def freedom(task: Task, played: Groove) -> Freedom:
    """What the model decides of a stretch that was played so."""
    struck, everything = played.hits > 0, np.ones(played.hits.shape, bool)
    if task.name == TAP:
        return Freedom(everything, everything)
    if task.name == INFILL:
        asked = np.zeros(played.hits.shape, bool)
        asked[:, list(task.converter.add_instruments or ())] = True
        kept = struck if task.preserves_onsets else ~asked
        return Freedom(asked & ~kept, asked & ~kept)
    if task.preserves_onsets:
        return Freedom(~everything, struck)
    return Freedom(everything, everything)


def decides_hits(task: Task) -> bool:
    """Whether the model decides where any drum is hit."""
    return not task.preserves_onsets or task.name == INFILL


def is_silent(task: Task, played: Groove) -> np.ndarray:
    """Whether the model reads no hit in a step's bar: bool `[steps]`."""
    converter = task.converter
    sounding = converter.edit(played, None).hits.any(axis=1)
    per_bar = converter.steps_per_quarter * converter.quarters_per_bar
    bars = sounding.reshape(-1, per_bar).any(axis=1)
    return ~np.repeat(bars, per_bar)
