"""The package's converters with Magenta's names, options, modes and tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from note_seq.chords_encoder_decoder import (
    MajorMinorChordOneHotEncoding,
    TriadChordOneHotEncoding,
)
from note_seq.protobuf.music_pb2 import NoteSequence

from music_vae_tf.config import Kind
from music_vae_tf.data.converters import (
    base,
    drum_parts,
    drums,
    groove,
    melody,
    multitrack,
    trio,
)
from music_vae_tf.magenta_api.tensors import ConverterTensors

CHORD_ENCODINGS = {
    MajorMinorChordOneHotEncoding: "major_minor",
    TriadChordOneHotEncoding: "triad",
}


class BaseNoteSequenceConverter:
    """A converter of this package, in a mode, with a maximum that may change.

    Options are those of the package's class; chord encodings may be note_seq's.
    """

    kind: str  # in configs
    ours: type[base.Converter]
    arguments: str  # the names of options in Magenta's order
    input_dtype = output_dtype = control_dtype = np.bool_
    row_dtype = np.bool_  # of the arrays in `to_tensors`
    no_end_token = None  # what `end_token` is where there is none
    draws_in_all_modes = False
    magentas_drums: str | None = None  # which notes are drums, where the music is drums

    def __init__(self, *arguments, **options):
        options.update(zip(self.arguments.split(), arguments))
        self._converter = self.ours(**_our_options(options))
        self._max_tensors_per_input = self._converter.max_tensors_per_notesequence
        self._mode = None

    @property
    def converter(self) -> base.Converter:
        """The package's converter as it is now."""
        changes = {"max_tensors_per_notesequence": self._max_tensors_per_input}
        if self.magentas_drums and self._converter.drums == drum_parts.AUTO:
            changes["drums"] = self.magentas_drums
        converter = dataclasses.replace(self._converter, **changes)
        return converter.for_inference() if self.is_inferring else converter

    @property
    def section(self) -> Kind:
        """The same as a section of a config."""
        return Kind(
            self.kind,
            dataclasses.asdict(self._converter)
            | {"max_tensors_per_notesequence": self._max_tensors_per_input},
        )

    def set_mode(self, mode: str) -> None:
        """`train`, `eval` or `infer`."""
        if mode not in ("train", "eval", "infer"):
            raise ValueError(f"Invalid mode: {mode}")
        self._mode = mode

    @property
    def is_training(self) -> bool:
        return self._mode == "train"

    @property
    def is_inferring(self) -> bool:
        return self._mode == "infer"

    @property
    def str_to_item_fn(self) -> Callable:
        return NoteSequence.FromString

    @property
    def max_tensors_per_notesequence(self) -> int | None:
        return self._max_tensors_per_input

    @max_tensors_per_notesequence.setter
    def max_tensors_per_notesequence(self, value):
        self._max_tensors_per_input = value

    @property
    def end_token(self) -> int | bool | None:
        token = self._converter.end_token
        return self.no_end_token if token is None else token

    @property
    def input_depth(self) -> int:
        return self._converter.inputs.depth

    @property
    def output_depth(self) -> int:
        return self._converter.targets.depth

    @property
    def control_depth(self) -> int:
        return self._converter.controls.depth if self._converter.controls else 0

    @property
    def length_shape(self) -> tuple[int, ...]:
        return self._converter.length_shape

    def to_tensors(self, item) -> ConverterTensors:
        """The examples of a NoteSequence; none if there are none."""
        converter = self.converter
        # NumPy's global generator, so that `np.random.seed` has its effect.
        is_random = self.is_training or self.draws_in_all_modes
        examples, _ = converter.extract(item, np.random if is_random else None)
        dense = [converter.unpack(example) for example in examples]
        return ConverterTensors(
            inputs=[example.inputs.astype(self.row_dtype) for example in dense],
            outputs=[example.targets.astype(self.row_dtype) for example in dense],
            controls=[example.controls.astype(bool) for example in dense]
            if converter.controls
            else [np.zeros([len(example.targets), 0]) for example in dense],
            lengths=[example.length for example in dense],
        )

    def from_tensors(self, samples, controls=None) -> list:
        """A NoteSequence for each sample `[T, D_out]`, with its controls `[T, D_c]`."""
        converter = self.converter
        if controls is None:
            return [converter.to_sequence(sample) for sample in samples]
        return list(map(converter.to_sequence, samples, controls))


def _our_options(options: dict) -> dict:
    """Options as the package's converters take them."""
    encoding = options.get("chord_encoding")
    if type(encoding) in CHORD_ENCODINGS:
        options["chord_encoding"] = CHORD_ENCODINGS[type(encoding)]
    # None is how Magenta spells the default.
    return {k: v for k, v in options.items() if (k, v) != ("pitch_classes", None)}


class OneHotMelodyConverter(BaseNoteSequenceConverter):
    """Melodies, a class per step."""

    kind = "melody"
    ours = melody.MelodyConverter
    arguments = (
        "min_pitch max_pitch valid_programs skip_polyphony max_bars slice_bars gap_bars"
        " steps_per_quarter quarters_per_bar add_end_token pad_to_total_time"
        " max_tensors_per_notesequence presplit_on_time_changes chord_encoding"
        " condition_on_key dedupe_event_lists"
    )


class DrumsConverter(BaseNoteSequenceConverter):
    """Drums, one of all combinations per step, or a roll."""

    kind = "drums"
    ours = drums.DrumsConverter
    arguments = (
        "max_bars slice_bars gap_bars pitch_classes add_end_token steps_per_quarter"
        " quarters_per_bar pad_to_total_time roll_input roll_output"
        " max_tensors_per_notesequence presplit_on_time_changes"
    )
    magentas_drums = drum_parts.CHANNEL_10


class TrioConverter(BaseNoteSequenceConverter):
    """Melody, bass and drums, three classes per step."""

    kind = "trio"
    ours = trio.TrioConverter
    arguments = (
        "slice_bars gap_bars max_bars steps_per_quarter quarters_per_bar"
        " max_tensors_per_notesequence chord_encoding condition_on_key"
    )
    # As in Magenta, which therefore decodes without end where no length is given.
    no_end_token = False


class GrooveConverter(BaseNoteSequenceConverter):
    """Hits, velocities and offsets of each drum at each step."""

    kind = "groove"
    ours = groove.GrooveConverter
    arguments = (
        "split_bars steps_per_quarter quarters_per_bar max_tensors_per_notesequence"
        " pitch_classes inference_pitch_classes humanize tapify add_instruments"
        " num_velocity_bins num_offset_bins split_instruments hop_size"
        " hits_as_controls fixed_velocities max_note_dropout_probability"
    )
    # What Magenta says of its rows, and what they are.
    input_dtype = output_dtype = np.float32
    row_dtype = np.float64
    no_end_token = False  # as the trio's
    magentas_drums = drum_parts.ALL
    draws_in_all_modes = True  # which notes the encoder misses

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, double_precision=True)

    @property
    def pitch_classes(self):
        return self.converter.pitch_classes


class MultiInstrumentPerformanceConverter(BaseNoteSequenceConverter):
    """A bar, or some, of several instruments, a row of tokens for each."""

    kind = "multitrack"
    ours = multitrack.MultitrackConverter
    arguments = (
        "num_velocity_bins max_tensors_per_notesequence hop_size_bars chunk_size_bars"
        " steps_per_quarter quarters_per_bar min_num_instruments max_num_instruments"
        " min_total_events max_events_per_instrument min_pitch max_pitch"
        " first_subsequence_only chord_encoding drop_tracks_and_truncate"
    )
