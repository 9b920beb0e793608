"""Stops a child right before one of the system calls that change a disk, whoever makes it: SQLite and Arrow too.

By ptrace, on Linux. What a killed process leaves behind depends only on the calls it made, so stopping before each of
them shows every state that a kill can leave, short of a single write that got through in part.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

__all__ = ["SUPPORTED", "stopped_before", "traced"]

#: Numbers of system calls by machine; the one that counts only when it makes a file comes first.
_CALLS = {
    "x86_64": (257, {1, 18, 20, 296, 74, 75, 76, 77, 82, 264, 316, 83, 258, 84, 87, 263, 86, 265, 285}),
    "aarch64": (56, {64, 68, 66, 70, 82, 83, 45, 46, 38, 276, 34, 35, 37, 47}),
}
SUPPORTED = platform.system() == "Linux" and platform.machine() in _CALLS

_TRACE_ME, _SYSCALL, _SET_OPTIONS, _SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_GOOD, _FORK, _VFORK, _CLONE, _EXIT_KILL = 0x1, 0x2, 0x4, 0x8, 0x100000
_ALL_THREADS = 0x40000000
_ENTRY = 1


def _ptrace(request: int, child: int, address: int, data: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    return int(libc.ptrace(request, child, address, data))


def traced() -> None:
    """Called by the child, before anything is counted."""
    if _ptrace(_TRACE_ME, 0, 0, 0) < 0:
        raise PermissionError("ptrace is not allowed here")
    os.kill(os.getpid(), signal.SIGSTOP)


def stopped_before(child: int, stop_at: int | None) -> tuple[int, int]:
    """Run a child that called `traced`, and kill it before its call number `stop_at`; (wait status, calls counted)."""
    opening, changing = _CALLS[platform.machine()]
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        return status, 0
    _ptrace(_SET_OPTIONS, child, 0, _GOOD | _FORK | _VFORK | _CLONE | _EXIT_KILL)
    _ptrace(_SYSCALL, child, 0, 0)
    count, known = 0, {child}
    info = ctypes.create_string_buffer(88)
    while True:
        thread, status = os.waitpid(-1, _ALL_THREADS)
        if not os.WIFSTOPPED(status):
            if thread == child:
                return status, count
            continue
        passed = os.WSTOPSIG(status)
        if passed == signal.SIGTRAP | 0x80:
            _ptrace(_SYSCALL_INFO, thread, len(info), ctypes.addressof(info))
            number, _, _, flags = struct.unpack_from("4Q", info.raw, 24)
            makes = number == opening and flags & os.O_CREAT
            if info.raw[0] == _ENTRY and (number in changing or makes):
                count += 1
                if count == stop_at:
                    os.kill(child, signal.SIGKILL)
                    continue
            passed = 0
        elif passed == signal.SIGTRAP or (passed == signal.SIGSTOP and thread not in known):
            passed = 0
        known.add(thread)
        _ptrace(_SYSCALL, thread, 0, passed)
