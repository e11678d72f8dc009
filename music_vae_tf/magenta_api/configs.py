"""The named configs in Magenta's form, and configs of that form as ours."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from music_vae_tf import config as ours
from music_vae_tf.kinds.music_vae import MusicVAEConfig, MusicVAEObjectiveConfig
from music_vae_tf.magenta_api import converters
from music_vae_tf.magenta_api.augmenter import NoteSequenceAugmenter
from music_vae_tf.magenta_api.base_model import MusicVAE
from music_vae_tf.magenta_api.training import HParams

CONVERTERS = {
    cls.kind: cls
    for cls in (
        converters.DrumsConverter,
        converters.GrooveConverter,
        converters.MultiInstrumentPerformanceConverter,
        converters.OneHotMelodyConverter,
        converters.TrioConverter,
    )
}


class Config(NamedTuple):
    """What a model is, and what it learns from."""

    model: MusicVAE | None = None
    hparams: HParams | None = None
    note_sequence_augmenter: NoteSequenceAugmenter | None = None
    data_converter: converters.BaseNoteSequenceConverter | None = None
    train_examples_path: str | None = None
    eval_examples_path: str | None = None
    tfds_name: str | None = None

    def values(self) -> dict:
        """All fields by name."""
        return self._asdict()


def update_config(config: Config, update_dict: dict) -> Config:
    """The same config with some fields replaced."""
    return config._replace(**update_dict)


def _from_ours(config: ours.Config) -> Config:
    dataset = config.dataset
    ranges = dataset.transpose_range, dataset.stretch_range
    return Config(
        model=MusicVAE(config.model.encoder, config.model.decoder),
        hparams=HParams(**ours.hparams(config)),
        note_sequence_augmenter=(
            NoteSequenceAugmenter(*ranges) if any(ranges) else None
        ),
        data_converter=CONVERTERS[config.converter.kind](**config.converter.arguments),
        tfds_name=dataset.tfds_name,
    )


def to_ours(config: Config) -> ours.Config:
    """The config of this package with the same content.

    Hparams that none of its sections has are left out, as Magenta reads them nowhere.

    Raises:
        ConfigError: an hparam is missing, or is not what it must be.
    """
    augmenter = config.note_sequence_augmenter
    ranges = dataclasses.asdict(augmenter.augmenter) if augmenter else {}
    return ours.Config(
        name="unnamed",
        kind="music_vae",
        converter=config.data_converter.section,
        model=_section(MusicVAEConfig, config.hparams, **config.model._asdict()),
        objective=_section(MusicVAEObjectiveConfig, config.hparams),
        training=_section(ours.TrainingConfig, config.hparams),
        dataset=ours.DatasetConfig(config.tfds_name, **ranges),
    )


def _section(cls: type, hparams: HParams, **others):
    names = {field.name for field in dataclasses.fields(cls)}
    mine = {name: v for name, v in hparams.values().items() if name in names}
    return ours.construct(cls, mine | others, "hparams")


# Objects of their own in every config. Magenta's share some: changing the hparams of
# hier-multiperf_vel_1bar_med there changes those of ..._med_chords. Music that Magenta
# has no converter for is left out.
CONFIG_MAP = {
    config.name: _from_ours(config)
    for config in map(ours.load, ours.names("music_vae"))
    if config.converter.kind in CONVERTERS
}
