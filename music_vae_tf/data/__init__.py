"""From files to batches: MIDI, NoteSequences, examples."""

from music_vae_tf.data import lean_note_seq  # noqa: F401  before any of note_seq
