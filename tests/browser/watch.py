"""What must never happen on any page: a script error, a violation of the content policy, a request to another host."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

# Chromium writes this for every 4xx answer, also for a form refused as it should be.
REFUSED_ANSWER = "Failed to load resource: the server responded with a status of 4"
# And this for what it was loading while a VPN of another test gave the machine a network or took it away.
NEW_NETWORK = "Failed to load resource: net::ERR_NETWORK_CHANGED"


class Watch:
    """Listens to everything one browser does. `expected`: how one more message begins that is no trouble."""

    def __init__(self, context: BrowserContext, base: str, expected: str | None = None) -> None:
        self.host = urlsplit(base).netloc
        self.asked = 0
        self.expected = (REFUSED_ANSWER, NEW_NETWORK, expected or REFUSED_ANSWER)
        self.troubles: list[str] = []
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.troubles.append(f"script error: {error.error}"))

    def _request(self, request: Request) -> None:
        self.asked += 1
        if urlsplit(request.url).netloc != self.host:
            self.troubles.append(f"asked another host: {request.url[:120]}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(self.expected):
            self.troubles.append(f"console {message.type}: {message.text}")

    def assert_clean(self) -> None:
        assert self.asked > 0, "nothing was watched"
        assert self.troubles == [], "\n".join(self.troubles)
