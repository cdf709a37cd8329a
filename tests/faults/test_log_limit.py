# SPDX-License-Identifier: LGPL-2.1-or-later
"""MaxLogSize=: the log of a running container is kept at its size, at no pressure at all, and none of its lines is lost."""

import json
import time

import pytest

from archives import wait_until_true
from matrix import VALID
from rig import MIB
from test_archive import EACH_ONCE
from test_archive_guard import read_all

LIMIT = 8 * MIB


def size_of(p):
    log = next(log for log in p.status()['logs'] if log['name'].endswith('web'))
    return log['allocated_bytes'], log['max_log_bytes']


@pytest.mark.parametrize('by', ['configuration', 'label'])
@pytest.mark.parametrize('policy', ['archive', 'trim'])
def test_a_running_containers_log_is_kept_at_its_size(row, rig, well, policy, by):
    p = rig.partition('sick', size=512 * MIB)
    if by == 'label':
        path = p.outside / 'docker/containers' / p.container_id('web') / 'config.v2.json'
        config = json.loads(path.read_text())
        config['Config']['Labels']['io.diskbrake.max-log-size'] = '8M'
        path.write_text(json.dumps(config))
    row(injected=f'a log grows at 2 MB/s; MaxLogSize=8M by {by}, policy {policy}',
        holds=['the log stays below its limit and a few seconds of writing', 'no alert',
               EACH_ONCE if policy == 'archive' else 'the newest lines stay', VALID])
    limit = 'MaxLogSize=8M\n' if by == 'configuration' else ''
    rig.start(extra=f'[Trim]\n{limit}Policy={policy}\n')
    assert size_of(p)[1] == LIMIT
    p.start_writer(bytes_per_sec=2_000_000)
    most, deadline = 0, time.monotonic() + 15
    while time.monotonic() < deadline:
        most = max(most, size_of(p)[0])
        time.sleep(0.1)
    assert most < LIMIT + 12 * MIB      # the quiet guard looks every 5 s; XFS and ext4 allocate ahead
    assert p.stop_writer() == 0
    assert p.status()['level'] == 'ok'
    told = [e for e in rig.events('act-done', p) if e.get('DISKBRAKE_REASON') == 'limit']
    assert len(told) == 1 and 'MaxLogSize=' in told[0]['MESSAGE'] and told[0]['PRIORITY'] == '6'
    n = p.n_lines['web']
    wait_until_true(lambda: size_of(p)[0] <= LIMIT + MIB, 10, rig.describe)
    found = read_all(rig, p)
    if policy == 'archive':
        assert found == list(range(n))
    else:
        assert found == list(range(found[0], n)) and len(found) > 1000
    if by == 'label':
        assert not rig.events('act-done', rig.partitions['well'])
