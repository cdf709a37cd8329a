# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is really full tears the lines of a writer that goes on like dockerd; the guard finds and blanks what is
left of them once there is room, and nothing else."""

import contextlib
import json
import os
import time

import pytest

from matrix import OTHERS
from rig import MIB, wait_for


def fill(folder, seconds):
    """To the last byte, again and again, with room for a page now and then: some line does not fit as a whole."""
    folder.mkdir()
    parts = [folder / f'part{i}' for i in range(20)]
    for part in parts:
        part.write_bytes(b'x' * 4096)
    end = time.monotonic() + seconds
    with open(folder / 'fill', 'wb', buffering=0) as f:
        while time.monotonic() < end:
            for block in (MIB, 4096, 512):
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b'x' * block)
            with contextlib.suppress(OSError):
                os.fsync(f.fileno())
            if parts:
                parts.pop().unlink()
            time.sleep(0.1)


def make_room(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def pieces(data):
    """(records, fragments) of the lines that have ended, as a decoder that reads on in the line finds them."""
    records, fragments, decoder = 0, [], json.JSONDecoder()
    for line in data.split(b'\n')[:-1]:
        text = line.rpartition(b'\0')[2].decode().strip(' ')
        while text:
            try:
                end = decoder.raw_decode(text)[1]
                records += 1
            except ValueError:
                end = text.find('{"log":"', 1)
                end = end if end > 0 else len(text)
                fragments.append(text[:end])
            text = text[end:].lstrip(' ')
    return records, fragments


@pytest.mark.parametrize('kind', ['ext4', 'xfs', 'tmpfs'])
def test_lines_that_a_full_disk_tore_are_blanked(row, rig, well, kind):
    row(injected=f'{kind} at 100 % while a container logs; then there is room again',
        holds=['torn lines are blanked', 'nothing else changes', OTHERS])
    sick = rig.partition('sick', kind)
    sick.add_container('api')
    rig.start(extra='[Ballast]\nSize=0\n')
    well.start_writer()
    sick.start_writer('api', bytes_per_sec=150_000, line_bytes=6000)
    folder = sick.outside / 'filler'
    for _ in range(4):
        fill(folder, 3)
        full = sick.read_log('api')
        make_room(folder)
        if pieces(full)[1]:
            break
    else:
        pytest.fail('no line was torn')
    with row.recovery():
        wait_for(lambda: pieces(sick.read_log('api'))[1] == [], 30, text=rig.describe)
    assert rig.wait_event('repaired', sick)['DISKBRAKE_METHOD'] == 'blank'
    failed = sick.stop_writer('api')
    data, size = sick.read_log('api'), len(full)
    print(f'{kind}: {failed} writes failed, {len(pieces(full)[1])} lines torn, {len(rig.events("repaired", sick))} repairs')
    # Byte for byte what it was, but for blanks.
    assert all(a == b or b == 32 for a, b in zip(full, data[:size])) and len(data) > size
    assert pieces(data)[0] >= sick.n_lines['api'] - 1
    wait_for(lambda: all(log['damage'] is None for log in sick.status()['logs']), text=rig.describe)
    well.assert_guarded()
