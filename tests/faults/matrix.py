# SPDX-License-Identifier: LGPL-2.1-or-later
"""A row of the fault matrix: what a test injected, what must hold, what came of it.

    def test_something(row, ...):
        row(injected='the disk dies', holds=['alert delivered', 'the other partition is guarded'])
        ...
        with row.recovery():            # from here on the fault is over
            wait until all is well

A conftest.py takes part with `from matrix import pytest_runtest_makereport, row`. Each test that uses the fixture
appends one line of JSON to the file that $DISKBRAKE_FAULT_RESULTS names; tests/faults/report makes docs/FAULTS.md of
such files.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# Built with sanitizers (./dev test faults-sanitized): slow, and what they find stands on standard error.
SANITIZED = 'ASAN_OPTIONS' in os.environ

# What all rows ask for.
ALERTED = 'alert delivered'
OTHERS = 'other partition guarded'
VALID = 'log valid line by line'
BOUNDED = 'never more than one replacement'
RECOVERS = 'recovers by itself'


def missing(what):
    """A prerequisite that is not there: a reason to skip on a developer's machine, a failure in CI."""
    if os.environ.get('CI') == 'true':
        pytest.fail(what + ' (and CI=true)')
    pytest.skip(what)


def find_build():
    """$DISKBRAKE_BUILD, or what ./dev built last."""
    given = os.environ.get('DISKBRAKE_BUILD')
    for folder in [Path(given)] if given else [TOP / 'build-test', TOP / 'build']:
        if (folder / 'watchdogd/watchdogd').exists():
            return folder
    return missing(f'nothing is built in {given or "build-test"}')


def not_sanitized(why):
    """Skips a test that says nothing about a daemon that is built with sanitizers."""
    if SANITIZED:
        pytest.skip(f'sanitized: {why}')


def need(*programs):
    if os.geteuid() != 0:
        missing('not root')
    for program in programs:
        if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin'):
            missing(f'{program} is not installed')


class Row:
    def __init__(self):
        self.injected = None
        self.holds = []
        self.recovered_sec = None
        self.facts = {}

    def __call__(self, injected, holds):
        self.injected = injected
        self.holds = list(holds)

    def recovered(self, seconds):
        self.recovered_sec = seconds

    @contextlib.contextmanager
    def recovery(self):
        """Around what is waited for once the fault is over."""
        begin = time.monotonic()
        yield
        self.recovered_sec = time.monotonic() - begin

    def ran_with(self, **facts):
        """Versions of what took part: ran_with(Docker='20.10.24')."""
        self.facts.update(facts)


_ROW = pytest.StashKey[Row]()
_REPORTS = pytest.StashKey[list]()


@pytest.fixture
def row(request):
    request.node.stash[_ROW] = Row()
    return request.node.stash[_ROW]


def _version_of(*command):
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else None


def _facts(row):
    facts = {'kernel': platform.release(),
             'systemd': (_version_of('journalctl', '--version') or '').removeprefix('systemd '), **row.facts}
    return {name: value for name, value in facts.items() if value}


def _outcome(reports):
    """What the whole test came to, its set-up and its tidying included."""
    failed = next((r for r in reports if r.failed), None)
    if failed:
        crash = getattr(failed.longrepr, 'reprcrash', None)
        return 'failed', (crash.message if crash else str(failed.longrepr)).splitlines()[0][:300]
    skipped = next((r for r in reports if r.skipped), None)
    if skipped:
        reason = skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else str(skipped.longrepr)
        return 'skipped', reason.removeprefix('Skipped: ')
    return 'passed', ''


def _record(item, row, reports):
    outcome, reason = _outcome(reports)
    doc = (item.obj.__doc__ or '').strip().split('\n\n')[0]
    return {
        'test': f'{Path(item.path).relative_to(TOP)}::{item.name}',
        'doc': ' '.join(doc.split()),
        'injected': row.injected,
        'holds': row.holds,
        'outcome': outcome,
        'reason': reason,
        'recovered_sec': row.recovered_sec,
        'date': time.strftime('%Y-%m-%d'),
        'took_sec': round(sum(r.duration for r in reports), 2),
        'facts': _facts(row),
    }


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    reports = item.stash.setdefault(_REPORTS, [])
    reports.append(report)
    row = item.stash.get(_ROW, None)
    results = os.environ.get('DISKBRAKE_FAULT_RESULTS')
    if call.when != 'teardown' or row is None or not results:
        return
    if row.injected is None and _outcome(reports)[0] != 'failed':
        return      # a test that is no row, and only uses the rig
    with open(results, 'a', encoding='utf-8') as f:
        f.write(json.dumps(_record(item, row, reports), ensure_ascii=False) + '\n')
