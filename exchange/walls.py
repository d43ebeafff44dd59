"""What a process of ours gives up for good before it touches what strangers have sent: Landlock, by system calls.

Behind the walls no file can be opened, made, removed, renamed or run, whatever the user of the process may do; what is
open already stays usable. How much else is shut depends on the kernel: its version of Landlock counts up.
"""

import ctypes
import os
import struct

WHOLE = 6  # the version (Linux 6.12) from which on all is shut that is meant to be
TCP, SCOPES = 4, 6  # versions from which on connections, and signals and abstract sockets, are shut too

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # numbers of system calls, the same on every processor
_ASK_VERSION = 1
_RULE_FOR_PORT = 2
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # version → how many there are since
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def version() -> int:
    """The running kernel's version of Landlock; 0 where it has none, or where it is switched off or forbidden."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def shut(port: int | None = None) -> None:
    """Wall off this process, as far as the kernel can; with a port, TCP connections to that port stay possible.

    What no version shuts: UDP, and sockets that have a path. OSError where the kernel has Landlock and refuses.
    """
    _done(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    known = version()
    if not known:
        return
    files = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= known)) - 1
    connections = _BIND_TCP | _CONNECT_TCP if known >= TCP else 0
    others = _ABSTRACT_SOCKETS | _SIGNALS if known >= SCOPES else 0
    asked = struct.pack("=QQQ", files, connections, others)  # an older kernel takes the zeros it does not know
    rules = _done(_LIBC.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(len(asked)), 0))
    try:
        if connections and port is not None:
            _done(_LIBC.syscall(_ADD_RULE, rules, _RULE_FOR_PORT, struct.pack("=QQ", _CONNECT_TCP, port), 0))
        _done(_LIBC.syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _done(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "it can't be walled off")
    return result
