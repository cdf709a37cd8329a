# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damaged logs on real Docker: a line that a full disk tore, a log that somebody emptied under its writer. What `docker
logs` shows of them without the guard, and with it."""

import json
import re
import time

import pytest

from guard import Guard
from hurt import until, versions

CONFIG = '''
[Watchdog]
Mode=enforce

[Ballast]
Size=0

# Repairing alone is looked at: nothing is cut, however long it takes.
[Trim]
Keep=256M
EmergencyKeep=256M
'''

# Lines of several pages, so that a full disk takes a part of one.
WRITER = '''
trap "exit 0" TERM
pad=$(printf '%14000s' '' | tr ' ' x); i=0
while true; do i=$((i+1)); echo "line $i $pad"; sleep 0.1 & wait $!; done
'''


@pytest.fixture
def host(request, make_box, destdir, row):
    with make_box(request.param, size='400M', mkfs_args=('-m', '0')) as box:
        row.ran_with(**versions(box))
        guard = Guard(box, destdir, CONFIG)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        yield guard


both = pytest.mark.parametrize('host', ['bookworm', 'trixie'], indirect=True)


def shown(box, *options, name='app'):
    """The numbers of the lines that docker logs shows."""
    text = box.run('timeout', '20', 'docker', 'logs', *options, name, check=False).stdout
    return [int(n) for n in re.findall(r'^line (\d+) ', text, re.M)]


def logs_error(box):
    return box.run('timeout', '20', 'docker', 'logs', 'app', check=False).stderr.strip()[-200:]


def fill(box):
    """To the last block: what writing back gives back is taken, too. Then there is room for a part of a line, a few times."""
    box.sh('cd /var/lib/docker; mkdir -p fill; for i in 1 2 3 4; do dd if=/dev/zero of=fill/part$i bs=6k count=1 2>/dev/null; done; '
           'sync -f .; for i in 1 2 3 4 5; do '
           'dd if=/dev/zero of=fill/a$i bs=1M 2>/dev/null; dd if=/dev/zero of=fill/b$i bs=4k 2>/dev/null; sync -f .; done; '
           'for i in 1 2 3 4; do rm fill/part$i; sync -f .; sleep 0.3; done')


def make_room(box):
    box.sh('rm -rf /var/lib/docker/fill')


def torn_lines(box):
    """Those that have ended and are no records: Docker's decoder takes several in a line."""
    return [line for line in box.logfile('app').read_bytes().split(b'\n')[:-1] if not is_readable(line)]


def is_readable(line):
    text, decoder = line.decode(errors='replace').strip(' '), json.JSONDecoder()
    while text:
        try:
            text = text[decoder.raw_decode(text)[1]:].lstrip(' ')
        except ValueError:
            return False
    return True


def tear(box):
    """The disk gets full and there is room again, until dockerd has torn a line; what follows it is written."""
    n_torn = len(torn_lines(box))
    for _ in range(20):
        fill(box)
        make_room(box)
        size = box.logfile('app').stat().st_size
        until(lambda: box.logfile('app').stat().st_size > size + 30_000, 20)
        if len(torn_lines(box)) > n_torn:
            return
    raise AssertionError('dockerd tore no line: ' + box.sh('journalctl -u docker | tail -n 3').stdout)


def newest(box):
    return max(int(n) for n in re.findall(rb'"line (\d+) ', box.logfile('app').read_bytes()))


@both
def test_a_line_that_a_full_disk_tore_is_blanked_and_what_follows_is_seen(host, row):
    box = host.box
    row(injected='the Docker partition at 100 % while a container logs, until dockerd tears a line; then there is room',
        holds=['space is there again', 'log is repaired in place', '`docker logs` shows what follows'])
    box.start_container('app', WRITER)
    until(lambda: len(shown(box)) > 20, 30)

    # Without the guard what follows is hidden.
    box.systemctl('stop', 'diskbrake.service')
    tear(box)
    torn = torn_lines(box)
    assert torn
    hidden_from = newest(box)
    time.sleep(1)
    seen = shown(box)
    assert max(seen, default=0) < hidden_from, 'docker logs shows what is behind a torn line'
    print(f'docker logs shows {len(seen)} lines of {hidden_from} without the guard: {logs_error(box)}')

    # Installed afterwards, it is asked for.
    box.systemctl('start', 'diskbrake.service')
    host.wait_for(lambda p: p['state'] == 'guarding' and any(log['name'] == 'app' for log in p['logs']))
    assert torn_lines(box) == torn
    said = box.run('diskbrake', 'repair', 'app').stdout
    assert 'app: ' in said and 'blank' in said, said
    assert torn_lines(box) == []
    until(lambda: max(shown(box), default=0) > hidden_from, 10)
    first = host.events('repaired')
    assert first and first[0]['DISKBRAKE_METHOD'] == 'blank' and first[0]['CONTAINER_NAME'] == 'app'
    assert first[0]['DISKBRAKE_ASKER_UID'] == '0' and first[0]['DISKBRAKE_REASON'] == 'request', first[0]
    assert 'no line of its log is torn' in box.run('diskbrake', 'repair', 'app').stdout

    # With it: by itself.
    n_repaired = len(host.events('repaired'))
    tear(box)
    begin = time.monotonic()
    until(lambda: torn_lines(box) == [], 40, interval=0.5, why=host.recent)
    row.recovered(time.monotonic() - begin)
    until(lambda: len(host.events('repaired')) > n_repaired, 10, interval=0.5, why=host.recent)
    last = newest(box)
    until(lambda: max(shown(box), default=0) >= last, 10)
    numbers = shown(box)
    assert numbers == sorted(set(numbers)) and numbers[0] == 1
    print(f'{len(numbers)} of {numbers[-1]} lines are there')
    host.wait_for(lambda p: all(log['damage'] is None for log in p['logs']))


def start_rotated(box, n_lines):
    """A container whose log dockerd has rotated once: it writes without O_APPEND from then on."""
    box.start_container('app', f'''trap "exit 0" TERM
        pad=$(printf '%900s' '' | tr ' ' x); i=0
        while [ $i -lt {n_lines} ]; do i=$((i+1)); echo "line $i $pad"; done
        while true; do i=$((i+1)); echo "line $i $pad"; sleep 0.2 & wait $!; done''',
                        log_opts={'max-size': '20m', 'max-file': '2'})
    until(lambda: box.logfile('app').with_name(box.logfile('app').name + '.1').exists(), 60)
    time.sleep(2)


@both
@pytest.mark.parametrize('head', ['small', 'large'])
def test_a_log_that_was_emptied_under_its_writer_can_be_read_again(host, row, head):
    box = host.box
    row(injected=f'`truncate -s 0` on a log that dockerd had rotated, with a {head} head',
        holds=['`docker logs --tail` and `-f` work', 'after a stop all readers work'])
    # 20 MB are 20,800 lines of 960 bytes with Docker's JSON: so many more are in the second file.
    start_rotated(box, 21_200 if head == 'small' else 26_000)
    log = box.logfile('app')
    segment = log.with_name(log.name + '.1')
    size = log.stat().st_size
    assert size < 1 << 20 if head == 'small' else size > 2 << 20, size
    box.systemctl('stop', 'diskbrake.service')
    box.sh(f'truncate -s 0 /var/lib/docker/containers/*/{log.name}; rm -f /var/lib/docker/containers/*/{segment.name}')
    until(lambda: log.stat().st_size > size + 2000, 10)
    assert log.read_bytes()[:1] == b'\0'
    assert shown(box) == [], 'docker logs reads over NULs'

    box.systemctl('start', 'diskbrake.service')
    begin = time.monotonic()
    until(lambda: host.events('repaired'), 30, interval=0.3, why=host.recent)
    row.recovered(time.monotonic() - begin)
    assert host.events('repaired')[0]['DISKBRAKE_METHOD'] == 'mark'
    assert log.read_bytes().startswith(b'{"log":"somebody emptied this log')
    until(lambda: len(shown(box, '--tail', '5')) == 5, 10)
    followed = shown_while_following(box)
    assert len(followed) > 5, followed
    if head == 'small':
        everything = shown(box)
        assert len(everything) > 5 and everything == list(range(everything[0], everything[-1] + 1))
    host.wait_for(lambda p: all(log['damage'] is None for log in p['logs']))

    box.docker('stop', '-t', '3', 'app')
    if head == 'large':
        until(lambda: host.events('healed'), 30, interval=0.3, why=host.recent)
    assert b'\0' not in log.read_bytes()
    everything = shown(box)
    assert len(everything) > 5 and everything == list(range(everything[0], everything[-1] + 1))
    assert shown(box, '--tail', '5') == everything[-5:]
    box.docker('start', 'app')
    until(lambda: shown(box)[-1] != everything[-1], 10)


def shown_while_following(box):
    text = box.sh('timeout 3 docker logs -f --tail 3 app; true').stdout
    return [int(n) for n in re.findall(r'^line (\d+) ', text, re.M)]
