"""A small SMTP server on loopback: keeps what it is given, refuses or hangs up when a test says so."""

import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


@dataclass
class Letter:
    """One mail as it came in: the envelope's addresses and its bytes."""

    sender: str
    recipients: list[str]
    data: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)


class _Line(socketserver.StreamRequestHandler):
    """One connection. `server.answers` maps a command (MAIL, RCPT, DATA, END) to the answer it gets instead of 250."""

    server: "SmtpServer"

    def handle(self) -> None:
        self.say(self.server.answers.get("GREETING", "220 mail.example"))
        sender, recipients = "", []
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            word = word.upper()
            answer = self.server.answers.get(word, "354 go on" if word == "DATA" else "250 ok")
            if word == "QUIT":
                return self.say("221 bye")
            self.say(answer)
            if word == "MAIL":
                sender, recipients = rest.partition(":")[2].split()[0], []
            elif word == "RCPT" and answer.startswith("2"):
                recipients.append(rest.partition(":")[2].split()[0].strip("<>"))
            elif word == "DATA" and answer.startswith("3"):
                self.take(sender, recipients)
        return None

    def take(self, sender: str, recipients: list[str]) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        answer = self.server.answers.get("END", "250 kept")
        if answer.startswith("2"):
            self.server.letters.append(Letter(sender, recipients, b"".join(lines)))
        self.say(answer)

    def say(self, answer: str) -> None:
        self.wfile.write(answer.encode() + b"\r\n")


class SmtpServer(socketserver.ThreadingTCPServer):
    """`with SmtpServer() as server:` listens on `server.port` until the block ends."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Line)
        self.letters: list[Letter] = []
        self.answers: dict[str, str] = {}
        self.port: int = self.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
