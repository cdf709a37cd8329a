# SPDX-License-Identifier: LGPL-2.1-or-later
"""Log shippers and the trimmer: what each style of tailing loses and repeats with each method, and that what a shipper
has not read stays where the act says so. Needs root and loop devices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lines import check_valid, line, write_lines
from matrix import need
from tailers import STYLES
from test_trim_matrix import ID, MIB, act, driver, ext4, log_of, mounted  # noqa: F401  fixtures

HERE = Path(__file__).resolve().parent
UNREAD, SKIPPED, KEPT, NOTHING = 'what it had not read', 'lines that are there', 'all that was kept', '-'

# What each method does to each style of tailing: (lost, repeated) for Filebeat-like, Promtail-like, fluent-bit-like.
# "at once": the shipper looks between the cut and what is written next; "late": it looks when the file is longer again
# than it was before. The documentation's table "what log shippers see" is made of this one.
NO_HARM = (NOTHING, NOTHING)
TABLE = {
    ('punch', 'caught up', 'at once'): [NO_HARM] * 3,
    ('punch', 'caught up', 'late'): [NO_HARM] * 3,
    ('punch', 'behind', 'at once'): [(UNREAD, NOTHING)] * 3,
    ('punch, held back', 'behind', 'at once'): [NO_HARM] * 3,
    ('collapse', 'caught up', 'at once'): [(NOTHING, KEPT)] * 3,
    ('collapse', 'caught up', 'late'): [(SKIPPED, NOTHING)] * 3,
    ('collapse', 'behind', 'at once'): [(SKIPPED, NOTHING)] * 3,
    # Refused while anybody has it open.
    ('collapse-leased', 'caught up', 'at once'): [NO_HARM, (NOTHING, KEPT), NO_HARM],
    ('collapse-leased', 'caught up', 'late'): [NO_HARM, (SKIPPED, NOTHING), NO_HARM],
    ('truncate', 'caught up', 'at once'): [NO_HARM] * 3,
    ('truncate', 'caught up', 'late'): [(SKIPPED, NOTHING)] * 3,
    ('truncate', 'behind', 'at once'): [(UNREAD, NOTHING)] * 3,
    # A segment that somebody has open stays.
    ('delete', 'behind', 'at once'): [NO_HARM, (UNREAD, NOTHING), NO_HARM],
    ('delete by hand', 'behind', 'at once'): [NO_HARM, (UNREAD, NOTHING), NO_HARM],
    ('delete at emergency', 'behind', 'at once'): [(UNREAD, NOTHING)] * 3,
}


class Log:
    """A log of 16 MiB, its writer (this process, in append mode), and one shipper."""

    def __init__(self, mount, style):
        self.mount, self.path = mount, log_of(mount)
        if self.path.exists():
            self.path.unlink()
        self.n = write_lines(self.path, 16 * MIB, 1000)
        self.shipper = style(self.path)
        self.open()

    def open(self):
        self.fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def append(self, n_bytes):
        end = os.fstat(self.fd).st_size + n_bytes
        while os.fstat(self.fd).st_size < end:
            os.write(self.fd, b''.join(line(i, 1000) for i in range(self.n, self.n + 200)))
            self.n += 200

    def rotate(self):
        os.close(self.fd)
        os.rename(self.path, f'{self.path}.1')
        self.open()

    def still_there(self):
        """The numbers of the lines that the files have now."""
        found = set()
        for path in self.path.parent.iterdir():
            found |= set(check_valid(path.read_bytes()))
        return found

    def close(self):
        self.shipper.close()
        os.close(self.fd)
        for path in self.path.parent.iterdir():
            path.unlink()


def cut(driver, log, method):
    """What the act came to."""
    name, _, how = method.partition(', ')
    options = {}
    if name == 'collapse':
        options = {'pid': os.getpid(), 'fd': log.fd}
    if how == 'held back':
        options = {'max_offset': log.shipper.offset}
    if name.startswith('delete'):
        log.rotate()
        options = {'emergency': int('emergency' in name), 'by_hand': int('hand' in name)}
        name = 'delete'
    if name == 'collapse-leased':
        os.close(log.fd)
    done = act(driver, log.mount, name, want=8 * MIB, keep=0 if name == 'delete' else MIB, **options)
    if name == 'collapse-leased':
        log.open()
    return done


def judge(log, delivered_before, kept):
    """(lost, repeated) in the words of the table."""
    got = log.shipper.delivered
    lost = set(range(log.n)) - set(got)
    there = log.still_there()
    repeated = sorted(i for i in set(got) if got.count(i) > 1) if len(got) != len(set(got)) else []
    if not lost:
        word = NOTHING
    elif lost & there:
        word = SKIPPED
    else:
        assert not lost & set(delivered_before)
        word = UNREAD
    if repeated:
        assert set(repeated) == kept & set(delivered_before), (repeated[0], repeated[-1], min(kept), max(kept))
    return word, KEPT if repeated else NOTHING


@pytest.mark.parametrize('method, position, moment', list(TABLE), ids=' '.join)
def test_what_a_shipper_loses_and_repeats(row, driver, ext4, method, position, moment):
    row(injected=f'{method} under a log shipper that is {position}, and looks {moment}',
        holds=[f'{style.name}: loses {lost}, repeats {again}' for style, (lost, again) in
               zip(STYLES, TABLE[method, position, moment])])
    found = []
    for style in STYLES:
        log = Log(ext4, style)
        try:
            log.shipper.poll(*([2 * MIB] if position == 'behind' else []))
            before = list(log.shipper.delivered)
            done = cut(driver, log, method)
            kept = log.still_there()
            if style.keeps_open and method in ('collapse-leased', 'delete'):
                assert done['result'] in ('busy', 'nothing-to-do'), done
                assert method != 'delete' or done['held'] >= 16 * MIB, done
            else:
                assert done['result'] == 'done', done
            if method == 'punch, held back':
                assert done['cut_to'] <= 2 * MIB and done['cut'] > 0, done
            if method == 'delete by hand':
                assert (done['freed'] == 0) == style.keeps_open, done
            if method == 'delete at emergency':
                assert done['freed'] >= 16 * MIB, done      # whoever has it open: there at once
            if moment == 'at once':
                log.shipper.poll()
            log.append(MIB if moment == 'at once' else 20 * MIB)
            log.shipper.poll()
            found.append(judge(log, before, kept))
        finally:
            log.close()
    assert found == TABLE[method, position, moment]


# 40 processes with 20 sockets and 5 other files each, and one that reads the log, in a PID namespace of their own.
CROWD = """
import os, socket, subprocess, sys
log, driver, trace = sys.argv[1:]
(stay, end), (ready, say) = os.pipe(), os.pipe()
for i in range(40):
    if os.fork() == 0:
        os.close(end)
        kept = [socket.socket() for _ in range(20)] + [open('/etc/hostname') for _ in range(5)]
        if i == 7:
            kept.append(open(log))
        os.write(say, b'.')
        os.read(stay, 1)
        os._exit(0)
for i in range(40):
    os.read(ready, 1)
print(subprocess.run(['strace', '-qq', '-o', trace, driver, 'spot', log], capture_output=True, text=True).stdout, flush=True)
"""


def test_a_look_costs_one_call_a_descriptor_and_a_few_a_process(driver, tmp_path):
    need('strace', 'unshare')
    log, trace = tmp_path / 'log', tmp_path / 'trace'
    log.write_bytes(b'x' * 1000)
    done = subprocess.run(['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', sys.executable, '-c', CROWD, log, driver, trace],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    n_processes, n_descriptors, n = (int(word) for word in done.stdout.split())
    assert n == 1 and n_processes >= 41 and n_descriptors >= 40 * 25
    calls = trace.read_text().split('getppid()')[1].count('\n')
    # Sockets are told by their link alone; what has a path is one more open, read and close.
    n_files = 40 * 5 + 1 + 6 * n_processes      # and what each has besides: standard input and output, pipes
    assert calls <= 8 * n_processes + n_descriptors + 3 * n_files + 20, (calls, n_processes, n_descriptors)
