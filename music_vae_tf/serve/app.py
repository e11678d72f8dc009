"""The addresses of the server, as an ASGI application."""

from __future__ import annotations

import collections
import functools
import importlib.resources
import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterable
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from music_vae_tf import __version__
from music_vae_tf.errors import UserFacingError
from music_vae_tf.serve import bodies, loops, playables, security, songs, sounds
from music_vae_tf.serve.errors import Refused, Unknown
from music_vae_tf.serve.worker import Worker

log = logging.getLogger("music_vae_tf")

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "mid": "audio/midi",
    "wav": "audio/wav",
    "png": "image/png",
    "zip": "application/zip",
}
MAX_UPLOAD_BYTES = 2 * 2**20
MOST_ON_SHELF = 32
MOST_SOUND_BYTES = 48 * 2**20  # of sounds that are kept


class Settings(NamedTuple):
    """What the command line decides."""

    soundfont: str | None = None
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    hosts: Iterable[str] = security.LOCAL


def static_files() -> dict[str, bytes]:
    """`{name: content}` of all that the page loads: no request names a path."""
    folder = importlib.resources.files(__package__).joinpath("static")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in TYPES
    }


def application(
    models: playables.Playables,
    worker: Worker,
    settings: Settings = Settings(),  # noqa: B008
) -> security.Guard:
    """The application. All that a model does, the worker does in its turn."""
    page = _Page(models, worker, settings)
    routes = [
        Route("/", page.index),
        Route("/static/{name}", page.static),
        Route("/api/models", page.offers),
        Route("/api/models/{id}", page.model),
        Route("/api/sounds", page.sounds),
        Route("/api/sample", page.sample, methods=["POST"]),
        Route("/api/place", page.place, methods=["POST"]),
        Route("/api/transform", page.transform, methods=["POST"]),
        Route("/api/file/{format}", page.file, methods=["POST"]),
        Route("/api/song.wav", page.song_wav, methods=["POST"]),
        Route("/api/song.png", page.song_png, methods=["POST"]),
        Route("/api/shelf.zip", page.shelf, methods=["POST"]),
    ]
    handlers = {
        404: _no_address,
        405: _no_address,
        UserFacingError: _refusal,
        ClientDisconnect: _gone,
        Exception: _failure,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return security.Guard(app, settings.hosts)


def _refusal(request, error):
    status = getattr(error, "status", 422)
    headers = {"retry-after": "1"} if status == 503 else None
    content = {"error": str(error), **getattr(error, "details", {})}
    return JSONResponse(content, status, headers)


def _no_address(request, error):
    words = "there is no such address"
    if error.status_code == 405:
        words = f"this address is not for {request.method[:20]}"
    return JSONResponse({"error": words}, error.status_code, error.headers)


def _gone(request, error):
    """Nobody reads this: the upload was broken off."""
    return JSONResponse({"error": "the upload was broken off"}, status_code=400)


def _failure(request, error):
    log.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse(
        {"error": "the server failed; its log has the reason"}, status_code=500
    )


class _Page:
    """The answers to requests."""

    def __init__(self, models, worker, settings):
        self._models, self._worker, self._settings = models, worker, settings
        self._static = static_files()
        self._sounds = collections.OrderedDict()

    async def index(self, request: Request) -> Response:
        return self._file_of_page("index.html")

    async def static(self, request: Request) -> Response:
        return self._file_of_page(request.path_params["name"])

    def _file_of_page(self, name):
        if name not in self._static:
            raise Unknown("there is no such file")
        return Response(self._static[name], media_type=TYPES[name.rpartition(".")[2]])

    async def offers(self, request: Request) -> Response:
        offers = [
            {"id": offer.id, "title": offer.title, "config": offer.config.name}
            for offer in self._models.offers.values()
        ]
        limits = {
            "upload_bytes": self._settings.max_upload_bytes,
            "shelf": MOST_ON_SHELF,
        }
        content = {"models": offers, "default": self._models.default}
        return JSONResponse({**content, "version": __version__, "limits": limits})

    async def model(self, request: Request) -> Response:
        id = request.path_params["id"]
        work = lambda: playables.description(self._models.load(id))
        return JSONResponse(await self._worker.do(work))

    async def sample(self, request: Request) -> Response:
        fields = await bodies.read_json(request)
        return JSONResponse(await self._worker.do(self._sample, fields))

    def _sample(self, fields):
        playable, recipe = self._recipe(fields)
        return loops.answer(recipe, playable)

    def _recipe(self, fields):
        playable = self._models.load(fields.text("model"))
        return playable, loops.read_recipe(fields, playable)

    # Songs.

    async def place(self, request: Request) -> Response:
        query = _Query(request, ("model", "drums"))
        data = await self._upload(request)
        return JSONResponse(await self._worker.do(self._place, query, data))

    def _place(self, query, data):
        drums = _drums(query)
        playable = self._models.load(query.text("model"))
        mu, qpm = songs.place(playable.batches, data, drums)
        qpm = min(max(qpm, loops.SLOWEST_QPM), loops.FASTEST_QPM)
        recipe = loops.Recipe(mu, 0, loops.USUAL_TEMPERATURE, qpm, {})
        return loops.answer(recipe, playable)

    async def transform(self, request: Request) -> Response:
        texts, numbers = ("model", "drums", "attributes"), ("amount", "temperature")
        query = _Query(request, texts, (*numbers, "seed"))
        data = await self._upload(request)
        return JSONResponse(await self._worker.do(self._transform, query, data))

    def _transform(self, query, data):
        options = {
            "amount": query.number("amount", 0, 2, 1),
            "temperature": query.number(
                "temperature", loops.COOLEST, loops.HOTTEST, loops.USUAL_TEMPERATURE
            ),
            "drums": _drums(query),
            "attributes": query.text("attributes", ""),
        }
        seed = query.integer("seed", 0, bodies.LARGEST_SEED, 0)
        model = self._models.load(query.text("model")).batches
        model.reseed(seed)
        return songs.transformed(model, data, self._worker.check, **options)

    async def song_wav(self, request: Request) -> Response:
        data = await self._upload(request)
        soundfont, check = self._settings.soundfont, self._worker.check
        content = await self._worker.do(songs.wav, data, check, soundfont)
        return Response(content, media_type=TYPES["wav"])

    async def song_png(self, request: Request) -> Response:
        data = await self._upload(request)
        content = await self._worker.do(songs.png, data)
        return Response(content, media_type=TYPES["png"])

    async def _upload(self, request) -> bytes:
        return await bodies.read(request, self._settings.max_upload_bytes)

    # Files.

    async def file(self, request: Request) -> Response:
        format = request.path_params["format"]
        if format not in ("mid", "wav", "png"):
            raise Unknown("there is no such format: mid, wav and png exist")
        fields = await bodies.read_json(request)
        content = await self._worker.do(self._files, fields, (format,))
        return Response(content[format], media_type=TYPES[format])

    def _files(self, fields, formats) -> dict[str, bytes]:
        from music_vae_tf.data.midi_writer import midi_bytes

        playable, recipe = self._recipe(fields)
        sequence = loops.decode(recipe, playable)
        title = f"{playable.offer.config.name}, seed {recipe.seed}"
        make: dict[str, Callable[[], bytes]] = {
            "mid": lambda: midi_bytes(sequence),
            "wav": lambda: loops.wav(sequence, self._settings.soundfont),
            "png": lambda: loops.png(sequence, title),
        }
        return {format: make[format]() for format in formats}

    async def shelf(self, request: Request) -> Response:
        """A zip of all loops of a shelf; others get their turn between two of them."""
        fields = await bodies.read_json(request)
        fields.only(("loops",))
        described, buffer = fields.objects("loops", MOST_ON_SHELF), io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, one in enumerate(described, 1):
                files = await self._worker.do(self._files, one, ("mid", "wav", "png"))
                for format, content in files.items():
                    archive.writestr(f"loop_{number:02d}.{format}", content)
            contents = [one.content for one in described]
            archive.writestr("shelf.json", json.dumps(contents, indent=1) + "\n")
        return Response(buffer.getvalue(), media_type=TYPES["zip"])

    # Sounds.

    async def sounds(self, request: Request) -> Response:
        query = _Query(request, ("pitches",), ("drum", "program"))
        is_drum = bool(query.integer("drum", 0, 1, 0))
        key = query.pitches(), query.integer("program", 0, 127, 0), is_drum
        if key not in self._sounds:
            make = functools.partial(sounds.sounds, *key, self._settings.soundfont)
            self._sounds[key] = await self._worker.do(make)
        self._sounds.move_to_end(key)
        content = self._sounds[key]
        while sum(map(len, self._sounds.values())) > MOST_SOUND_BYTES:
            self._sounds.popitem(last=False)
        return Response(content, media_type=TYPES["wav"])


def _drums(query) -> str | None:
    """Which notes are drums; None is as the model has it: auto, or taps on any key."""
    drums = query.text("drums", "auto")
    is_track = drums.startswith(songs.TRACK) and drums[len(songs.TRACK) :].strip(" ,")
    if drums not in songs.DRUMS and not is_track:
        raise Refused(
            f"drums: one of {', '.join(songs.DRUMS)}, {songs.TRACK}NAME or "
            f"{songs.TRACK}NUMBER is expected"
        )
    return None if drums == "auto" else drums


class _Query(bodies.Fields):
    """The parameters of an address, read as fields are."""

    def __init__(self, request, texts, numbers=()):
        super().__init__(dict(request.query_params))
        self.only((*texts, *numbers))
        for name in numbers:
            if name in self:
                self.content[name] = _number(self.content[name])

    def pitches(self) -> tuple[int, ...]:
        """Whole numbers from 0 to 127 with commas between, each once, in order."""
        texts = self.text("pitches").split(",")
        if not all(text.isascii() and text.isdecimal() for text in texts):
            raise Refused("pitches: numbers with commas between are expected")
        pitches = sorted({int(text[:4]) for text in texts})
        if pitches[-1] > 127 or len(pitches) > sounds.MOST_PITCHES:
            raise Refused(
                f"pitches: at most {sounds.MOST_PITCHES} numbers from 0 to 127"
            )
        return tuple(pitches)


def _number(text):
    """The number in a text; a text that is none stays, and is refused when read."""
    try:
        return float(text)
    except ValueError:
        return text
