"""From files to batches: MIDI, NoteSequences, examples."""
