# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules that others ship, as they stand in their files, over the same samples. Each gives [(time, level)].

- node-mixin (prometheus/node_exporter, docs/node-mixin/alerts/alerts.libsonnet, config.libsonnet):
  NodeFilesystemSpaceFillingUp: less than 40 % (critical: 20 %) is there and predict_linear(avail[6h], 24h (4h)) < 0, for
  1h; NodeFilesystemAlmostOutOfSpace: less than 5 % (3 %), for 30m; the same for files.
- samber/awesome-prometheus-alerts (node-exporter): HostDiskWillFillIn24Hours: predict_linear(avail[1h], 24h) < 0, for 2m;
  HostOutOfDiskSpace: less than 10 %, for 2m; HostInodesWillFillIn24Hours and HostOutOfInodes alike.
- Netdata (health.d/disks.conf): disk_fill_rate: what was there 50 minutes ago (the least of 10 minutes) less what is, an
  hour; out_of_disk_space_time: warning under 8 h, until 48 h again, critical under 2 h, until 24 h; down after 15 minutes,
  times 1.2 with each change, 1 h at most. The same for inodes.
- static: 80 %, 90 % used, no `for`; what most begin with.

Prometheus evaluates every minute by default, on what it has then; so does this, where samples are closer than that.
"""

import collections

MINUTE, HOUR = 60.0, 3600.0
LEVELS = ('ok', 'warning', 'critical')


class Line:
    """predict_linear() over a time: least squares, as Prometheus does it, in constant time a sample."""

    def __init__(self, span):
        self.span, self.points = span, collections.deque()
        self.n = self.x = self.y = self.xx = self.xy = 0.0
        self.origin = None

    def push(self, t, value):
        if self.origin is None or t - self.origin > 20 * self.span:     # sums stay small enough to be exact
            self.origin = t
            points, self.points = list(self.points), collections.deque()
            self.n = self.x = self.y = self.xx = self.xy = 0.0
            for p in points:
                self.add(*p, 1)
                self.points.append(p)
        self.add(t, value, 1)
        self.points.append((t, value))
        while self.points[0][0] < t - self.span:
            self.add(*self.points.popleft(), -1)

    def add(self, t, value, sign):
        x = t - self.origin
        self.n += sign
        self.x += sign * x
        self.y += sign * value
        self.xx += sign * x * x
        self.xy += sign * x * value

    def predict(self, t, ahead):
        """None: not known: fewer than two points."""
        variance = self.xx - self.x * self.x / self.n
        if len(self.points) < 2 or variance <= 1e-9:
            return None
        slope = (self.xy - self.x * self.y / self.n) / variance
        x = t - self.origin
        return self.y / self.n + slope * (x - self.x / self.n) + slope * ahead


class For:
    """An alert that is pending for a while."""

    def __init__(self, span):
        self.span, self.since = span, None

    def push(self, t, is_so):
        if not is_so:
            self.since = None
        elif self.since is None:
            self.since = t
        return self.since is not None and t - self.since >= self.span


class Changes(list):
    def note(self, t, level):
        if (self[-1][1] if self else 'ok') != level:
            self.append((t, level))


def resources(sample):
    """(of which, total, available): bytes, and inodes where they are counted."""
    yield 0, sample[1], sample[2]
    if sample[3]:
        yield 1, sample[3], sample[4]


def evaluated(samples):
    """The samples that Prometheus has when it evaluates. After its clock was set back it drops what is out of order."""
    last = None
    for s in samples:
        if last is None or s[0] - last >= MINUTE:
            yield s
            last = s[0]


def prometheus(samples, span, rules):
    """rules: level, share, whether a forecast counts, within, for."""
    lines = [Line(span), Line(span)]
    pending = [[For(r[4]) for r in rules] for _ in range(2)]
    changes = Changes()
    for s in evaluated(samples):
        t, level = s[0], 'ok'
        for i, total, avail in resources(s):
            lines[i].push(t, avail)
            for (name, share, forecasts, within, _), timer in zip(rules, pending[i]):
                is_so = avail < share * total
                if forecasts:
                    ahead = lines[i].predict(t, within)
                    is_so = is_so and ahead is not None and ahead < 0
                if timer.push(t, is_so):
                    level = max(level, name, key=LEVELS.index)
        changes.note(t, level)
    return changes


def node_mixin(samples):
    return prometheus(samples, 6 * HOUR, [
        ('warning', 0.40, True, 24 * HOUR, HOUR), ('critical', 0.20, True, 4 * HOUR, HOUR),
        ('warning', 0.05, False, 0, 30 * MINUTE), ('critical', 0.03, False, 0, 30 * MINUTE)])


def samber(samples):
    return prometheus(samples, HOUR, [('warning', 2, True, 24 * HOUR, 2 * MINUTE), ('critical', 0.10, False, 0, 2 * MINUTE)])


def netdata(samples):
    history, status, changes = [collections.deque(), collections.deque()], ['ok', 'ok'], Changes()
    delay, down_at, last = 15 * MINUTE, [None, None], None
    for s in samples:
        t = s[0]
        if last is not None and t < last:
            for h in history:
                h.clear()
        elif last is not None and t - last < 10:        # "every: 10s"
            continue
        last = t
        for i, total, avail in resources(s):
            h = history[i]
            h.append((t, avail))
            while h[0][0] < t - 60 * MINUTE:
                h.popleft()
            then = [a for at, a in h if t - 60 * MINUTE <= at <= t - 50 * MINUTE] if h[0][0] <= t - 50 * MINUTE else []
            hours = float('inf')
            if then:
                rate = (min(then) - avail) / (50 / 60)
                hours = avail / rate if rate > 0 else float('inf')
            is_warned = status[i] != 'ok'
            level = 'ok'
            if 0 < hours < (48 if is_warned else 8):
                level = 'warning'
            if 0 < hours < (24 if status[i] == 'critical' else 2):
                level = 'critical'
            order = LEVELS.index
            if order(level) >= order(status[i]):
                status[i], down_at[i] = level, None
            else:
                down_at[i] = down_at[i] or t + delay
                if t >= down_at[i]:
                    status[i], down_at[i] = level, None
        changes.note(t, max(status, key=LEVELS.index))
    return changes


def static(samples, share):
    changes = Changes()
    for s in samples:
        over = any(avail < (1 - share) * total for _, total, avail in resources(s))
        changes.note(s[0], 'warning' if over else 'ok')
    return changes


RULES = {
    'node-mixin': node_mixin,
    'samber': samber,
    'Netdata': netdata,
    'static 80 %': lambda samples: static(samples, 0.8),
    'static 90 %': lambda samples: static(samples, 0.9),
}
