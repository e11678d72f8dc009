"""What `--mode=transform` would read of a file, for `music_vae_inspect`."""

from __future__ import annotations

from typing import Any

from music_vae_tf.commands.drums_flag import KINDS


class TransformReader:
    """Reads a song once for all configs that transform songs."""

    def __init__(self, configs: list, converters: dict[str, Any], drum_map):
        """
        Args:
            converters: of training, by the names of the configs.
            drum_map: of the songs.
        """
        from music_vae_tf.generation import transform_tasks

        self._drum_map = drum_map
        self._converters = {
            config.name: transform_tasks.task_of(
                config, converters[config.name].for_inference()
            ).converter
            for config in configs
            if config.converter.kind in KINDS and transform_tasks.is_fit(config)
        }

    def __call__(self, path: str) -> dict[str, Any]:
        """`{config: inspection.Used}` of a MIDI file; notes are counted."""
        from music_vae_tf.data.folder import kind_of
        from music_vae_tf.data.inspection import Used
        from music_vae_tf.data.midi import UnreadableMusic
        from music_vae_tf.data.midi_song import MidiSong

        if not self._converters or (kind_of(path) or "midi") != "midi":
            return {}
        try:
            song = MidiSong.read(path)
        except (OSError, UnreadableMusic) as error:
            reason = str(error).removeprefix(f"{path}: ")
            return {name: Used(0, {reason: 1}) for name in self._converters}
        return {name: self._used(song, one) for name, one in self._converters.items()}

    def _used(self, song, converter):
        from music_vae_tf.data.inspection import Used
        from music_vae_tf.data.song_drums import NothingToTransform, chosen_drums
        from music_vae_tf.data.song_grid import grid

        classes, drum_map = converter.pitch_classes, self._drum_map
        try:
            numbers, _ = chosen_drums(song, converter.drums, classes, drum_map)
        except NothingToTransform as refusal:
            return Used(0, {getattr(refusal, "reason", str(refusal)): 1})
        gridded = grid(song, numbers, converter, drum_map)
        cells = [cell for one in gridded.stretches for cell in one.cells.values()]
        return Used(sum(map(len, cells)), dict(gridded.left_out))
