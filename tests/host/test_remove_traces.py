# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uninstalling on real Docker: what the guard has left is removed while containers run, and every reader of a log works once
it is healed."""

import time

import pytest

from guard import Guard
from hurt import versions

# Small steps, so that there soon are archives and cuts.
CONFIG = '''
[Trim]
MaxLogSize=8M
Keep=1M

[Ballast]
Size=1% 8M
'''
TOOL = '/usr/libexec/diskbrake/watchdogd'


@pytest.fixture(params=[('bookworm', 'xfs'), ('trixie', 'ext4')], ids='-'.join)
def host(request, make_box, destdir, row):
    suite, fs = request.param
    with make_box(suite, fs=fs) as box:
        row.ran_with(**versions(box))
        yield Guard(box, destdir, CONFIG)


def numbers(box, name):
    """What `docker logs` shows from the start, our own lines left out. Anything else raises."""
    text = box.sh(f'docker logs {name} 2>&1', timeout=120).stdout
    return [int(line.split()[1]) for line in text.splitlines() if not line.startswith('diskbrake freed ')]


def assert_whole(box, name):
    newest = int(box.docker('logs', '--tail', '1', name).stdout.split()[1])
    found = numbers(box, name)
    assert len(found) > 1000 and found == list(range(found[0], newest + 1)), (found[:1], found[-1:], len(found), newest)


def test_uninstalling_leaves_whole_logs_and_nothing_else(host, row):
    box = host.box
    row(injected='the guard is uninstalled while a container runs and another is stopped',
        holds=['refused while the guard runs or would be started', 'containers go on', 'every reader works', 'nothing is left'])
    host.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
    for name in ('web', 'still'):
        box.flood(name, line_bytes=1000, rate_bps=4_000_000)
    host.wait_for(lambda p: all(any(e.get('CONTAINER_NAME') == name for e in host.events('act-done'))
                                for name in ('web', 'still')), timeout=60)
    assert box.run(TOOL, '--remove-traces', '--yes', check=False).returncode == 1

    box.systemctl('stop', 'diskbrake.service', check=False)
    done = box.run(TOOL, '--remove-traces', '--yes', check=False)
    assert done.returncode == 1 and 'diskbrake.socket' in done.stderr, done
    time.sleep(0.5)
    assert box.systemctl('is-active', 'diskbrake.service', check=False).stdout.strip() == 'inactive', 'asking has started it'
    box.systemctl('disable', '--now', 'diskbrake.service', 'diskbrake.socket')

    box.docker('stop', '-t', '5', 'web')
    done = box.run(TOOL, '--remove-traces', check=False)
    assert done.returncode == 2 and 'the log of web ' in done.stdout and 'the log of still ' in done.stdout, done
    assert 'archive/web-' in done.stdout and '/var/lib/docker/diskbrake-ballast' in done.stdout, done
    done = box.run(TOOL, '--remove-traces', '--yes', check=False)
    assert done.returncode == 2 and 'healed 1 log\n' in done.stdout and not done.stderr, done
    assert box.sh('ls -A /var/lib/diskbrake; ls -d /var/lib/docker/diskbrake-* 2>/dev/null || true').stdout == ''
    assert_whole(box, 'web')
    box.docker('start', 'web')

    # The one that ran went on, and is healed once it is stopped.
    assert box.docker('inspect', '-f', '{{.State.Running}}', 'still').stdout.strip() == 'true'
    assert len(box.docker('logs', '--tail', '5', 'still').stdout.splitlines()) == 5
    for name in ('web', 'still'):
        box.docker('stop', '-t', '5', name)
    done = box.run(TOOL, '--remove-traces', '--yes', check=False)
    assert done.returncode == 0 and 'healed 1 log\n' in done.stdout, done
    assert_whole(box, 'still')
    assert box.run(TOOL, '--remove-traces', '--yes').stdout.count('  none\n') == 3
