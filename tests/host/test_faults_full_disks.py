# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of the fault matrix: everything is full. / and the Docker partition at 100 % and out of inodes, /run at 100 %:
the guard starts, guards, tells and frees, since it needs not a free byte for that."""

import time

import pytest

from guard import Guard
from hurt import ask, is_guarding, partition_of, seconds_until, status, until, versions
from jsonlog import parse_json_log

# All inodes, then all bytes, down to what no file can have.
FILL = '''
mkdir -p $1/fill-of-the-test && cd $1/fill-of-the-test || exit 1
i=0; while mkdir d$i 2>/dev/null; do
    seq -f "d$i/%.0f" 2000 | xargs touch 2>/dev/null; i=$((i+1)); done
rm -f $(ls -d d0/* | head -n 12)
for size in 16M 1M 64k 4k; do fallocate -l $size f$size 2>/dev/null; done
for size in 64M 16M 1M 64k 4k; do
    at=0; while fallocate -o $at -l $size g$size 2>/dev/null; do at=$((at + 64 * 1048576)); done
done
dd if=/dev/zero of=last bs=512 2>/dev/null
i=0; while touch left$i 2>/dev/null; do i=$((i+1)); done
exit 0
'''


@pytest.fixture
def host(request, make_box, destdir, row):
    """Installed, and stopped; a container whose log has 200 MB and goes on growing."""
    with make_box(request.param, size='600M', mkfs_args=('-m', '0', '-N', '4000'), root_size='300M') as box:
        row.ran_with(**versions(box))
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.systemctl('stop', 'diskbrake.service')
        box.big_log('app', 200_000_000)
        yield guard


def fill(box, path):
    box.run('sh', '-c', FILL, 'sh', path, timeout=120)


def fill_run(box):
    """Bytes alone: out of inodes, systemd could not even make the mount namespace of a service."""
    box.sh('mount -o remount,size=24m /run; dd if=/dev/zero of=/run/fill bs=64k 2>/dev/null; '
           'dd if=/dev/zero of=/run/fill2 bs=512 2>/dev/null; true')


def free_of(box, path):
    bytes_, inodes = box.run('stat', '-f', '-c', '%a %d', path).stdout.split()
    return int(bytes_), int(inodes)


@pytest.mark.parametrize('host', ['bookworm', 'trixie'], indirect=True)
def test_it_starts_guards_and_frees_where_everything_is_full(host, row):
    box = host.box
    row(injected='/ and the Docker partition at 100 % and out of inodes, /run at 100 %, then `systemctl start`',
        holds=['service starts', 'alert delivered', 'space is freed', 'log valid line by line'])
    for path in '/var/lib/docker', '/':
        fill(box, path)
    fill_run(box)
    for path in '/var/lib/docker', '/':
        # ext4 may keep a few blocks that no file can have.
        assert free_of(box, path)[0] < 16 and free_of(box, path)[1] < 16, (path, free_of(box, path))
    begin = time.monotonic()
    box.systemctl('start', 'diskbrake.service')
    assert is_guarding(box), status(box)
    row.recovered(time.monotonic() - begin)
    seen = until(lambda: (p := partition_of(status(box))) and p['level'] == 'emergency' and p, 10)
    assert any(a['mount'] == '/var/lib/docker' and a['level'] == 'emergency' for a in ask(box, 'Alerts')['alerts'])
    # The log cannot grow: there is no room. By hand or by itself, the guard makes some.
    by_itself = True
    try:
        until(lambda: partition_of(status(box))['freed_total_bytes'] > 0, 10)
    except AssertionError:
        by_itself = False
        trimmed = ask(box, 'Trim', timeout=30, name='app', keep_bytes=50 << 20)['trimmed']
        assert trimmed['result'] == 'done' and trimmed['freed_bytes'] > 50 << 20, trimmed
    # The ballast may be what is given up first.
    until(lambda: free_of(box, '/var/lib/docker')[0] * 4096 > 10 << 20, 20, interval=0.2, why=lambda: (seen, status(box)))
    print(f'{box.suite}: freed {"by itself" if by_itself else "by hand"}')
    # Told where it can be: in the journal's memory, or on the socket.
    last = [e['type'] for e in status(box)['last_events']]
    assert 'level-raised' in last or host.events('level-raised')
    box.docker('kill', 'app')
    log = parse_json_log(box.logfile('app'))
    assert not log.torn and log.count, log


@pytest.mark.parametrize('host', ['trixie'], indirect=True)
def test_a_flood_is_held_where_all_else_is_full(host, row):
    """The Docker partition has the room that the flood then takes; / and /run have none."""
    box = host.box
    row(injected='/ at 100 % and out of inodes, /run at 100 %, then a flood',
        holds=['partition stays open', 'alert delivered', 'log valid line by line'])
    # Docker itself could not start a container then.
    box.flood('flood', line_bytes=1000)
    box.sh('pkill -STOP -x awk')
    leave_percent(box, 20)
    fill(box, '/')
    fill_run(box)
    begin = time.monotonic()
    box.systemctl('start', 'diskbrake.service')
    assert is_guarding(box)
    row.recovered(time.monotonic() - begin)
    with box.watch_free() as free:
        box.sh('pkill -CONT -x awk')
        took = seconds_until(lambda: partition_of(status(box))['acts_total'] > 0, 60, why=lambda: status(box))
        before = partition_of(status(box))['freed_total_bytes']
        until(lambda: partition_of(status(box))['freed_total_bytes'] > before, 60)
    assert free.min_avail_bytes > 0
    print(f'first act after {took:.1f} s')
    assert host.events('level-raised') or 'level-raised' in [e['type'] for e in status(box)['last_events']]
    box.sh('pkill -STOP -x awk')
    quiet_since = [time.monotonic(), partition_of(status(box))['acts_total']]

    def no_acts_any_more():
        now = partition_of(status(box))['acts_total']
        if now != quiet_since[1]:
            quiet_since[:] = [time.monotonic(), now]
        return time.monotonic() - quiet_since[0] > 2
    until(no_acts_any_more, 20)
    log = parse_json_log(box.logfile('flood'))
    assert not log.torn and log.count, log


def leave_percent(box, percent):
    """Takes the rest of the Docker partition, so that the flood gets to the point soon."""
    st = box.statvfs()
    box.run('fallocate', '-l', str(st.f_bavail * st.f_frsize - st.f_blocks * st.f_frsize * percent // 100),
            '/var/lib/docker/fill-of-the-test')
