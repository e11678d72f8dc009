"""NoteSequence <-> example, one converter per kind of music."""
