# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archive, then free, on real Docker: a writer at full speed through a thousand trims, and every line is there, once. Beside
it what logrotate with copytruncate loses of the same writer."""

import os
import time

import pytest

from guard import Guard
from hurt import versions
from jsonlog import parse_json_log

TRIMS = int(os.environ.get('DISKBRAKE_TRIMS', '1000'))
ROTATIONS = 5
# Each step archives and frees a few MiB; nothing may go from the archive while lines are counted.
CONFIG = '''
[Trim]
MaxLogSize=2M
Keep=128K
EmergencyKeep=128K
ArchiveSize=100%
ArchiveContainerSize=0
ArchiveRate=0
ArchiveDirectory=/archives

[Container copied]
Policy=alert
'''


@pytest.fixture(params=['bookworm', 'trixie'])
def host(request, make_box, destdir, row):
    with make_box(request.param) as box:
        row.ran_with(**versions(box))
        # On a partition of its own, as is best: here in memory.
        box.sh('mkdir /archives && mount -t tmpfs -o size=6G,mode=0700 archives /archives')
        box.sh('mkdir -p /etc/systemd/system/diskbrake.service.d && '
               'printf "[Service]\\nReadWritePaths=/archives\\n" >/etc/systemd/system/diskbrake.service.d/archives.conf && '
               'systemctl daemon-reload')
        guard = Guard(box, destdir, CONFIG)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        yield guard


def count(box, command):
    """First, last, how many lines, and how many of them do not follow the one before."""
    done = box.sh(f"""{command} | awk '/^line / {{ n++; if (!first) first = $2; else if ($2 != last + 1) steps++; last = $2 }}
        END {{ print first + 0, last + 0, n + 0, steps + 0 }}'""", timeout=600)
    return [int(word) for word in done.stdout.split()]


def copytruncate(guard):
    """Lets logrotate rotate a container's log while it is written. Returns its version, how many lines there were, and how
    many of them are neither in a copy nor in the log."""
    box = guard.box
    box.flood('copied', line_bytes=4000)
    log = f'/var/lib/docker/containers/{box.container_id("copied")}/{box.container_id("copied")}-json.log'
    # As it is advised for Docker everywhere, but that the copies are kept, and apart from the log.
    box.sh(f"""mkdir /copies && cat >/copies/rule <<'END'
{log} {{
    copytruncate
    rotate 1000
    olddir /copies
}}
END""")
    for _ in range(ROTATIONS):
        time.sleep(0.3)
        box.sh('logrotate --force --state /copies/state /copies/rule', timeout=120)
    box.docker('stop', '-t', '5', 'copied')
    time.sleep(0.5)
    assert int(box.sh('ls /copies/*-json.log.* | wc -l').stdout) == ROTATIONS
    # A line that was torn by it counts as one that is there.
    numbers = box.sh(f"""cat /copies/*-json.log.* {log} | tr -d '\\000' | grep -o '{{"log":"line ' | wc -l""", timeout=300).stdout
    last = int(box.sh(rf"""sed -n 's/^{{"log":"line \([0-9]*\)[^0-9].*/\1/p' {log} | tail -n 1""").stdout or 0)
    version = box.sh('logrotate --version 2>&1 | head -n 1').stdout.split()[-1]
    box.sh('rm -rf /copies')
    return version, last, last - int(numbers)


def test_a_thousand_trims_lose_no_line(host, row):
    box = host.box
    row(injected=f'a container that logs at full speed is archived and trimmed {TRIMS} times',
        holds=['0 lines lost, 0 torn, 0 twice'])
    before = host.partition()['acts_total']
    begin = time.monotonic()
    box.flood('web', line_bytes=4000)
    host.wait_for(lambda p: p['acts_total'] >= before + TRIMS, timeout=900)
    seconds = time.monotonic() - begin
    n_trims = host.partition()['acts_total'] - before
    box.docker('stop', '-t', '5', 'web')
    newest = int(box.docker('logs', '--tail', '1', 'web').stdout.split()[1])
    first, last, n, steps = count(box, 'diskbrake logs web')
    assert not [e for e in host.events('act-done') if e.get('DISKBRAKE_ARCHIVED') == 'no']
    assert not host.events('archive-stopped'), host.recent()
    assert (first, last, n, steps) == (1, newest, newest, 0), (first, last, n, steps, newest)
    assert count(box, 'diskbrake logs web --archives-only')[0] == 1
    # What Docker's own reader shows is whole, too.
    log = parse_json_log(box.logfile('web'))
    assert not log.torn and not log.gaps, log
    box.docker('rm', 'web')
    time.sleep(1)
    first, last, n, steps = count(box, 'diskbrake logs web')
    assert (first, steps) == (1, 0) and n == last and n > newest / 2, 'the archive stays when the container is removed'
    version, lines, lost = copytruncate(host)
    text = (f'{n_trims} trims in {seconds:.0f} s, {newest} lines, 0 lost; logrotate {version} with copytruncate on the same '
            f'writer: {lost} of {lines} lines lost in {ROTATIONS} rotations')
    print(text)
    row(injected=f'a container that logs at full speed is archived and trimmed: {text}',
        holds=['0 lines lost, 0 torn, 0 twice'])
