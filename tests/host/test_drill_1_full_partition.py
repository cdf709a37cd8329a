# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drill of outage 1. One app began to log 7 KB lines as fast as they came; the partition hit 100 %, and nobody
noticed for three hours. Here: the same, on 1 GiB, with both versions of Docker."""

import os
import time

import pytest

from guard import Guard, acts, assert_told_before_acting
from jsonlog import parse_json_log

SECONDS = int(os.environ.get('DISKBRAKE_DRILL_SECONDS', '60'))


@pytest.mark.parametrize('suite', ['bookworm', 'trixie'])
def test_the_partition_stays_open_and_everybody_is_told(suite, make_box, destdir):
    with make_box(suite) as box:
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.quiet('neighbour')
        box.flood('app', line_bytes=7000)
        with box.watch_free() as free:
            time.sleep(SECONDS)
        # Docker is well: it starts a container, which writes to its partition.
        box.docker('run', '--rm', '--network', 'none', 'bb:1', 'true', timeout=60)
        assert box.docker('inspect', '--format', '{{.State.Running}}', 'app', 'neighbour').stdout.split() == ['true'] * 2
        box.docker('stop', '-t', '5', 'app', 'neighbour')
        events = guard.events()
        assert free.min_avail_bytes > 0, guard.recent()
        assert_told_before_acting(events)
        first = [e for e in events if e['DISKBRAKE_EVENT'] == 'level-raised'][0]
        assert first['CONTAINER_NAME'] == 'app' and int(first['DISKBRAKE_SHARE_PERMYRIAD']) > 9000
        assert {e['CONTAINER_NAME'] for e in acts(events)} == {'app'}
        freed = sum(int(e['DISKBRAKE_FREED_BYTES']) for e in acts(events))
        print(f'{suite}: {freed / 2**20:.0f} MiB freed in {len(acts(events))} acts, least free '
              f'{free.min_avail_bytes / 2**20:.0f} MiB')
        assert freed > 2**30
        log = parse_json_log(box.logfile('app'))
        assert not log.torn and not log.gaps, log
        neighbour = parse_json_log(box.logfile('neighbour'))
        assert neighbour.first == 1 and not neighbour.gaps
        # What a person sees the morning after.
        assert 'app' in box.run('journalctl', '-t', 'diskbrake', '-p', 'crit', '--no-pager').stdout
