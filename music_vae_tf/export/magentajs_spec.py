"""Configs as Magenta.js describes them, and why it cannot run some of them.

Magenta.js (`@magenta/music` 1.23.1) builds a MusicVAE from a `config.json` that names a
data converter. It supports an encoder of one bidirectional layer, flat or on two
levels, and a decoder whose layers have equal size, flat or below one conductor.
"""

from __future__ import annotations

from music_vae_tf import build
from music_vae_tf.config import Config, Kind
from music_vae_tf.data.converters import drum_classes
from music_vae_tf.export.errors import ExportError

CHORD_ENCODERS = {
    "major_minor": "MajorMinorChordEncoder",
    "triad": "TriadChordEncoder",
    "pitch": "PitchChordEncoder",
}
# The output distribution that Magenta.js uses with each of its converters.
OUTPUTS = {
    "MelodyConverter": "categorical",
    "DrumsConverter": "categorical",
    "DrumRollConverter": "nade",
    "MultitrackConverter": "categorical",
    "GrooveConverter": "groove",
}


def spec(config: Config) -> dict:
    """The content of `config.json` for a config.

    Raises:
        ExportError: Magenta.js cannot run the model; the message has the reason.
    """
    reasons = obstacles(config)
    if reasons:
        raise ExportError(
            f"Magenta.js cannot run {config.name}: {'; '.join(reasons)}. "
            "`--format=savedmodel` and `--format=onnx` have no such limits."
        )
    converter = build.converter(config)
    args = _ARGUMENTS[config.converter.kind](converter)
    steps = {"numSteps": config.model.max_seq_len}
    if segments := _segments(config):
        steps["numSegments"] = segments
    kind = _converter_type(config.converter.kind, converter)
    return {
        "type": "MusicVAE",
        "dataConverter": {"type": kind, "args": {**steps, **args}},
        **_controls(converter),
    }


def obstacles(config: Config) -> list[str]:
    """Why Magenta.js cannot run a config, a phrase for each reason."""
    if config.kind != "music_vae":
        return [f"it is a model of kind {config.kind}, not music_vae"]
    if config.converter.kind not in _ARGUMENTS:
        return [f"it has no twin of the converter {config.converter.kind}"]
    return [
        *_encoder_obstacles(config),
        *_decoder_obstacles(config),
        *_row_obstacles(config),
    ]


def _encoder_obstacles(config):
    model, encoder = config.model, config.model.encoder
    if model.z_size == 0:
        yield "the model has no encoder"
        return
    flat = encoder.kind == "bidirectional_lstm"
    levels = len(encoder.arguments.get("level_lengths", ()))
    core = encoder.arguments.get("core", "bidirectional_lstm")
    if not flat and (levels != 2 or core != "bidirectional_lstm"):
        yield "its encoder is neither a bidirectional LSTM nor two levels of such"
    if len(model.enc_rnn_size) > 1:
        yield (
            f"its encoder has {len(model.enc_rnn_size)} layers; only encoders of one "
            "layer are supported"
        )
    if flat and config.model.decoder.kind != "lstm":
        yield "its decoder is hierarchical and its encoder is flat"
    if model.residual_encoder:
        yield "its encoder has residual connections"


def _decoder_obstacles(config):
    model, decoder = config.model, config.model.decoder
    if len(set(model.dec_rnn_size)) > 1:
        yield f"its decoder's layers have unequal sizes {list(model.dec_rnn_size)}"
    if model.residual_decoder:
        yield "its decoder has residual connections"
    if decoder.kind == "hierarchical":
        levels = decoder.arguments["level_lengths"]
        if len(levels) != 2:
            yield f"its decoder has {len(levels) - 1} conductor levels; 1 is supported"
        if not decoder.arguments.get("disable_autoregression"):
            yield "its conductor is autoregressive"
    elif decoder.kind != "lstm":
        yield f"its decoder is of kind {decoder.kind}"
    kind = _converter_type(config.converter.kind, build.converter(config))
    if kind == "TrioConverter":
        core = decoder.arguments.get("core")
        if not isinstance(core, Kind) or core.kind != "split":
            yield "it decodes all parts in one; three decoders are expected"
    elif (output := _output(decoder)) != OUTPUTS[kind]:
        yield f"its output is {output}; {kind} goes with {OUTPUTS[kind]}"


def _row_obstacles(config):
    """Rows of another depth than those of the twin: with an end token, for instance."""
    converter = build.converter(config)
    kind = _converter_type(config.converter.kind, converter)
    ours = converter.inputs.depth, converter.targets.depth
    theirs = _DEPTHS[kind](converter) if kind in _DEPTHS else ours
    if ours != theirs:
        yield (
            f"its converter reads rows of {ours[0]} columns and writes {ours[1]}; the "
            f"twin {kind} has {theirs[0]} and {theirs[1]}"
        )


def _output(decoder: Kind) -> str:
    core, output = decoder.arguments.get("core"), decoder.arguments.get("output")
    if isinstance(core, Kind):
        return _output(core)
    return output.kind if isinstance(output, Kind) else decoder.kind


def _segments(config):
    """Bars or tracks that the conductor has an embedding for; None if flat."""
    levels = config.model.decoder.arguments.get("level_lengths")
    return levels[0] if levels else None


def _converter_type(kind, converter):
    if kind == "drums":
        return "DrumRollConverter" if converter.roll_output else "DrumsConverter"
    return f"{kind.capitalize()}Converter"


def _melody(converter):
    return {"minPitch": converter.min_pitch, "maxPitch": converter.max_pitch}


def _drums(converter):
    return _pitch_classes(converter.pitch_classes)


def _trio(converter):
    from music_vae_tf.data.converters.melody import PIANO_PITCHES

    pitches = {"minPitch": PIANO_PITCHES[0], "maxPitch": PIANO_PITCHES[1]}
    return {"melArgs": pitches, "bassArgs": pitches, "drumsArgs": {}}


def _multitrack(converter):
    return {
        "stepsPerQuarter": converter.steps_per_quarter,
        "totalSteps": converter.steps_per_quarter
        * converter.quarters_per_bar
        * converter.chunk_size_bars,
        "numVelocityBins": converter.num_velocity_bins,
        "minPitch": converter.min_pitch,
        "maxPitch": converter.max_pitch,
    }


def _groove(converter):
    flags = {
        "humanize": converter.humanize,
        "tapify": converter.tapify,
        "splitInstruments": converter.split_instruments,
    }
    classes = converter.inference_pitch_classes or converter.pitch_classes
    return {
        "stepsPerQuarter": converter.steps_per_quarter,
        **{name: True for name, given in flags.items() if given},
        **_pitch_classes(classes),
    }


_ARGUMENTS = {
    "melody": _melody,
    "drums": _drums,
    "trio": _trio,
    "multitrack": _multitrack,
    "groove": _groove,
}


def _melody_depths(converter):
    depth = converter.max_pitch - converter.min_pitch + 3
    return depth, depth


def _num_classes(converter):
    return len(drum_classes.classes(converter.pitch_classes))


def _groove_depths(converter):
    depth = 3 if converter.split_instruments else 3 * _num_classes(converter)
    return depth, depth


# Columns that each converter of Magenta.js reads and writes.
_DEPTHS = {
    "MelodyConverter": _melody_depths,
    "DrumsConverter": lambda c: (_num_classes(c) + 1, 2 ** _num_classes(c)),
    "DrumRollConverter": lambda c: (_num_classes(c) + 1, _num_classes(c)),
    "GrooveConverter": _groove_depths,
}


def _pitch_classes(name_or_lists):
    """Only where they differ from the usual ones."""
    lists = _lists(name_or_lists)
    return {} if lists == USUAL_PITCH_CLASSES else {"pitchClasses": lists}


def _lists(name_or_lists):
    return [list(pitches) for pitches in drum_classes.classes(name_or_lists)]


# The default of Magenta.js.
USUAL_PITCH_CLASSES = _lists("reduced")


def _controls(converter):
    found = {}
    if converter.chord_encoding:
        found["chordEncoder"] = CHORD_ENCODERS[converter.chord_encoding]
    if converter.condition_on_key:
        found["conditionOnKey"] = True
    if converter.hits_as_controls:
        found["extraControls"] = [{"name": "hits", "depth": converter.controls.depth}]
    return found
