"""Files of which one kind is taken, known by its first bytes whatever its name says."""

from exchange import vault
from exchange.errors import Refused


class Recognised(vault.Receiving):
    """A file being written into the vault; each kind says how it begins, how large it may be and what to say."""

    BEGINNING = b""
    LARGEST = 0  # bytes
    OTHER_KIND = ""
    TOO_LARGE = ""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit if limit is not None else self.LARGEST)
        self._head = b""

    def write(self, data: bytes) -> int:
        self._head += data[: len(self.BEGINNING) - len(self._head)]
        try:
            return super().write(data)
        except vault.TooLarge as error:
            raise vault.TooLarge(self.TOO_LARGE) from error

    def require_kind(self) -> None:
        """Refused for a file that does not begin like its kind."""
        if self._head != self.BEGINNING:
            raise Refused(self.OTHER_KIND)
