# SPDX-License-Identifier: LGPL-2.1-or-later
"""`diskbrake logs` beside `docker logs`: the same where Docker gets that far, and all of it where it does not."""

import json
import time

import pytest

from guard import Guard


@pytest.fixture(scope='module')
def guard(box, destdir):
    guard = Guard(box, destdir)
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
    return guard


def start(box, name, script, *options):
    box.run('docker', 'run', '-d', '--network', 'none', '--name', name, *options, 'bb:1', 'sh', '-c',
            f'{script}; sleep 100000', timeout=120)


def wait_for(what, timeout=60, text=None):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, text
        time.sleep(0.2)


def last_line(box, name):
    return box.run('docker', 'logs', '--tail', '1', name).stdout.strip()


def logs(box, *argv):
    return box.run('diskbrake', 'logs', *argv).stdout


def test_rotated_and_compressed_segments_read_as_docker_reads_them(guard):
    box = guard.box
    start(box, 'rotated', 'i=0; while [ $i -lt 9000 ]; do echo "line $i"; i=$((i+1)); done; echo to stderr >&2',
          '--log-opt', 'max-size=200k', '--log-opt', 'max-file=10', '--log-opt', 'compress=true')
    # The two streams come by pipes of their own: what was said last on one need not be the last line.
    wait_for(lambda: {'line 8999', 'to stderr'} <= set(logs(box, 'rotated').splitlines()))
    files = box.sh('ls /var/lib/docker/containers/*/*-json.log*').stdout
    assert '.2.gz' in files, files
    docker = box.sh('docker logs rotated 2>/dev/null').stdout
    assert docker.startswith('line 0\n') and docker.endswith('line 8999\n')
    everything = logs(box, 'rotated')
    assert everything.replace('to stderr\n', '') == docker
    assert logs(box, 'rotated', '-n', '3').splitlines() == everything.splitlines()[-3:]
    assert logs(box, 'rotated', '-n', '5000').splitlines() == everything.splitlines()[-5000:]

    records = [json.loads(line) for line in logs(box, 'rotated', '--json').splitlines()]
    assert len(records) == 9001 and {r['stream'] for r in records} == {'stdout', 'stderr'}
    middle = next(r for r in records if r['log'] == 'line 4500\n')
    since = logs(box, 'rotated', '--since', middle['time']).splitlines()
    assert [line for line in since if line != 'to stderr'] == [f'line {i}' for i in range(4500, 9000)]
    until = logs(box, 'rotated', '--until', middle['time'])
    assert until.replace('to stderr\n', '') == ''.join(f'line {i}\n' for i in range(4500))
    assert logs(box, 'rotated', '--since', middle['time'], '-n', '0') == ''


def test_what_is_kept_behind_a_cut_is_read_from_its_beginning(guard):
    box = guard.box
    start(box, 'cut', 'seq 1 400000')
    wait_for(lambda: last_line(box, 'cut') == '400000')
    guard.wait_for(lambda p: any(log['name'] == 'cut' and log['allocated_bytes'] > 20 << 20 for log in p['logs']))
    done = json.loads(box.run('diskbrake', 'trim', 'cut', '--keep', '2M', '--json').stdout)
    assert done['result'] == 'done', done
    lines = logs(box, 'cut').splitlines()
    if done['method'] == 'punch':
        assert 'diskbrake' in lines[0], lines[0]     # the marker says that lines are gone
        del lines[0]
    numbers = [int(line) for line in lines]
    is_whole = numbers == list(range(numbers[0], 400001))
    assert len(numbers) > 20000 and is_whole, (len(numbers), numbers[:3], numbers[-3:])
    assert logs(box, 'cut', '-n', '1000').splitlines() == [str(i) for i in range(399001, 400001)]


def behind(box):
    """How many lines the reader of `busy` has not printed yet."""
    newest, printed = last_line(box, 'busy'), box.run('tail', '-n', '1', '/tmp/followed').stdout.strip()
    return int(newest or 0) - int(printed) if printed.isdigit() and (newest or '').isdigit() else 0


def test_nothing_is_missed_and_nothing_comes_twice_while_it_is_cut(guard):
    """Numbered lines, a reader that follows, and a trim twice a second."""
    box, n = guard.box, 3_000_000
    start(box, 'busy', f'sleep 3; seq 1 {n}')
    box.sh('setsid diskbrake logs -f busy >/tmp/followed 2>/tmp/followed.err </dev/null & echo $! >/tmp/followed.pid')
    trims, methods = 0, set()
    deadline = time.monotonic() + 120
    while last_line(box, 'busy') != str(n):
        assert time.monotonic() < deadline, 'the writer does not get to its end'
        if behind(box) > 150_000:        # half of what is kept: on a busy machine it would lose lines, as it must
            time.sleep(0.1)
            continue
        done = box.run('diskbrake', 'trim', 'busy', '--keep', '32M', '--json', check=False)
        if done.returncode == 0 and json.loads(done.stdout)['result'] == 'done':
            trims += 1
            methods.add(json.loads(done.stdout)['method'])
        time.sleep(0.3)
    wait_for(lambda: box.run('tail', '-n', '1', '/tmp/followed').stdout.strip() == str(n), 60,
             'the reader does not get to the end')
    box.sh('kill $(cat /tmp/followed.pid)')
    assert box.run('cat', '/tmp/followed.err').stdout == ''
    numbers = [int(line) for line in box.run('cat', '/tmp/followed').stdout.splitlines()]
    print(f'{trims} trims by {methods}, {len(numbers)} lines')
    assert trims >= 3, trims
    wrong = next(((i, a) for i, a in enumerate(numbers) if a != i + 1), None)
    assert wrong is None and len(numbers) == n, (wrong, len(numbers))


def test_a_wrong_name_and_another_driver_are_told(guard):
    box = guard.box
    wrong = box.run('diskbrake', 'logs', 'nobody', check=False)
    assert wrong.returncode == 1 and 'nobody' in wrong.stderr, wrong
    start(box, 'binary', 'echo x', '--log-driver', 'local')
    guard.wait_for(lambda p: any(log['name'] == 'binary' for log in p['logs']))
    other = box.run('diskbrake', 'logs', 'binary', check=False)
    assert other.returncode == 1 and 'docker logs binary' in other.stderr, other
    bad = box.run('diskbrake', 'logs', 'cut', '--since', 'yesterday', check=False)
    assert bad.returncode == 2 and '2026-' in bad.stderr, bad
