"""Written music as it sounds: MusicXML and ABC -> NoteSequences.

bytes --> musicxml_document / abc_book      the file, checked: XML tree, or tunes
      --> musicxml, abc_tune                parts of bars, times in quarter notes
      --> playback_order                    repeats, endings, D.C., D.S., parts
      --> note_sequence                     seconds, ties joined, grace notes placed

The readers are our own because no library for Python reads all that sounds. As of
2026, on 289 scores of OpenSheetMusicDisplay and 14,000 ABC tunes:

- music21 10.5 gives every unpitched note of a part the first MIDI number of that part.
  It ignores all of `<sound>` but the tempo (D.C., D.S., coda, fine: "TODO" in its
  source), and drops that tempo beside a metronome mark. Its ABC parser ignores voices
  in brackets, parts, overlays, `[L:]`, multi-measure rests, ties between chords,
  transposition and the modes of bagpipes. It reads 260 tunes a minute and core.
- partitura 1.9 has no MIDI numbers of unpitched notes either, fails on chords of them,
  and reads no ABC.
- abc2midi reads ABC well, but is a program under the GPL, adds accents and dots
  hornpipes, and cannot leave repeats alone.
- note_seq's parsers, which the original uses, read half of real files.

They serve as references instead: notes and onsets were compared with music21's, and
ABC with abc2midi's as well.
"""

from music_vae_tf.data.scores.abc import Tune, read_abc
from music_vae_tf.data.scores.musicxml import read_musicxml
from music_vae_tf.data.scores.score import UnreadableScore

__all__ = ["Tune", "UnreadableScore", "read_abc", "read_musicxml"]
