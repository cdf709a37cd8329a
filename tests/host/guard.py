# SPDX-License-Identifier: LGPL-2.1-or-later
"""diskbrake installed and running as a service in a box, and what its tests ask of it."""

import json
import time

# TrustLabels=: only the operator may let an image protect its own logs.
TRUSTING = '''
[Watchdog]
Mode=enforce

[Trim]
TrustLabels=bb:*
'''


class Guard:
    def __init__(self, box, destdir, config=TRUSTING):
        self.box = box
        box.install(destdir)
        self.configure(config)
        self.cursor = box.journal_cursor()
        box.systemctl('enable', '--now', 'diskbrake.socket', 'diskbrake.service')

    def configure(self, config):
        self.box.run('tee', '/etc/diskbrake/diskbrake.conf', input=config)

    def status(self):
        return json.loads(self.box.run('diskbrake', 'status', '--json').stdout)

    def partition(self):
        """What it says of /var/lib/docker."""
        return next(p for p in self.status()['partitions'] if p['mount'] == '/var/lib/docker')

    def wait_for(self, what, timeout=20):
        """Until what(partition) is true; returns the partition."""
        deadline = time.monotonic() + timeout
        last = None
        while time.monotonic() < deadline:
            found = self.box.run('diskbrake', 'status', '--json', check=False)
            if found.returncode == 0:
                partitions = json.loads(found.stdout)['partitions']
                last = next((p for p in partitions if p['mount'] == '/var/lib/docker'), None)
                if last and what(last):
                    return last
            time.sleep(0.1)
        raise AssertionError(f'did not come about within {timeout} s: {last}\n' + self.recent())

    def recent(self):
        return self.box.run('journalctl', '-u', 'diskbrake', '-n', '40', '--no-pager', '-o', 'short-precise').stdout

    def events(self, kind=None):
        """Its journal entries since it was installed, oldest first."""
        entries = self.box.journal('SYSLOG_IDENTIFIER=diskbrake', after_cursor=self.cursor)
        return [e for e in entries if 'DISKBRAKE_EVENT' in e and kind in (None, e['DISKBRAKE_EVENT'])]

    def main_pid(self):
        return int(self.box.systemctl('show', '-p', 'MainPID', '--value', 'diskbrake').stdout)


def used_percent(event):
    return 100 - 100 * int(event['DISKBRAKE_AVAIL_BYTES']) / int(event['DISKBRAKE_TOTAL_BYTES'])


def acts(events):
    return [e for e in events if e['DISKBRAKE_EVENT'] in ('act-done', 'act-ineffective')
            and e.get('DISKBRAKE_METHOD') != 'ballast-make']


def raised(events, level):
    return [e for e in events if e['DISKBRAKE_EVENT'] == 'level-raised' and e['DISKBRAKE_LEVEL'] == level]


def assert_told_before_acting(events):
    """Warning, critical and act, in this order, the first before 90 % are used."""
    warning, critical, done = raised(events, 'warning'), raised(events, 'critical'), acts(events)
    assert warning and critical and done, [e['MESSAGE'] for e in events]
    order = [events.index(warning[0]), events.index(critical[0]), events.index(done[0])]
    assert order == sorted(order), [e['MESSAGE'] for e in events]
    assert used_percent(warning[0]) < 90, warning[0]['MESSAGE']
