# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archive, then free, with a real archiver and a real trimmer, one act at a time; and what `diskbrake logs` reads of it."""

import contextlib
import os
import subprocess
import time

from lines import numbers
from matrix import find_build
from test_trim_matrix import ID, act, ask_driver, log_of


def archive(driver, mount, state, then, want, keep, wrapper=(), container=ID, **options):
    command = [driver, 'archive', str(state), str(mount), container, then, str(want), str(keep)]
    command += [f'{k}={v}' for k, v in options.items()]
    if wrapper:
        command += ['--', *wrapper]
    return ask_driver(command)


def keep_house(driver, mount, state, times=1, **options):
    return archive(driver, mount, state, 'punch', 0, 0, repeat=0, house=times, **options)


def free(driver, mount, then, want, keep, archived, **options):
    """What was archived, and no more."""
    if then == 'delete':
        return act(driver, mount, then, want=want, keep=keep, segment=archived['segment_inode'], **options)
    return act(driver, mount, then, want=want, keep=keep, until=archived['to_offset'], **options)


def archive_and_free(driver, mount, state, then, want, keep):
    archived = archive(driver, mount, state, then, want, keep)
    if archived['result'] != 'done':
        return archived, None
    return archived, free(driver, mount, then, archived['log_bytes'], keep, archived)


class Reader:
    """`diskbrake logs` of one log and its archives; the guard beside it only says where they are."""

    def __init__(self, folder, log, archives):
        build = find_build()
        socket = folder / 'guard.socket'
        self.command = [build / 'clients/cli/diskbrake', '-s', socket, 'logs', 'web']
        self.guard = subprocess.Popen(
            [build / 'tests/unit/fake_guard', socket, 'calm'], stdout=subprocess.PIPE,
            env={**os.environ, 'FAKE_LOG': str(log), 'FAKE_ARCHIVES': str(archives)})
        self.guard.stdout.read(1)

    def read(self, *options):
        return subprocess.run([*self.command, *options], capture_output=True, timeout=60)

    def numbers(self, *options, marker=False):
        """marker: the guard's own line, which says how much was freed, may stand among them."""
        done = self.read(*options)
        assert done.returncode == 0, done.stderr
        return [int(line.split()[1]) for line in done.stdout.splitlines()
                if not (marker and line.startswith(b'diskbrake freed '))]

    def close(self):
        self.guard.kill()
        self.guard.wait()
        self.guard.stdout.close()


@contextlib.contextmanager
def reading(folder, mount, state):
    reader = Reader(folder, log_of(mount), state / 'archive')
    try:
        yield reader
    finally:
        reader.close()


def archived_numbers(state):
    """By other people's program: what stands in the archives, in their order."""
    found = []
    for path in sorted((state / 'archive').glob('*/*.json.*')):
        unpack = ['zstd', '-dc'] if path.suffix == '.zst' else ['gzip', '-dc']
        found += numbers(subprocess.run([*unpack, path], check=True, capture_output=True).stdout)
    return found


def wait_until_true(what, seconds, describe):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.2)
