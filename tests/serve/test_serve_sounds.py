"""Notes as the page itself plays them, in headless Chromium."""

import browser
import numpy as np
import pytest

pytestmark = browser.MISSING
# Half a second of a note, as the page's own code plays it.
RENDERED = """
const [note, done] = arguments;
(async () => {
  const { Sounds } = await import("/static/sounds.js");
  const facts = await (await fetch("/api/models/groovae_2bar_humanize")).json();
  const sounds = new Sounds(facts.sounds);
  await sounds.load([note]);
  const context = new OfflineAudioContext(1, 24000, 48000);
  sounds.play(context, context.destination, note, 0, note[1]);
  const buffer = await context.startRendering();
  return Array.from(buffer.getChannelData(0));
})().then(done, (error) => done(String(error)));
"""


def rendered(page, pitch, velocity=95, lasts=0.5, drum=0):
    samples = page.later(RENDERED, [0, lasts, pitch, velocity, 0, drum])
    assert isinstance(samples, list), samples
    return np.array(samples)


def frequency_hz(samples, low=150, high=1000):
    """By the highest peak of the autocorrelation."""
    part = samples[4800:14400]
    products = np.correlate(part, part, "full")[len(part) - 1 :]
    shortest = 48000 // high
    return 48000 / (shortest + np.argmax(products[shortest : 48000 // low]))


@pytest.mark.parametrize("pitch", [60, 61, 67, 69])
def test_a_pitched_note_has_its_pitch(page, pitch):
    expected = 440 * 2 ** ((pitch - 69) / 12)
    assert frequency_hz(rendered(page, pitch)) == pytest.approx(expected, rel=0.02)


def test_a_note_ends_where_it_ends(page):
    short, long = rendered(page, 60, lasts=0.05), rendered(page, 60, lasts=0.5)
    late = slice(19200, 24000)
    assert np.abs(short[late]).max() < 0.2 * np.abs(long[late]).max()


def test_a_drum_that_is_hit_harder_is_louder(page):
    peaks = [np.abs(rendered(page, 38, v, drum=1)).max() for v in (20, 60, 100, 127)]
    assert (np.diff(peaks) > 0).all() and peaks[0] > 0.001
