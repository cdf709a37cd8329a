# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trace: what a real flood looked like to the guard is recorded, and the same engine comes to the same over it."""

import json
import signal
import time

from archives import wait_until_true
from matrix import VALID
from rig import MIB

LOUD = ('warning', 'critical', 'emergency')


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def replay(rig, *argv):
    done = rig.diskbrake('replay', '--json', *argv)
    return [json.loads(line) for line in done.stdout.splitlines()]


def n_raised(changes):
    return sum(c['level'] in LOUD and c['from'] not in LOUD for c in changes)


def start_recorder(rig):
    """Into a ring of its own; it has begun."""
    folder = rig.scratch / 'trace'
    recorder = rig.popen(*rig.cli, 'record', folder, '--size', '64M', '--interval', '1s')
    wait_until_true(lambda: list(folder.glob('trace-*.jsonl')), 10, rig.describe)
    return recorder, folder


def test_a_flood_is_recorded_and_comes_out_the_same_when_it_is_replayed(row, rig, well):
    row(injected='a log floods a partition with 20 MB/s while `diskbrake record` runs',
        holds=['the replay raises what was raised, within a second', 'no line of the log is in the trace', VALID])
    p = rig.partition('sick', size=256 * MIB)
    rig.start()
    recorder, folder = start_recorder(rig)
    p.start_writer(bytes_per_sec=20_000_000)
    wait_until_true(lambda: rig.events('act-done', p), 30, rig.describe)
    time.sleep(3)
    p.stop_writer()
    time.sleep(1)
    (trace,) = folder.glob('trace-*.jsonl')
    lines = lines_of(trace)
    assert lines[0]['kind'] == 'header' and lines[0]['config']
    kinds = {line['kind'] for line in lines}
    assert {'header', 'partition', 'filesystem', 'log', 'log-sample', 'event', 'act', 'outcome'} <= kinds, kinds
    mount = p.status()['mount']
    assert b'"log":"' not in trace.read_bytes(), 'log content in a trace'

    recorded = [line for line in lines if line['kind'] == 'event' and line['on'] == mount and
                line['type'] in ('level-raised', 'level-cleared')]
    replayed = [c for c in replay(rig, trace) if c['on'] == mount and 'level' in c]
    assert n_raised(replayed) == n_raised(recorded) == 1, (recorded, replayed)
    offset = (lines[0]['wall_usec'] - lines[0]['time_usec']) / 1e6
    first = next(r['time_usec'] / 1e6 + offset for r in recorded if r['level'] in LOUD)
    again = next(c['at'] for c in replayed if c['level'] in LOUD)
    assert abs(first - again) < 1, (first, again)
    worst = max(LOUD.index(r['level']) for r in recorded if r['level'] in LOUD)
    assert worst == max(LOUD.index(c['level']) for c in replayed if c['level'] in LOUD)
    assert any('act' in c for c in replay(rig, trace))

    # Another configuration: nothing would have been raised.
    other_conf = rig.scratch / 'other.conf'
    levels = ('Notice', 'Warning', 'Critical', 'Emergency')
    other_conf.write_text('[Levels]\n' + ''.join(f'{level}Free=0.{4 - i}%\n{level}Within=0\n' for i, level in enumerate(levels)))
    other = [c for c in replay(rig, trace, '--config', other_conf) if c['on'] == mount and 'level' in c]
    assert n_raised(other) == 0, other

    recorder.signal(signal.SIGTERM)
    recorder.wait()


def test_the_ring_keeps_its_budget(row, rig, well):
    row(injected='a flood is recorded into a ring of 1 MiB', holds=['never more than its budget', 'each file can be replayed alone'])
    p = rig.partition('sick', size=256 * MIB)
    rig.start(extra='[Trim]\nMaxLogSize=4M\nPolicy=trim\n')
    folder = rig.scratch / 'trace'
    recorder = rig.popen(*rig.cli, 'record', folder, '--size', '1M', '--interval', '0')
    p.start_writer(bytes_per_sec=20_000_000)
    most, seen, deadline = 0, set(), time.monotonic() + 20
    while time.monotonic() < deadline and len(seen) < 12:
        files = list(folder.glob('trace-*.jsonl')) if folder.exists() else []
        seen |= {f.name for f in files}
        most = max(most, sum(f.stat().st_size for f in files if f.exists()))
        time.sleep(0.1)
    p.stop_writer()
    recorder.signal(signal.SIGTERM)
    recorder.wait()
    assert len(seen) > 1, seen
    assert most <= MIB + 64 * 1024, most
    for file in sorted(folder.glob('trace-*.jsonl')):
        replay(rig, file)
    replay(rig, folder)


def test_a_recorder_that_finds_no_room_for_a_file_begins_when_there_is_some(row, rig, well):
    row(injected='the partition of the recording has no inode left, then has one again; and then no byte',
        holds=['recording begins by itself, each file with its header'])
    rig.partition('sick', size=256 * MIB)
    room = rig.bare_partition('room', 'tmpfs', size=2 * MIB, options=['nr_inodes=6'])
    folder = room.outside / 'trace'
    folder.mkdir()
    fillers = [room.outside / f'filler{i}' for i in range(4)]
    for filler in fillers:
        filler.touch()
    rig.start()
    rig.popen(*rig.cli, 'record', f'{room.mount}/trace', '--size', '1M', '--interval', '1s')
    time.sleep(2)
    assert not list(folder.iterdir())
    fillers[0].unlink()
    wait_until_true(lambda: any(f.stat().st_size for f in folder.iterdir()), 15, rig.describe)
    (first,) = folder.iterdir()
    assert lines_of(first)[0]['kind'] == 'header'


def test_what_a_crash_has_damaged_takes_nothing_from_the_rest(row, rig, well):
    row(injected='a trace with a line of NULs in it, beside one whose beginning is missing', holds=['the rest is replayed, and it is said'])
    p = rig.partition('sick', size=256 * MIB)
    rig.start()
    recorder, folder = start_recorder(rig)
    p.start_writer(bytes_per_sec=20_000_000)
    wait_until_true(lambda: rig.events('act-done', p), 30, rig.describe)
    p.stop_writer()
    recorder.signal(signal.SIGTERM)
    (trace,) = folder.glob('trace-*.jsonl')
    whole = replay(rig, folder)
    lines = trace.read_bytes().splitlines(keepends=True)
    trace.write_bytes(b''.join(lines[:5]) + bytes(40) + b'\n' + b''.join(lines[5:]))
    (folder / 'trace-20200101T000000Z-000.jsonl').write_bytes(b''.join(lines[3:6]))
    done = rig.diskbrake('replay', '--json', folder, check=False)
    assert done.returncode == 1 and 'expected a header first' in done.stderr and trace.name in done.stderr, done
    assert [json.loads(line) for line in done.stdout.splitlines()] == whole
