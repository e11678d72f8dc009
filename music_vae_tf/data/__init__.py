"""From files to batches: MIDI, NoteSequences, examples."""

import warnings

# note_seq brings pydub, which misses ffmpeg aloud; nothing here decodes sound.
warnings.filterwarnings("ignore", "Couldn't find ffmpeg", RuntimeWarning)
