"""Executes a program under a kernel that has no Landlock, as far as it can see.

Usage: without_landlock.py PROGRAM [ARGUMENT ...]
A filter answers Landlock's three system calls as a kernel built without it does
(ENOSYS), for the program and all its children.
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER = struct.pack("HBBI", 0x20, 0, 0, 0)
ALLOW, ENOSYS = 0x7FFF0000, 0x00050000 | 38
# Calls 444 to 446: below is allowed, above is allowed, the rest does not exist.
PROGRAM = [
    LOAD_NUMBER,
    struct.pack("HBBI", 0x35, 0, 2, 444),
    struct.pack("HBBI", 0x25, 1, 0, 446),
    struct.pack("HBBI", 0x06, 0, 0, ENOSYS),
    struct.pack("HBBI", 0x06, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(PROGRAM))
filter_program = struct.pack("HxxxxxxQ", len(PROGRAM), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program, 0, 0)]:
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl{arguments}: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
