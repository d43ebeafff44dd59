"""Files in forms: parsed straight into the vault or the ZIP writer, and only where a route says that it takes files."""

import unicodedata
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from flask import current_app, request
from flask.typing import ResponseReturnValue
from htmx_flask.requests import HtmxAwareRequest
from werkzeug.exceptions import BadRequest

from exchange import vault
from exchange.arrivals import FILE_NAME_LONGEST
from exchange.recognised import Recognised
from exchange.statements import Packing

NAME_READ = 1000  # characters of a name that are looked at, from its end
SUFFIX_LONGEST = 20
FORM_SLACK = 256 * 1024  # bytes a form may have besides its files

View = Callable[..., ResponseReturnValue]


class Sink(Protocol):
    """Where the files of one request go."""

    def open(self, name: str) -> Any: ...

    def discard(self) -> None: ...


class Request(HtmxAwareRequest):
    """The request whose files never touch a temporary file."""

    sink: Sink | None = None

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> Any:
        if self.sink is None:
            raise BadRequest("この画面ではファイルを受け取れません。")
        return self.sink.open(clean_name(filename or ""))


class Part:
    """What the form parser writes one file into: `write` takes the bytes, its closing `seek(0)` says that all came."""

    def __init__(self, write: Callable[[bytes], Any], close: Callable[[], None] = lambda: None) -> None:
        self.write = write
        self._close = close

    def seek(self, *_: int) -> None:
        self._close()

    def close(self) -> None:
        """The request is over; the sink decides what stays."""


class OneFile:
    """Takes one file into the vault; an empty field and any further file into nothing."""

    def __init__(self, limit: int, kind: Callable[[int], vault.Receiving] = vault.Receiving) -> None:
        self.receiving: Any = None  # what `kind` makes, once a file comes
        self._limit = limit
        self._kind = kind

    def open(self, name: str) -> Part:
        if not name or self.receiving is not None:
            return Part(len)
        self.receiving = self._kind(self._limit)
        return Part(self.receiving.write)

    def discard(self) -> None:
        if self.receiving is not None:
            self.receiving.discard()


class InMemory:
    """Takes one small file into memory. Of a larger one it keeps a byte more than the limit, for its reader to see."""

    def __init__(self, limit: int) -> None:
        request.max_content_length = limit + FORM_SLACK
        self.data: bytearray | None = None
        self._limit = limit

    def open(self, name: str) -> Part:
        if not name or self.data is not None:
            return Part(len)
        self.data = bytearray()
        return Part(self._write)

    def _write(self, data: bytes) -> int:
        assert self.data is not None  # a part is written to only once it is open
        self.data += data[: self._limit + 1 - len(self.data)]
        return len(data)

    def discard(self) -> None:
        """It goes with the request."""


class IntoArchive:
    """Takes all files into the ZIP that is being packed for an office."""

    def __init__(self, packing: Packing) -> None:
        self.packing = packing

    def open(self, name: str) -> Part:
        if not name:
            return Part(len)
        entry: BinaryIO = self.packing.open(name)
        return Part(entry.write, entry.close)

    def discard(self) -> None:
        self.packing.discard()


def takes_files(make_sink: Callable[..., Sink]) -> Callable[[View], View]:
    """Marks a view whose form may carry files; `make_sink` gets the view's arguments and asks for the permission
    first.
    """

    def mark(view: View) -> View:
        view.make_sink = make_sink  # type: ignore[attr-defined]
        return view

    return mark


def one_of_kind(kind: type[Recognised]) -> OneFile:
    """For a file of one kind with a limit of its own, whatever the limit of a transfer is."""
    request.max_content_length = kind.LARGEST + FORM_SLACK
    return OneFile(kind.LARGEST, kind)


def is_file_lost(form: Any) -> bool:
    """Whether the person has to choose the file once more: a refused form comes back without it, except to our own
    script, which keeps it.
    """
    return bool(form.errors) and not form.file.errors and request.headers.get("X-Requested-With") != "todoke-upload"


def prepare() -> None:
    """Before the body is read: open the sink of a view that takes files, and its larger limit."""
    view = current_app.view_functions.get(request.endpoint or "")
    make_sink = getattr(view, "make_sink", None)
    if make_sink is not None:
        request.max_content_length = current_app.config["MAX_FILE_BYTES"] + FORM_SLACK
        request.sink = make_sink(**(request.view_args or {}))


def discard(_: BaseException | None = None) -> None:
    """After the request: what no verb kept goes."""
    if getattr(request, "sink", None) is not None:
        request.sink.discard()


def clean_name(name: str) -> str:
    """The file's own name, composed, without folders, control characters or more than FILE_NAME_LONGEST characters."""
    # Cut first: composing a long run of combining marks takes seconds.
    base = unicodedata.normalize("NFC", name[-NAME_READ:]).replace("\\", "/").rsplit("/", 1)[-1]
    visible = "".join(char for char in base if unicodedata.category(char)[0] != "C")
    stem, dot, suffix = visible.strip().rpartition(".")
    if not dot:
        return visible.strip()[:FILE_NAME_LONGEST]
    suffix = suffix[:SUFFIX_LONGEST]
    return stem[: FILE_NAME_LONGEST - len(suffix) - 1] + dot + suffix
