# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon and log shippers: one that is behind, one that hangs, a real one (rsyslog, which Debian has; it has no
fluent-bit), and one that only pretends."""

import os
import subprocess
import sys
import time
from pathlib import Path

from lines import check_valid
from matrix import ALERTED, VALID, missing
from rig import Inside, wait_for

MIB = 1 << 20
RSYSLOG = Path('/var/cache/diskbrake-test/rsyslog')


def hold(rig, log, n_bytes, name):
    """Somebody who has read so much of it, and has it open: until he is told to read on, or ends with the rig."""
    process = Inside(rig, [sys.executable, rig.tools / 'tailers.py', log, n_bytes, name], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)
    offset = int(process.nsenter.stdout.readline().split()[1])
    return process, offset


def fill_but(rig, p, percent):
    """Something else takes all but so much of the partition."""
    status = p.status()
    rig.run('fallocate', '-l', status['avail_bytes'] - status['total_bytes'] * percent // 100, f'{p.mount}/other')


def acts(rig, p):
    return [e for e in rig.events('act-done', p) if e['DISKBRAKE_METHOD'] != 'ballast-make']


def log_of(p, name):
    return next(log for log in p.status()['logs'] if log['name'] == name)


def test_a_shipper_that_is_behind_loses_lines_only_at_emergency_and_is_named(row, rig):
    row(injected='a log shipper has read 10 of 60 MiB and reads no further, while the log floods the partition',
        holds=['up to emergency nothing is freed beyond what it has read', ALERTED,
               'the event names it, and how many bytes it lost', VALID])
    p = rig.partition('sick', size=256 * MIB)
    p.fill_log(60 * MIB)
    _, offset = hold(rig, p.log(), 10 * MIB, 'fluent-bit')
    rig.start()
    fill_but(rig, p, 18)
    p.start_writer(bytes_per_sec=3_000_000)

    first = wait_for(lambda: acts(rig, p), 30, 0.2, rig.describe)[0]
    assert first['DISKBRAKE_METHOD'] == 'punch', first
    assert 'DISKBRAKE_READER_PID' not in first, first
    assert int(first['DISKBRAKE_CUT_BYTES']) <= offset, first
    # What status says of it meanwhile.
    log = log_of(p, 'sick-web')
    assert log['readers'] == 1 and log['slowest_reader']['command'] == 'fluent-bit', log
    assert log['slowest_reader']['offset_bytes'] == offset and log['hole_bytes'] <= offset, log

    event = rig.wait_event('act-done', p, 'fluent-bit .pid [0-9]+. had not read', timeout=40)
    assert int(event['DISKBRAKE_AVAIL_BYTES']) < int(event['DISKBRAKE_TOTAL_BYTES']) * 6 // 100, event
    assert event['DISKBRAKE_READER_COMMAND'] == 'fluent-bit' and int(event['DISKBRAKE_READER_PID']) > 1, event
    assert event['PRIORITY'] == '4', event
    # All of what is gone by this act but what lies before its offset, which was gone before.
    assert 0 < int(event['DISKBRAKE_READER_LOST_BYTES']) <= int(event['DISKBRAKE_CUT_BYTES']), event
    harmless = acts(rig, p)[:acts(rig, p).index(event)]
    assert sum(int(e['DISKBRAKE_CUT_BYTES']) for e in harmless) <= offset, harmless
    told = rig.events('nothing-left', p)
    assert any('fluent-bit' in e['MESSAGE'] for e in told) or event['DISKBRAKE_LEVEL'] == 'emergency', rig.describe()
    p.assert_log_valid()


def test_who_opens_every_log_and_reads_none_delays_no_longer_than_to_emergency(row, rig):
    row(injected='a process with control characters in its name opens every log and never reads',
        holds=['at emergency it loses', 'its name does no harm', 'the partition does not fill', VALID])
    p = rig.partition('sick', size=256 * MIB)
    p.fill_log(60 * MIB)
    p.add_container('api')
    p.fill_log(20 * MIB, 'api')
    for container in ('web', 'api'):
        hold(rig, p.log(container), 0, 'x\033[2J\a')
    rig.start()
    fill_but(rig, p, 18)
    p.start_writer(bytes_per_sec=3_000_000)
    event = rig.wait_event('act-done', p, 'had not read', timeout=60)
    assert event['DISKBRAKE_READER_COMMAND'] == 'x?[2J?', event
    assert '\033' not in event['MESSAGE']
    assert p.status()['avail_bytes'] > 0
    p.assert_log_valid()


def rsyslog(rig, p, out):
    if not (RSYSLOG / 'usr/sbin/rsyslogd').exists():
        missing('rsyslog is not unpacked')
    lib = RSYSLOG / 'usr/lib/x86_64-linux-gnu'
    folder = rig.path('/run/rig/rsyslog')
    folder.mkdir(parents=True)
    (folder / 'conf').write_text(f'''
module(load="imfile")
global(workDirectory="/run/rig/rsyslog" maxMessageSize="64k")
template(name="raw" type="string" string="%msg%\\n")
input(type="imfile" File="{p.log()}" Tag="docker" reopenOnTruncate="on")
action(type="omfile" File="{out}" template="raw")
''')
    return Inside(rig, ['env', f'LD_LIBRARY_PATH={lib}', RSYSLOG / 'usr/sbin/rsyslogd', '-n', '-i', 'NONE', '-M',
                        lib / 'rsyslog', '-f', '/run/rig/rsyslog/conf'], stdin=subprocess.DEVNULL,
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_rsyslog_ships_every_line_once_while_the_head_is_cut(row, rig):
    row(injected='rsyslog (imfile) ships a log that floods the partition, and its head is cut again and again',
        holds=['every line is shipped, once', 'nobody is named', VALID])
    version = subprocess.run([RSYSLOG / 'usr/sbin/rsyslogd', '-v'], capture_output=True, text=True,
                             env={'LD_LIBRARY_PATH': str(RSYSLOG / 'usr/lib/x86_64-linux-gnu')}) \
        if (RSYSLOG / 'usr/sbin/rsyslogd').exists() else None
    p = rig.partition('sick', size=256 * MIB)
    p.fill_log(60 * MIB)
    out = rig.path('/run/rig/out')
    rig.path('/run/rig').mkdir(exist_ok=True)
    rsyslog(rig, p, '/run/rig/out')
    if version:
        row.ran_with(rsyslog=version.stdout.split()[1])
    wait_for(lambda: out.exists() and out.stat().st_size >= 59 * MIB, 30, 0.2, 'rsyslog does not ship')
    rig.start()
    fill_but(rig, p, 18)
    p.start_writer(bytes_per_sec=3_000_000)
    wait_for(lambda: len(acts(rig, p)) >= 2, 40, 0.2, rig.describe)
    assert log_of(p, 'sick-web')['slowest_reader']['command'] == 'rsyslogd', rig.describe()
    p.stop_writer()
    assert not [e for e in rig.entries() if 'DISKBRAKE_READER_LOST_BYTES' in e], rig.describe()
    wait_for(lambda: out.read_bytes().count(b'"stream"') >= p.n_lines['web'], 20, 0.2, 'rsyslog does not catch up')
    shipped = check_valid(out.read_bytes())     # raises where one is repeated, torn or out of order
    assert shipped == list(range(p.n_lines['web']))
    p.assert_log_valid()


def test_a_limit_in_quiet_times_waits_for_a_shipper_that_is_behind(row, rig):
    row(injected='MaxLogSize=8M, and a log shipper that has read 2 of 24 MiB and reads no further, at no pressure',
        holds=['nothing is freed beyond what it has read', 'when it is gone, the log is kept at its size', VALID])
    p = rig.partition('sick', size=512 * MIB)
    p.fill_log(24 * MIB)
    shipper, offset = hold(rig, p.log(), 2 * MIB, 'fluent-bit')
    rig.start(extra='[Trim]\nMaxLogSize=8M\nPolicy=trim\n')
    p.start_writer(bytes_per_sec=500_000)
    wait_for(lambda: log_of(p, 'sick-web')['readers'] == 1, 20, 0.2, rig.describe)
    time.sleep(10)
    log = log_of(p, 'sick-web')
    assert log['hole_bytes'] <= offset and log['allocated_bytes'] > 20 * MIB, log
    assert not [e for e in acts(rig, p) if 'DISKBRAKE_READER_PID' in e], rig.describe()
    shipper.signal(9)
    wait_for(lambda: log_of(p, 'sick-web')['allocated_bytes'] < 9 * MIB, 90, 0.5, rig.describe)
    p.assert_log_valid()
