# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must not be touched: a host that has been nearly full for months, and logs that did not cause the growth."""

import time

import pytest

from guard import Guard, acts


def fill_to(box, percent):
    """With a file that is neither a log nor Docker's."""
    st = box.statvfs()
    total = (st.f_blocks - st.f_bfree + st.f_bavail) * st.f_frsize
    bytes_ = int(total * percent / 100) - (total - st.f_bavail * st.f_frsize)
    box.run('fallocate', '-l', str(bytes_), '/var/lib/docker/ballast-of-the-test')


@pytest.mark.parametrize('suite', ['bookworm', 'trixie'])
def test_a_host_that_is_stable_at_91_percent_keeps_its_logs(suite, make_box, destdir):
    with make_box(suite) as box:
        box.big_log('old')
        fill_to(box, 91)
        time.sleep(2)
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['level'] in ('warning', 'critical'))
        time.sleep(45)
        assert not acts(guard.events()), [e['MESSAGE'] for e in guard.events()]
        assert guard.partition()['state'] == 'guarding'


def test_an_image_pull_touches_no_log(make_box, destdir):
    with make_box('trixie', size='8G') as box:
        box.big_log('old')
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding')
        before = box.logfile('old').stat().st_blocks
        # What a pull does to the partition, without a registry: a layer of 5 GB is unpacked there.
        box.sh('''mkdir /run/layer && for i in 1 2 3 4 5; do truncate -s 1000000000 /run/layer/f$i; done
                  tar -C /run/layer -c . | docker import - big:1''', timeout=300)
        assert box.avail_percent() < 40
        time.sleep(5)
        assert not acts(guard.events()), [e['MESSAGE'] for e in guard.events()]
        assert box.logfile('old').stat().st_blocks >= before
