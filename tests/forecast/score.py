# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a rule's level changes are worth against the truth of a trace."""

import dataclasses

LOUD = ('warning', 'critical', 'emergency')
DAY = 86400.0
MONTH = 30 * DAY
NEARLY_FULL = 0.15      # of the size: less is free. Said once, it is no false alarm


@dataclasses.dataclass
class Score:
    """Of one trace, or summed up over many."""
    fills: int = 0
    announced: int = 0
    in_time: int = 0
    leads: list = dataclasses.field(default_factory=list)   # of the announced: part of the time from onset to full that was left
    flaps: int = 0
    false_alarms: int = 0
    seconds: float = 0

    def __add__(self, other):
        return Score(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other))))

    @property
    def false_per_month(self):
        return self.false_alarms / (self.seconds / MONTH) if self.seconds else 0


def stretches(changes):
    """From (time, level) to [raised, cleared) at warning or worse; cleared is None for the one that stands."""
    result, since = [], None
    for at, level in changes:
        if level in LOUD and since is None:
            since = at
        elif level not in LOUD and since is not None:
            result.append((since, at))
            since = None
    if since is not None:
        result.append((since, None))
    return result


def score(trace, changes):
    times = [s[0] for s in trace.samples]
    result = Score(seconds=times[-1] - times[0])
    loud = stretches(changes)
    for fill in trace.fills:
        # Nobody can announce what was never seen before it was too late.
        if not any(fill.onset < t <= fill.deadline for t in times):
            continue
        result.fills += 1
        result.flaps += sum(1 for _, cleared in loud if cleared is not None and fill.onset < cleared < fill.full)
        for raised, cleared in loud:
            if raised <= fill.full and (cleared is None or cleared >= fill.full):
                result.announced += 1
                result.in_time += raised <= fill.deadline
                result.leads.append(min((fill.full - raised) / (fill.full - fill.onset), 1))
                break
    said = False
    for raised, _ in loud:
        if any(fill.onset <= raised <= fill.full for fill in trace.fills):
            continue
        if not said and is_nearly_full(trace, raised):
            said = True
            continue
        result.false_alarms += 1
    return result


def is_nearly_full(trace, at):
    sample = max((s for s in trace.samples if s[0] <= at + 1e-3), key=lambda s: s[0], default=trace.samples[0])
    return sample[2] < NEARLY_FULL * sample[1] or (sample[3] and sample[4] < NEARLY_FULL * sample[3])
