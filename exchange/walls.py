"""What a process of ours gives up for good before it touches what strangers have sent: Landlock and a filter of calls.

Landlock: behind the walls no file can be opened, made, removed, renamed or run, whatever the user of the process may
do; what is open already stays usable. How much else is shut depends on the kernel: its version of Landlock counts up.

The filter (seccomp) shuts what Landlock leaves: to change a file's mode, owner, times or attributes, to reach other
processes, to leave processes behind, to send where no connection may lead. It is a list of what is forbidden, not of
what is allowed. A call has another number on each kind of processor, so it is only for those that are listed here.
"""

import ctypes
import errno
import os
import socket
import struct
import sys

WHOLE = 6  # the version (Linux 6.12) from which on all is shut that is meant to be
TCP, SCOPES = 4, 6  # versions from which on connections, and signals and abstract sockets, are shut too

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # numbers of system calls, the same on every processor
_ASK_VERSION = 1
_RULE_FOR_PORT = 2
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # version → how many there are since
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_PROCESSORS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # as a filter is told of them
_FORBIDDEN = {  # call → its number on each processor, in their order; None: it has no such call
    **{"chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452)},
    **{"chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54)},
    **{"utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88)},
    **{"setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463)},
    **{"removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466)},
    **{"file_setattr": (469, 469), "inotify_add_watch": (254, 27), "fanotify_init": (300, 262)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51)},
    **{"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442)},
    **{"unshare": (272, 97), "setns": (308, 268)},
    # processes of its own, and others
    **{"fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281)},
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272)},
    **{"pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "process_madvise": (440, 440)},
    **{"setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118)},
    **{"sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274)},
    # memory and messages that outlive it
    **{"shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195)},
    **{"semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192)},
    **{"msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187)},
    **{"mq_open": (240, 180), "mq_unlink": (241, 181)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    # much of the kernel, or ways around this list
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282)},
    # lines, but for those it makes with socket() and connect()
    **{"bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199), "setsockopt": (54, 208)},
    **{"sendmsg": (46, 211), "sendmmsg": (307, 269)},
}
_CLONE3 = 435, 435  # its arguments lie in memory, where no filter looks
_CLONE, _PRLIMIT, _PRCTL, _SOCKET, _SENDTO = (56, 220), (302, 261), (157, 167), (41, 198), (44, 206)
_X32 = 0x40000000  # in a number: a second set of calls that x86_64 has
_PR_SET_PDEATHSIG, _CLONE_THREAD, _MSG_FASTOPEN, _SOCK_TYPE = 1, 0x10000, 0x20000000, 0xF
_NUMBER, _PROCESSOR = 0, 4  # where the kernel puts what a filter may know of a call; its arguments follow
_LOAD, _MASK, _IS, _HAS, _END = 0x20, 0x54, 0x15, 0x45, 0x06  # what a filter can do
_PASS, _ERROR = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_Step = tuple[int, int, int, int]  # what, the steps to leave out where it is so and where it isn't, the number for it

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def version() -> int:
    """The running kernel's version of Landlock; 0 where it has none, or where it is switched off or forbidden."""
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def processor() -> str | None:
    """The kind of processor this process runs on; None where its calls have numbers that aren't known here."""
    machine = os.uname().machine
    is_its_own = struct.calcsize("P") == 8 and sys.byteorder == "little"  # and no 32-bit program on it
    return machine if machine in _PROCESSORS and is_its_own else None


def shut(port: int | None = None) -> None:
    """Wall off this process, as far as the kernel can; with a port, TCP connections to that port stay possible,
    without one, such to sockets that have a path. Threads stay possible, further processes don't.

    What stays open: to ask whether a file is there and what its size is, and the kernel's many other calls. OSError
    where the kernel has Landlock or filters and refuses.
    """
    _done(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _restrict(port)
    _filter((socket.AF_UNIX,) if port is None else (socket.AF_INET, socket.AF_INET6))


def _restrict(port: int | None) -> None:
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


def _filter(families: tuple[int, ...]) -> None:
    on = processor()
    if on is None:
        return
    steps = _program(on, families)
    packed = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(packed, len(packed))
    asked = struct.pack("@HP", len(steps), ctypes.addressof(program))
    if _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, asked, 0, 0) and ctypes.get_errno() != errno.EINVAL:
        _done(-1)  # EINVAL: a kernel that was built without filters


def _program(on: str, families: tuple[int, ...]) -> list[_Step]:
    column = list(_PROCESSORS).index(on)
    refuse = _end(errno.EPERM)
    steps = [(_LOAD, 0, 0, _PROCESSOR), (_IS, 1, 0, _PROCESSORS[on]), refuse, (_LOAD, 0, 0, _NUMBER)]
    if on == "x86_64":
        steps += [(_HAS, 0, 1, _X32), refuse]
    for numbers in _FORBIDDEN.values():
        number = numbers[column]
        if number is not None:
            steps += _where(number, refuse)
    steps += _where(_CLONE3[column], _end(errno.ENOSYS))  # whoever wants a thread then asks by clone
    steps += _where(_CLONE[column], _argument(0), (_HAS, 1, 0, _CLONE_THREAD), refuse, _end())
    steps += _where(_PRLIMIT[column], _argument(0), (_IS, 1, 0, 0), refuse, _end())  # 0: of itself
    steps += _where(_PRCTL[column], _argument(0), (_IS, 0, 1, _PR_SET_PDEATHSIG), refuse, _end())
    steps += _where(_SENDTO[column], _argument(3), (_HAS, 0, 1, _MSG_FASTOPEN), refuse, _end())
    steps += _where(_SOCKET[column], *_stream_socket(families))
    return [*steps, _end()]


def _stream_socket(families: tuple[int, ...]) -> list[_Step]:
    """A socket of one of the families that is a stream of its usual protocol; no other."""
    refuse = _end(errno.EPERM)
    kind = [_argument(1), (_MASK, 0, 0, _SOCK_TYPE), (_IS, 1, 0, socket.SOCK_STREAM), refuse]
    protocol = [_argument(2), (_IS, 2, 0, 0), (_IS, 1, 0, socket.IPPROTO_TCP), refuse]
    family = [step for one in families for step in ((_IS, 0, 1, int(one)), _end())]
    return [*kind, *protocol, _argument(0), *family, refuse]


def _where(number: int, *steps: _Step) -> list[_Step]:
    """The steps for one call; they must end it, as the call's number isn't loaded any longer."""
    return [(_IS, 0, len(steps), number), *steps]


def _argument(index: int) -> _Step:
    """Its lower half: more the kernel doesn't look at either, in those that are asked for here."""
    return _LOAD, 0, 0, 16 + 8 * index


def _end(error: int | None = None) -> _Step:
    return _END, 0, 0, _PASS if error is None else _ERROR | error


def _done(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "it can't be walled off")
    return result
