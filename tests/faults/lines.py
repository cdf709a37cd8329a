# SPDX-License-Identifier: LGPL-2.1-or-later
"""Logs of numbered lines, as Docker's json-file driver writes them: making them, writing them bit by bit, reading them
back. What was lost, torn or repeated shows in the numbers.

    python3 lines.py FILE BYTES_PER_SECOND LINE_BYTES FIRST_NUMBER

appends to FILE, one write a line, until standard input ends; then prints how many lines there are and how many writes
failed. After a failed write it opens the file anew, and that line is written again.
"""

import contextlib
import json
import os
import select
import sys
import time

MARKER_BYTES = 4096
FILLER_BYTES = 1 << 20
FILLER = (b'{"log":"diskbrake freed this part of the log to keep the disk from filling; newer lines follow\\n",'
          b'"stream":"stderr","time":"1970-01-01T00:00:00Z"}\n')
FILLER = b' ' * (FILLER_BYTES - len(FILLER)) + FILLER


def line(number, line_bytes):
    pad = 'x' * (line_bytes + number * 7919 % (line_bytes + 1))
    return (b'{"log":"line %d %s\\n","stream":"stdout","time":"2026-11-21T12:00:00.%09dZ"}\n'
            % (number, pad.encode(), number))


def write_lines(path, total, line_bytes=200, first=0):
    """A log of that many bytes or a little more, at rest. Returns the number of lines."""
    number = first
    with open(path, 'ab') as f:
        while f.tell() < total:
            f.write(line(number, line_bytes))
            number += 1
    return number


def numbers(data):
    """The numbers of all lines of valid JSON, the marker left out; blank lines are none. Anything else raises."""
    found = []
    for text in data.split(b'\n'):
        if not text.strip(b' '):
            continue
        record = json.loads(text)
        assert set(record) == {'log', 'stream', 'time'}
        if record['log'].startswith('diskbrake freed '):
            continue
        found.append(int(record['log'].split()[1]))
    return found


def filled(data):
    """How much of the head is filler, in whole blocks."""
    end = 0
    while data[end:end + FILLER_BYTES] == FILLER:
        end += FILLER_BYTES
    return end


def check_kept(data, n_lines, allow_hole):
    """Every line that is kept is there, whole, in sequence, up to the newest. Returns the first that is kept."""
    if allow_hole and data[:26].startswith(b'{"log":"diskbrake freed '):
        assert data[MARKER_BYTES - 1:MARKER_BYTES] == b'\n'
        assert numbers(data[:MARKER_BYTES]) == []
        rest = data[MARKER_BYTES:].lstrip(b'\0')
    else:
        rest = data
    assert b'\0' not in rest
    assert rest.endswith(b'\n')
    found = numbers(rest)
    assert found, 'nothing was kept'
    assert found == list(range(found[0], n_lines)), 'lost, repeated or out of order'
    return found[0]


def check_valid(data):
    """Readable line by line, before the hole and behind it, wherever a trim was interrupted. Returns the numbers."""
    before, _, behind = data.partition(b'\0')
    everything = numbers(before) + numbers(behind.lstrip(b'\0'))
    assert everything == sorted(set(everything)), 'repeated or out of order'
    return everything


def _open(path):
    with contextlib.suppress(OSError):
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    return -1


def _append(path, bytes_per_sec, line_bytes, number):
    first, failed, written = number, 0, 0
    fd = _open(path)
    begin = time.monotonic()
    print('writing', flush=True)
    while True:
        due = begin + written / bytes_per_sec - time.monotonic()
        if select.select([sys.stdin], [], [], max(due, 0))[0]:
            break
        data = line(number, line_bytes)
        written += len(data)
        try:
            whole = os.write(fd, data) == len(data)
        except OSError:
            whole = False
        if whole:
            number += 1
            continue
        failed += 1
        with contextlib.suppress(OSError):
            os.close(fd)
        fd = _open(path)
    print(number - first, failed, flush=True)


if __name__ == '__main__':
    _append(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
