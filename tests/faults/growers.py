# SPDX-License-Identifier: LGPL-2.1-or-later
"""What fills a partition and is no log:

    python3 growers.py MODE PATH BYTES_PER_SEC NAME

is a process called NAME that writes so much, until it is ended:

    hold     to one file that it keeps open
    deleted  to a file that it has unlinked
    held     10 MiB to a file that it has unlinked, and then no more
    small    to many files of 1 MiB, each made, written and closed
    spawn    the same by a program of its own for each file, which soon ends
    inplace  over and over the same 8 MiB: nothing grows
"""

import ctypes
import os
import subprocess
import sys
import time

MIB = 1 << 20
STEP = 64 * 1024


class Pace:
    def __init__(self, bytes_per_sec):
        self.bytes_per_sec, self.begun, self.done = bytes_per_sec, time.monotonic(), 0

    def add(self, n):
        self.done += n
        time.sleep(max(0, self.begun + self.done / self.bytes_per_sec - time.monotonic()))


def write_to(fd, pace, total=None):
    done = 0
    while total is None or done < total:
        try:
            done += os.write(fd, os.urandom(STEP))
        except OSError:     # full: it goes on as soon as it can
            time.sleep(0.1)
        pace.add(STEP)


def main(mode, path, bytes_per_sec, name):
    pace = Pace(int(bytes_per_sec))
    if mode in ('hold', 'deleted', 'held', 'inplace'):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if mode in ('deleted', 'held'):
        os.unlink(path)
    if mode == 'inplace':
        os.write(fd, bytes(8 * MIB))
    if mode == 'held':
        os.write(fd, bytes(10 * MIB))
    print('ready', flush=True)
    while mode == 'held':
        time.sleep(60)
    if mode in ('hold', 'deleted'):
        write_to(fd, pace)
    for i in range(1 << 30):
        if mode == 'inplace':
            os.lseek(fd, 0, os.SEEK_SET)
            write_to(fd, pace, 8 * MIB)
            os.fdatasync(fd)
        elif mode == 'small':
            new = os.open(f'{path}/{i}', os.O_WRONLY | os.O_CREAT, 0o600)
            write_to(new, pace, MIB)
            os.close(new)
        elif mode == 'spawn':
            subprocess.run(['sh', '-c', f'head -c {MIB} /dev/urandom > "$1"', 'sh', f'{path}/{i}'], check=False,
                           stderr=subprocess.DEVNULL, env={'PATH': '/usr/bin:/bin'})
            pace.add(MIB)


if __name__ == '__main__':
    ctypes.CDLL(None).prctl(15, sys.argv[4].encode(), 0, 0, 0)     # PR_SET_NAME
    main(*sys.argv[1:])
