"""The server's answers: loops that can be had again, files that parse, refusals."""

import asyncio
import base64
import io
import json
import threading
import wave
import zipfile

import mido
import numpy as np
import pytest
import song_files

from music_vae_tf.rendering import audio
from music_vae_tf.serve import bodies, songs, sounds
from music_vae_tf.serve.errors import Busy
from music_vae_tf.serve.worker import Stopped, Worker

MODEL = "groovae_2bar_humanize"
THREE_FOUR = [song_files.metre(0, 3)]


def sample(client, status=200, **fields):
    body = {"model": MODEL, "where": {"draw": 1}, "seed": 1, **fields}
    response = client.post("/api/sample", json=body)
    assert response.status_code == status, response.text
    return response.json()


def midi_bytes(*tracks):
    buffer = io.BytesIO()
    song_files.song(*tracks).save(file=buffer)
    return buffer.getvalue()


def drums(bars=4):
    return midi_bytes(song_files.track(song_files.beat(bars), "Drums"))


def melody():
    notes = [e for i in range(8) for e in song_files.note(480 * i, 60 + i, channel=0)]
    return midi_bytes(song_files.track(notes, "Piano"))


def onsets(midi):
    ticks, found = 0, []
    for message in mido.merge_tracks(midi.tracks):
        ticks += message.time
        if message.type == "note_on" and message.velocity:
            found.append((ticks / midi.ticks_per_beat, message.note, message.velocity))
    return found


def samples_of(data):
    with wave.open(io.BytesIO(data)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return frames.reshape(-1, file.getnchannels()) / 32768, file.getframerate()


# Loops.


def test_the_model_is_described_with_its_map(client, models):
    facts = client.get(f"/api/models/{MODEL}").json()
    plane = facts["map"]
    assert len(plane["points"]) == len(plane["examples"]) >= 12
    assert np.abs(plane["points"]).max() == pytest.approx(1)
    assert {style for _, style in plane["examples"]} > {"rock", "funk"}
    measured = {one["name"]: one["values"] for one in plane["measured"]}
    assert {"density", "velocity", "swing"} <= measured.keys()
    assert all(value > 0 for value in measured["density"])
    assert {len(values) for values in measured.values()} == {len(plane["examples"])}
    assert facts["quarters"] == 8 and facts["is_drums"]
    names = [attribute["name"] for attribute in facts["attributes"]]
    assert names == list(models.load(MODEL).attributes)


def test_the_same_request_gives_the_same_loop(client):
    first = sample(client)
    sample(client, seed=2)  # what comes between changes nothing
    assert sample(client) == first
    assert sample(client, seed=3)["notes"] != first["notes"]


def test_the_latent_vector_of_an_answer_gives_the_loop_again(client):
    first = sample(client, temperature=0.8, qpm=97)
    again = sample(client, where={"z": first["z"]}, temperature=0.8, qpm=97)
    assert again == first


def test_notes_are_hits_within_the_loop(client):
    loop = sample(client)
    assert len(loop["notes"]) > 4
    for start, end, pitch, velocity, _, drum in loop["notes"]:
        assert -0.25 < start < loop["quarters"] == 8 and end > start
        assert 1 <= velocity <= 127 and pitch in range(128) and drum == 1


def test_the_tempo_changes_no_beat(client):
    slow, fast = (sample(client, qpm=qpm) for qpm in (60, 180))
    rounded = lambda loop: np.round([note[:4] for note in loop["notes"]], 3)
    np.testing.assert_allclose(rounded(slow), rounded(fast), atol=0.002)


def test_a_place_at_an_example_is_that_example(client, models):
    plane = models.load(MODEL).latent_map
    of_point = sample(client, where={"point": 3})
    of_place = sample(client, where={"xy": plane.points[3].tolist()})
    distance = np.abs(_vector(of_point) - _vector(of_place)).max()
    assert distance < 1e-3
    np.testing.assert_allclose(of_point["xy"], plane.points[3], atol=1e-5)


def _vector(loop):
    return bodies.Fields(loop).vector("z", 256)


def test_the_ends_of_an_interpolation_are_its_loops(client):
    a, b = (sample(client, where={"draw": seed}) for seed in (1, 2))
    at = lambda t: sample(client, where={"between": {"a": a["z"], "b": b["z"], "t": t}})
    np.testing.assert_allclose(_vector(at(0)), _vector(a), atol=1e-5)
    np.testing.assert_allclose(_vector(at(1)), _vector(b), atol=1e-5)
    middle = _vector(at(0.5))
    distances = [np.linalg.norm(middle - _vector(end)) for end in (a, b)]
    assert distances[0] == pytest.approx(distances[1], rel=0.2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"where": {}}, "draw"),
        ({"where": {"point": 10_000}}, "point"),
        ({"where": {"xy": [1]}}, "xy"),
        ({"where": {"z": "AAAA"}}, "another model"),
        ({"where": {"draw": -1}}, "draw"),
        ({"where": 3}, "object"),
        ({"where": {"between": {"a": "AAAA"}}}, "a: 3 bytes"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"qpm": 1e9}, "qpm"),
        ({"seed": 2**31}, "seed"),
        ({"attributes": {"wetness": 1}}, "wetness"),
        ({"path": "/etc/passwd"}, "path"),
        ({"model": 3}, "model"),
    ],
    ids=str,
)
def test_a_field_beyond_its_limits_is_refused_by_name(client, fields, words):
    assert words in sample(client, 400, **fields)["error"]


@pytest.mark.parametrize("id", ["nothing", "../../run", "/tmp", "own"])
def test_a_model_that_is_not_offered_does_not_exist(client, id):
    assert "no model" in sample(client, 404, model=id)["error"]
    assert client.get(f"/api/models/{id}").status_code == 404


# Files.


def test_the_midi_file_is_the_loop_that_was_heard(client):
    loop = sample(client, qpm=100)
    request = {"model": MODEL, "where": {"z": loop["z"]}, "seed": 1, "qpm": 100}
    response = client.post("/api/file/mid", json=request)
    midi = mido.MidiFile(file=io.BytesIO(response.content))
    heard = [(max(s, 0), p, v) for s, _, p, v, *_ in loop["notes"]]
    for found, expected in zip(sorted(onsets(midi)), sorted(heard), strict=True):
        assert found == pytest.approx(expected, abs=0.01)
    assert midi.length == pytest.approx(8 * 60 / 100, abs=0.01)


def test_the_wav_file_sounds_and_is_as_long_as_its_bars(client):
    request = {"model": MODEL, "where": {"draw": 1}, "qpm": 120}
    response = client.post("/api/file/wav", json=request)
    heard, rate = samples_of(response.content)
    assert len(heard) == 4 * rate
    assert 0.3 < np.abs(heard).max() < 1


def test_the_picture_is_a_png(client):
    request = {"model": MODEL, "where": {"draw": 1}}
    response = client.post("/api/file/png", json=request)
    assert response.content.startswith(b"\x89PNG")
    assert response.headers["content-type"] == "image/png"


def test_there_are_no_other_formats(client):
    response = client.post("/api/file/exe", json={"model": MODEL, "where": {"draw": 1}})
    assert response.status_code == 404


def test_a_shelf_is_a_zip_of_the_files_of_all_its_loops(client):
    loops = [{"model": MODEL, "where": {"draw": seed}} for seed in (1, 2)]
    response = client.post("/api/shelf.zip", json={"loops": loops})
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [
        *("loop_01.mid", "loop_01.png", "loop_01.wav"),
        *("loop_02.mid", "loop_02.png", "loop_02.wav", "shelf.json"),
    ]
    assert json.loads(archive.read("shelf.json")) == loops
    first = client.post("/api/file/mid", json=loops[0]).content
    assert archive.read("loop_01.mid") == first != archive.read("loop_02.mid")


@pytest.mark.parametrize("loops", [None, [], [{}] * 33, [3], "all"], ids=str)
def test_a_shelf_without_loops_or_with_too_many_is_refused(client, loops):
    response = client.post("/api/shelf.zip", json={"loops": loops})
    assert response.status_code == 400


# Sounds.


def test_each_sound_of_a_kit_is_heard_and_louder_when_hit_harder(client):
    response = client.get("/api/sounds?drum=1&pitches=36,38,42")
    heard, rate = samples_of(response.content)
    slot = round(sounds.DRUM_SECONDS * rate)
    peaks = np.abs(heard[:, 0]).reshape(9, slot).max(axis=1).reshape(3, 3)
    assert heard.shape == (9 * slot, 1)
    assert (np.diff(peaks, axis=1) > 0).all()
    assert peaks.min() > 0.001 and peaks.max() < 1
    starts = np.abs(heard[:, 0]).reshape(9, slot)[:, : rate // 50].max(axis=1)
    assert (starts > 0.0005).all()  # each begins at once


@pytest.mark.parametrize(
    "query",
    [
        *("", "pitches=", "pitches=a", "pitches=128", "pitches=-1", "pitches=1.5"),
        *("pitches=36&program=128", "pitches=36&drum=2", "pitches=36&program=nan"),
        "pitches=" + ",".join(map(str, range(40))),
        "pitches=" + "1" * 150,
        "pitches=36&soundfont=/etc/passwd",
        "pitches=²",
    ],
)
def test_sounds_that_do_not_exist_are_refused(client, query):
    assert client.get(f"/api/sounds?{query}").status_code == 400


# Songs.


def transform(client, data, **query):
    query = {"model": MODEL, **query}
    return client.post("/api/transform", params=query, content=data)


def test_a_song_comes_back_before_and_after(client):
    result = transform(client, drums(), seed=3).json()
    assert len(result["before"]) == len(result["after"]) == 4 * len(song_files.BEAT)
    assert result["before"] != result["after"]
    assert result["bars"] == pytest.approx([0, 2, 4, 6])
    data = base64.b64decode(result["midi"])
    midi = mido.MidiFile(file=io.BytesIO(data))
    assert len(onsets(midi)) == len(result["after"])
    assert any("notes" in line for line in result["report"])


def test_drums_on_another_channel_are_heard_as_drums(client):
    """The file that is saved keeps its channel; all that sounds has drums."""
    kit = song_files.track(song_files.beat(4, channel=0), "Drums")
    buffer = io.BytesIO()
    song_files.song(kit).save(file=buffer)
    result = transform(client, buffer.getvalue()).json()
    assert all(note[5] for side in ("before", "after") for note in result[side])
    channels = [
        {message.channel for message in midi if message.type == "note_on"}
        for midi in (
            mido.MidiFile(file=io.BytesIO(base64.b64decode(result[name])))
            for name in ("midi", "heard")
        )
    ]
    assert channels == [{0}, {9}]


def test_a_track_can_be_taken_as_drums(client):
    """A refusal names the tracks, without flags of a command that is not there."""
    kit = song_files.track(song_files.beat(2, channel=0), "Loop")
    bass = song_files.track(song_files.beat(2, channel=1, hits=[(0, 40, 90)]), "Bass")
    data = midi_bytes(kit, bass)
    refused = transform(client, data)
    assert refused.status_code == 422
    assert choices(refused) == {"track:Loop": "track Loop", "track:Bass": "track Bass"}
    assert "--" not in refused.json()["error"]
    result = transform(client, data, drums="track:Loop").json()
    assert [one["drums"] for one in result["tracks"]] == ["track:Loop", "track:Bass"]
    assert sum(note[5] for note in result["after"]) == 2 * len(song_files.BEAT)


def choices(response):
    """What the page offers as drums: `{value: label}`."""
    return {one["drums"]: one["label"] for one in response.json()["tracks"]}


def kit_and_bass():
    bass = song_files.beat(2, channel=1, hits=[(0, 40, 90)])
    return song_files.beat(2, channel=0), bass


def unnamed_tracks():
    return midi_bytes(*map(song_files.track, kit_and_bass()))


def channels_of_one_track(name=""):
    track, buffer = song_files.track(sum(kit_and_bass(), []), name), io.BytesIO()
    song_files.song(track, kind=0).save(file=buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (
            unnamed_tracks(),
            ["track 1 of the file, channel 1", "track 2 of the file, channel 2"],
        ),
        (
            channels_of_one_track(),
            ["track 1 of the file, channel 1", "track 1 of the file, channel 2"],
        ),
        (
            channels_of_one_track("Song"),
            ["track Song", "track Song, channel 1", "track Song, channel 2"],
        ),
    ],
    ids=["unnamed tracks", "channels", "channels of a named track"],
)
def test_tracks_without_names_and_channels_can_be_taken_as_drums(client, data, labels):
    """By the numbers that --drums=track:NUMBER takes, too."""
    place = lambda: client.post("/api/place", params={"model": MODEL}, content=data)
    for response in (transform(client, data), place()):
        assert response.status_code == 422
        assert list(choices(response).values()) == labels
    numbered = [value for value in choices(response) if value[6:].isdecimal()]
    hits = [
        sum(note[5] for note in transform(client, data, drums=one).json()["after"])
        for one in numbered
    ]
    assert hits == [2 * len(song_files.BEAT), 2]


def test_a_name_that_is_a_number_is_not_offered_as_another_track(client):
    kit, bass = kit_and_bass()
    data = midi_bytes(song_files.track(kit), song_files.track(bass, "1"))
    assert choices(transform(client, data)) == {"track:1": "track 1"}


def test_tracks_of_one_name_are_offered_together_and_one_by_one(client):
    kit, bass = kit_and_bass()
    data = midi_bytes(song_files.track(kit, "Pad"), song_files.track(bass, "PAD"))
    values = ["track:Pad", "track:1", "track:2"]
    assert list(choices(transform(client, data))) == values


def test_a_song_is_moved_by_the_attributes_that_are_offered(client):
    offered = client.get(f"/api/models/{MODEL}").json()["song_attributes"]
    names = [one["name"] for one in offered]
    assert "velocity" in names and "density" not in names
    softer, louder = (
        transform(client, drums(), attributes=text).json()["after"]
        for text in ("velocity=-3", "velocity=3")
    )
    means = [np.mean([note[3] for note in notes]) for notes in (softer, louder)]
    assert means[1] > means[0] + 10
    unknown = transform(client, drums(), attributes="colour=1")
    assert unknown.status_code == 422 and "colour" in unknown.json()["error"]


def test_the_amount_of_nothing_changes_nothing(client):
    result = transform(client, drums(), amount=0).json()
    assert result["before"] == result["after"]


def test_the_same_seed_transforms_alike(client):
    first, again, other = (
        transform(client, drums(), seed=seed).json()["after"] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_file_has_a_place_in_the_latent_space(client):
    response = client.post("/api/place", params={"model": MODEL}, content=drums())
    loop = response.json()
    assert loop["qpm"] == pytest.approx(120)
    assert sum(note[2] == 42 for note in loop["notes"]) >= 8  # its hi-hats


def test_half_a_file_is_transformed_as_far_as_it_goes(client):
    result = transform(client, drums()[:-60], seed=3).json()
    assert any("1 track that is cut off" in line for line in result["report"])


UPLOADS = {
    "empty": (b"", 422, "empty"),
    "no MIDI": (b"\x89PNG\r\n\x1a\n" + bytes(200), 422, "no MIDI file"),
    "cut off before its track": (drums()[:20], 422, "no track in it"),
    "no notes": (midi_bytes(song_files.track([], "Drums")), 422, "no notes"),
    "no drums": (melody(), 422, "drums"),
    "in 3/4": (
        midi_bytes(song_files.track([*THREE_FOUR, *song_files.beat(4)])),
        422,
        "3/4",
    ),
    "too long": (
        midi_bytes(song_files.track(song_files.beat(1) + song_files.beat(1, 9, 600))),
        422,
        "20 minutes",
    ),
    "too large": (bytes(65 * 1024), 413, "too large"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_that_cannot_be_transformed_is_refused_in_words(client, name):
    data, status, words = UPLOADS[name]
    response = transform(client, data)
    assert response.status_code == status
    assert words in response.json()["error"]


@pytest.mark.parametrize("name", sorted({*UPLOADS} - {"too long"}))
def test_an_upload_without_a_place_is_refused_in_words(client, name):
    response = client.post(
        "/api/place", params={"model": MODEL}, content=UPLOADS[name][0]
    )
    assert response.status_code == UPLOADS[name][1]
    assert response.json()["error"]


@pytest.mark.parametrize(
    "query",
    [
        *({"amount": 9}, {"seed": "x"}, {"drums": "some"}, {"path": "x"}),
        *({"drums": "track:"}, {"drums": "track:,"}),
    ],
    ids=str,
)
def test_options_of_a_transformation_have_limits(client, query):
    assert transform(client, drums(), **query).status_code == 400


def test_the_sound_of_a_song_is_heard(client):
    response = client.post("/api/song.wav", content=drums(2))
    heard, rate = samples_of(response.content)
    assert len(heard) > 4 * rate and np.abs(heard).max() > 0.3


def test_a_long_song_is_heard_minute_by_minute(client, monkeypatch):
    checks = []
    monkeypatch.setattr(audio, "LONGEST_AT_ONCE_S", 20.0)
    monkeypatch.setattr(audio, "STRETCH_S", 10.0)
    content = songs.wav(drums(20), checks.append)
    heard, rate = samples_of(content)
    assert len(heard) > 40 * rate and len(checks) == 4
    assert client.post("/api/song.wav", content=drums(20)).content == content


def test_a_song_is_seen(client):
    response = client.post("/api/song.png", content=drums(2))
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")
    refused = client.post("/api/song.png", content=b"GIF89a")
    assert refused.status_code == 422


def test_the_place_of_a_song_is_that_of_its_chosen_drums(client):
    kit = song_files.track(song_files.beat(2, channel=0), "Loop")
    bass = song_files.track(song_files.beat(2, channel=1, hits=[(0, 40, 90)]), "Bass")

    def place(data, **query):
        return client.post("/api/place", params={"model": MODEL, **query}, content=data)

    refused = place(midi_bytes(kit, bass), drums="channel10")
    assert refused.status_code == 422
    assert choices(refused).keys() == {"track:Loop", "track:Bass"}
    chosen = place(midi_bytes(kit, bass), drums="track:Loop").json()
    assert chosen["z"] == place(drums(2)).json()["z"]
    assert place(drums(2), drums="all").json()["z"] == chosen["z"]
    assert place(drums(2), drums="some").status_code == 400


def test_refusals_speak_of_the_file_and_of_exact_limits(client):
    data = UPLOADS["in 3/4"][0]
    response = client.post("/api/place", params={"model": MODEL}, content=data)
    assert "the file: time signature 3/4" in response.json()["error"]
    assert "2147483647" in sample(client, 400, seed=-1)["error"]


def test_another_method_or_a_slash_more_is_refused_in_words(client):
    response = client.get("/api/sample")
    assert response.status_code == 405 and "GET" in response.json()["error"]
    response = client.post("/api/file/mid/", json={}, follow_redirects=False)
    assert response.status_code == 404 and response.json()["error"]


def test_an_upload_that_is_broken_off_does_not_fail_the_server(client, caplog):
    messages = iter(
        [
            {"type": "http.request", "body": b"MThd", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive():
        return next(messages)

    async def send(message):
        assert message.get("status", 400) == 400

    headers = [(b"host", b"127.0.0.1"), (b"x-music-vae", b"1")]
    scope = {"type": "http", "method": "POST", "path": "/api/song.wav"}
    scope |= {"query_string": b"", "headers": headers}
    asyncio.run(client.app(scope, receive, send))
    assert not caplog.records


# The queue.


def test_a_full_queue_refuses_in_words():
    worker, may_end = Worker(most_waiting=2), threading.Event()

    async def crowd():
        first = [asyncio.create_task(worker.do(may_end.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 requests wait"):
            await worker.do(int)
        may_end.set()
        await asyncio.gather(*first)
        return await worker.do(int)

    assert asyncio.run(crowd()) == 0
    worker.stop()


def test_a_busy_server_answers_503_and_when_to_come_back(client, monkeypatch):
    async def busy(*_):
        raise Busy("the server is busy")

    monkeypatch.setattr(Worker, "do", busy)
    response = client.post("/api/sample", json={"model": MODEL, "where": {"draw": 1}})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "busy" in response.json()["error"]


def test_a_failure_is_500_without_its_reason(client, monkeypatch):
    async def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(Worker, "do", fail)
    response = client.post("/api/sample", json={"model": MODEL, "where": {"draw": 1}})
    assert response.status_code == 500
    assert "secret" not in response.text and response.json()["error"]


def test_work_that_goes_on_ends_when_the_server_does():
    worker = Worker()
    worker.check()
    worker.stop()
    with pytest.raises(Stopped):
        worker.check()
