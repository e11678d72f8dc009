"""NoteSequence -> picture, sound, score."""
