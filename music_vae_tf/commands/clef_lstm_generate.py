"""New piano pieces from a trained clef-split LSTM: MIDI, sheet music and sound.

    clef_lstm_generate --run_dir=run --key=C --tempo=90 --bars=8 --output_dir=generated

    clef_lstm_generate --run_dir=run --key=Am --tempo=60 --bars=16 \\
        --time_signature=3/4 --num_outputs=3 --seed=1 --output_dir=generated
"""

from __future__ import annotations

import re
import sys

from music_vae_tf.commands.clef_runs import trained_clef_lstm
from music_vae_tf.commands.command import LARGEST_SEED, Command, UserError
from music_vae_tf.commands.outputs import Outputs, Piece, add_file_flags
from music_vae_tf.commands.progress import progress
from music_vae_tf.commands.trained import add_checkpoint_flags
from music_vae_tf.quiet import import_tensorflow

FORMATS = ("mid", "musicxml", "svg", "png", "pdf", "wav")

SLOWEST, FASTEST = 4, 1000  # BPM; a MIDI file cannot hold much slower ones
MAX_BARS, MAX_OUTPUTS = 1000, 10_000

command = Command("clef_lstm_generate", __doc__)
add_checkpoint_flags(command)
command.string(
    "output_dir", "generated", "Where the files go; all files of a piece share a name."
)
command.string("key", "C", "Key of the piece: C, Am, F#m, Bb.")
command.float(
    "tempo",
    90.0,
    "Tempo in BPM (quarter notes per minute).",
    at_least=SLOWEST,
    at_most=FASTEST,
)
command.string("time_signature", "4/4", "Time signature: 4/4, 3/4, 6/8.")
command.renamed("metre", "time_signature")
command.integer("bars", 8, "Bars of the piece.", at_least=1, at_most=MAX_BARS)
command.integer("num_outputs", 1, "How many pieces.", at_least=1, at_most=MAX_OUTPUTS)
command.enum(
    "top_k_sampling",
    "weighted",
    ["weighted", "uniform"],
    "Draw from the top k by their probabilities, or as the original does uniformly.",
)
command.integer("top_k_notes", None, "k for notes; by default 10.", at_least=1)
command.integer("top_k_durations", None, "k for durations; by default 5.", at_least=1)
command.float(
    "temperature", 1.0, "Below 1 what is probable becomes more probable; above 0."
)
command.enum(
    "set_key",
    "transpose",
    ["transpose", "signature"],
    "Transpose the notes into the key, or as the original does set the key signature "
    "alone.",
)
command.renamed("key_change", "set_key")
add_file_flags(
    command,
    ",".join(FORMATS),
    "mid, wav (sound), and sheet music as musicxml, svg, png or pdf",
)
command.renamed("formats", "format")
command.integer(
    "seed",
    None,
    "The same seed gives the same pieces; by default random.",
    at_least=0,
    at_most=LARGEST_SEED,
)


def main(flags):
    from music_vae_tf.data.clefs.keys import Key

    key = Key.parse(flags.key)
    draw = lambda piece, path, formats: _write_sheet(
        piece, path, f"Piece in {key}", formats
    )
    outputs = Outputs(flags, FORMATS, draw)
    form = _form(flags)
    for name in ("tempo", "temperature"):
        if not flags[name].value > 0:
            raise UserError(f"--{name}={flags[name].value}: expected a number above 0")
    _require_libraries(outputs.formats)
    outputs.check()
    pieces = [Piece(sequence=one) for one in _generate(flags, form, key)]
    outputs.write(f"clef_lstm_{str(key).replace(' ', '_')}", pieces)


def _form(flags):
    from music_vae_tf.data.clefs import Form

    match = re.fullmatch(r"(\d{1,2})/(2|4|8|16)", flags.time_signature.strip())
    if match is None or not int(match[1]):
        raise UserError(
            f"--time_signature={flags.time_signature}: expected one such as 4/4 or 6/8"
        )
    return Form(flags.bars, int(match[1]), int(match[2]))


def _require_libraries(formats):
    """Checks for the libraries of the sheet music before generating anything.

    Missing sound is reported at the end, since all else can be written without.
    """
    from music_vae_tf.data.clefs import require_libraries
    from music_vae_tf.rendering.libraries import require

    require_libraries()
    libraries = {
        "musicxml": ["music21"],
        "svg": ["music21", "verovio"],
        "png": ["music21", "verovio", "resvg_py"],
        "pdf": ["music21", "verovio", "svglib"],
    }
    for name in formats:
        require(*libraries.get(name, []))


def _generate(flags, form, key) -> list:
    """The pieces as NoteSequences."""
    import_tensorflow()
    import numpy as np

    from music_vae_tf.generation.clef_lstm import Sampling, to_sequence

    model = trained_clef_lstm(flags)
    usual = model.usual_sampling
    sampling = Sampling(
        flags.top_k_notes or usual.top_k_notes,
        flags.top_k_durations or usual.top_k_durations,
        flags.top_k_sampling == "weighted",
        flags.temperature,
    )
    model.check(sampling)
    rng = np.random.default_rng(flags.seed)
    transpose = flags.set_key == "transpose"
    pieces = []
    with progress(flags.num_outputs, "Generating", unit="pieces") as bar:
        for _ in range(flags.num_outputs):
            streams = model.sample(form, key.mode, sampling, rng)
            pieces.append(
                to_sequence(streams, form, key, flags.tempo, transpose=transpose)
            )
            bar.advance()
    return pieces


def _write_sheet(piece, path, title, formats):
    from music_vae_tf.rendering import engraving, score

    xml = score.musicxml(piece, title)
    if "musicxml" in formats:
        _write_bytes(f"{path}.musicxml", xml)
    if not {"svg", "png", "pdf"} & set(formats):
        return
    pages = engraving.svg_pages(xml)
    for number, page in enumerate(pages, 1):
        suffix = "" if number == 1 else f"-page{number}"
        if "svg" in formats:
            _write_bytes(f"{path}{suffix}.svg", page.encode("utf-8"))
        if "png" in formats:
            _write_bytes(f"{path}{suffix}.png", engraving.png(page))
    if "pdf" in formats:
        _write_bytes(f"{path}.pdf", engraving.pdf(pages))


def _write_bytes(path, data):
    from music_vae_tf.data.whole_file import whole_file

    with whole_file(path) as file:
        file.write(data)


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
