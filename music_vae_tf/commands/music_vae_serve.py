"""A page to play a model in, at http://127.0.0.1:8765/.

    music_vae_serve

It offers the models in the box, and one of yours, with examples of yours on its map:

    music_vae_serve --run_dir=run --examples_path=grooves/

The page draws a map of the latent space to play from, transforms MIDI files that are
dropped into it, and saves MIDI, WAV and PNG. Ctrl-C ends it.
"""

from __future__ import annotations

import logging
import os
import sys

from music_vae_tf.commands.command import Command, UserError
from music_vae_tf.commands.trained import add_model_flags, config_and_checkpoint
from music_vae_tf.quiet import import_tensorflow

log = logging.getLogger("music_vae_tf")

command = Command("music_vae_serve", __doc__)
add_model_flags(command)
command.string(
    "examples_path",
    None,
    "Folder of music files, or a TFRecord file of NoteSequences, for the points of "
    "the map; by default the project's own grooves.",
)
command.string(
    "host",
    "127.0.0.1",
    "Address to listen at; others than this machine's "
    "own can reach the page at 0.0.0.0.",
)
command.integer(
    "port", 8765, "Port to listen at; 0 takes a free one.", at_least=0, at_most=65535
)
command.string(
    "allowed_hosts",
    "",
    "Names under which the page may be opened besides those of this machine itself, "
    "with commas between; needed with --host.",
)
command.float(
    "max_upload_mb",
    2,
    "Largest MIDI file that is taken, in MiB.",
    at_least=0.01,
    at_most=64,
)
command.integer(
    "max_queue",
    64,
    "Requests that wait at most; more are refused.",
    at_least=1,
    at_most=10_000,
)
command.string(
    "soundfont", None, "SoundFont (.sf2) to play with; by default one is found."
)
command.boolean("open_browser", False, "Open the page in the default browser.")


def main(flags):
    from music_vae_tf.serve import server

    server.require_libraries()
    own = _own_model(flags)
    with server.listening(flags.host, flags.port) as opened:
        _serve(flags, own, opened)


def _own_model(flags):
    """Config and checkpoint of the model that the flags name; None without any."""
    if not (flags.config or flags.run_dir or flags.checkpoint_file):
        if flags.drums:
            raise UserError("--drums belongs to a model: give --config or --run_dir")
        return None
    return config_and_checkpoint(flags)


def _serve(flags, own, opened):
    from music_vae_tf.rendering import audio
    from music_vae_tf.serve import security, server
    from music_vae_tf.serve.worker import Worker

    audio.find_soundfont(flags.soundfont)
    examples = _examples(flags.examples_path)
    import_tensorflow()
    from music_vae_tf.serve import app, playables

    worker = Worker(flags.max_queue)
    models = playables.Playables(own, examples, worker.check)
    log.info("Loading %s", models.offers[models.default].title)
    models.load(models.default)
    names = [name.strip() for name in flags.allowed_hosts.split(",") if name.strip()]
    settings = app.Settings(
        flags.soundfont,
        int(flags.max_upload_mb * 2**20),
        [*security.LOCAL, server.shown(flags.host), *names],
    )
    address = server.address_of(opened, flags.host)
    try:
        server.serve(
            app.application(models, worker, settings),
            opened,
            lambda: _started(address, flags.open_browser),
        )
    finally:
        worker.stop()
    log.info("Ended")


def _started(address, open_browser):
    log.info("Open %s in a browser; Ctrl-C ends the server", address)
    if open_browser:
        import webbrowser

        webbrowser.open(address)


def _examples(path):
    """Gives pairs (style, NoteSequence) for a map, and where they are from."""
    if path is None:
        return None
    from music_vae_tf.data.source import Source
    from music_vae_tf.serve import latent_map

    path = os.path.expanduser(path)
    source = Source.of_folder(path) if os.path.isdir(path) else Source.of_files(path)
    return lambda: (latent_map.of_files(source.read()), source.name)


run = command.entry(main)

if __name__ == "__main__":
    sys.exit(run())
