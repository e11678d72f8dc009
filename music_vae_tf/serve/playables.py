"""The models that the page offers: those in the box, and one of the user's own."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from music_vae_tf import pretrained
from music_vae_tf.analysis.attributes import ATTRIBUTES
from music_vae_tf.errors import UserFacingError
from music_vae_tf.serve import latent_map, loops, sounds
from music_vae_tf.serve.errors import CannotServe, Unknown

log = logging.getLogger("music_vae_tf")
BATCH_SIZE = 16  # of what is not heard at once: maps and songs
MOST_LOADED = 2
OWN = "own"  # the id of a model that the command line names


class Offer(NamedTuple):
    """A model that can be chosen."""

    id: str
    title: str
    config: Any
    checkpoint: str


@dataclasses.dataclass(frozen=True)
class Playable:
    """A model that is loaded.

    Attributes:
        player: a `TrainedModel` of batches of one, for what is heard at once.
        batches: the same model for more at a time.
        attributes, song_attributes: the `AttributeVector`s that it moves in loops, and
            where it transforms a song.
        task: what it does to a song, a `Task`; None where it transforms none.
    """

    offer: Offer
    player: Any
    batches: Any
    latent_map: latent_map.LatentMap
    attributes: Mapping[str, Any]
    song_attributes: Mapping[str, Any]
    task: Any
    fingerprint: str


class Playables:
    """Offers, and the most recent ones loaded. For one thread."""

    def __init__(
        self,
        own: tuple[Any, str] | None,
        examples: Callable[[], tuple[Iterable, str]] | None = None,
        check: Callable[..., None] = lambda *_: None,
    ):
        """
        Args:
            own: config and checkpoint of a model besides those in the box.
            examples: gives pairs (style, NoteSequence) for maps, and where they are
                from; by default the project's own grooves.
            check: is called in the course of loading, and may end it.

        Raises:
            CannotServe: the model has no latent space, or is conditioned.
        """
        self._examples, self._check, self._loaded = examples, check, {}
        # The page opens with a model that plays loops and humanizes songs.
        usual = pretrained.usual("transform")
        names = [usual, *(name for name in pretrained.names() if name != usual)]
        playable = filter(_is_playable, map(_offer_of, names))
        box = [*filter(_is_installed, playable)]
        # A model in the box that the command line names comes first.
        named = [offer for offer in box if own == (offer.config, offer.checkpoint)]
        if own and not named:
            named = [_own_offer(*own)]
        offers = [*named, *(offer for offer in box if offer not in named)]
        self.offers = {offer.id: offer for offer in offers}
        if not offers:
            raise CannotServe("there is no pretrained model: give --run_dir")

    @property
    def default(self) -> str:
        """The id of the model that the page opens with."""
        return next(iter(self.offers))

    def load(self, id: str) -> Playable:
        """The model of an offer, loaded at most once while it is used.

        Raises:
            Unknown: there is no such offer.
        """
        if id not in self.offers:
            raise Unknown(f"no model {id[:60]!r}; there are {', '.join(self.offers)}")
        playable = self._loaded.pop(id, None) or self._load(self.offers[id])
        self._loaded[id] = playable
        while len(self._loaded) > MOST_LOADED:
            del self._loaded[next(iter(self._loaded))]
        return playable

    def _load(self, offer) -> Playable:
        from music_vae_tf.generation import TrainedModel
        from music_vae_tf.generation.attributes import attributes_of

        player, batches = (
            TrainedModel(offer.config, size, offer.checkpoint, seed=0, given_hits=True)
            for size in (1, BATCH_SIZE)
        )
        task = _task_of(offer, player)
        playable = Playable(
            offer=offer,
            player=player,
            batches=batches,
            latent_map=self._map(batches),
            attributes=attributes_of(player),
            song_attributes=_song_attributes(player, task),
            task=task,
            fingerprint=loops.fingerprint(player),
        )
        first = loops.Recipe(player.draw(1)[0], 0, loops.USUAL_TEMPERATURE, 120.0, {})
        loops.decode(first, playable)  # compiles, so that the first click need not
        return playable

    def _map(self, model) -> latent_map.LatentMap:
        if self._examples is None:
            sequences, source = latent_map.own_grooves(), "the project's own grooves"
        else:
            sequences, source = self._examples()
        return latent_map.of_sequences(model, sequences, source, self._check)


def _own_offer(config, checkpoint) -> Offer:
    offer = Offer(OWN, f"{config.name} (yours)", config, checkpoint)
    if not _is_playable(offer):
        raise CannotServe(
            f"config {config.name} cannot be played on the page: it "
            f"{'has no latent space' if not config.model.z_size else _CONDITIONED}"
        )
    return offer


_CONDITIONED = "is conditioned, and the page has no chords or hits to give it"


def _offer_of(name) -> Offer:
    return Offer(name, name, pretrained.config(name), pretrained.weights_path(name))


def _is_installed(offer) -> bool:
    """Whether the libraries are there that its converter needs."""
    from music_vae_tf import build

    try:
        return build.converter(offer.config).targets is not None
    except UserFacingError as error:
        log.info("%s is not offered: %s", offer.title, error)
        return False


def _is_playable(offer) -> bool:
    from music_vae_tf import build

    if offer.config.kind != "music_vae" or not offer.config.model.z_size:
        return False
    return build.converter(offer.config).controls is None


def description(playable: Playable) -> dict:
    """What the page has to know of a model."""
    model, plane = playable.player, playable.latent_map
    converter, config = model.converter, playable.offer.config
    return {
        "id": playable.offer.id,
        "title": playable.offer.title,
        "config": config.name,
        "fingerprint": playable.fingerprint,
        "z_size": model.z_size,
        "quarters": converter.quarters(config.model.max_seq_len),
        "is_drums": converter.is_drums,
        "transform": _described(playable.task),
        "attributes": _listed(playable.attributes),
        "song_attributes": _listed(playable.song_attributes),
        "map": {
            "points": [[round(float(x), 4) for x in point] for point in plane.points],
            "examples": [[one.name, one.style] for one in plane.examples],
            "measured": _measured(plane.examples),
            "shares": [round(float(share), 4) for share in plane.shares],
            "source": plane.source,
        },
        "sounds": {
            "drum_velocities": sounds.velocities_of(True),
            "drum_seconds": sounds.seconds_of(True),
            "pitched_velocities": sounds.velocities_of(False),
            "pitched_seconds": sounds.seconds_of(False),
            "most_pitches": sounds.MOST_PITCHES,
        },
    }


def _measured(examples) -> list[dict]:
    """Attributes that differ among examples: name, unit, and values or None."""
    listed = []
    for name, attribute in ATTRIBUTES.items():
        values = np.array([one.measured[name] for one in examples], float)
        known = values[np.isfinite(values)]
        if len(known) and np.ptp(known):
            shown = [round(v, 3) if math.isfinite(v) else None for v in values.tolist()]
            listed.append({"name": name, "unit": attribute.unit, "values": shown})
    return listed


def _listed(found: Mapping[str, Any]) -> list[dict]:
    return [
        {"name": name, "description": one.description} for name, one in found.items()
    ]


def _task_of(offer, model):
    from music_vae_tf.generation.transform_tasks import task_of

    try:
        return task_of(offer.config, model.converter)
    except UserFacingError:
        return None


def _song_attributes(model, task) -> Mapping[str, Any]:
    from music_vae_tf.generation.attributes import attributes_of
    from music_vae_tf.generation.transform_tasks import decides_hits

    if task is None:
        return {}
    return attributes_of(model, given_hits=not decides_hits(task))


def _described(task) -> str | None:
    from music_vae_tf.generation.transform_tasks import DESCRIPTIONS

    return task and DESCRIPTIONS[task.name]
