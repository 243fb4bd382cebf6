"""The heaps of glibc that the threads of a process have."""

import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading
from bridge.gateway.heap import join_heaps
if "joined" in sys.argv:
    join_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(7)
def work():
    libc.malloc(ctypes.c_size_t(1000))
    together.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for one in threads: one.start()
together.wait()
told = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, told)
libc.fclose(told)
"""


@pytest.mark.parametrize(("joined", "least", "most"), [("joined", 1, 2), ("", 3, 99)])
def test_all_threads_share_two_heaps(joined: str, least: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", HEAPS, joined], capture_output=True, text=True, check=True)
    assert least <= done.stdout.count("<heap nr=") <= most
