"""What a verb says when it refuses: each carries a Japanese sentence for the person who asked."""


class Refused(Exception):
    """A rule said no. `message` names the rule and what to do next; `status` is its nearest HTTP meaning."""

    status = 422

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Forbidden(Refused):
    """The person lacks the permission word or the role."""

    status = 403


class SomeoneWasFaster(Refused):
    """The thing is no longer in the state the act needs."""

    status = 409


class TooMany(Refused):
    """A limit of tries was reached."""

    status = 429


class Unusable(Refused):
    """Disk full or a part of the box is missing: nothing was done, nothing was lost."""

    status = 507


class NotConfigured(Exception):
    """The installation cannot start as it is; the text tells the operator what to do."""
