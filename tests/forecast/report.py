# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/FORECAST.md and its plots, of what an evaluation came to."""

import collections
import dataclasses
import statistics

import score

OURS = 'diskbrake'
DAY = 86400.0
POINTS = 400        # of a plotted line


@dataclasses.dataclass
class Result:
    family: str
    name: str
    scores: dict        # rule: Score
    covered: list       # for each range that was told: whether it held
    plot: dict


def thin_out(trace, events):
    """What a plot shows of a trace."""
    inodes = any(f.inodes for f in trace.fills)
    samples = trace.samples
    part = max(1, len(samples) // POINTS)
    begin = samples[0][0]
    line = []
    for i in range(0, len(samples), part):
        some = samples[i:i + part]
        shares = [(s[4] / s[3] if inodes else s[2] / s[1]) for s in some]
        line += [(some[0][0] - begin, max(shares)), (some[-1][0] - begin, min(shares))]
    return {'line': line, 'fills': [(f.onset - begin, f.full - begin) for f in trace.fills],
            'events': [(e['at'] - begin, e['level']) for e in events]}


def totals(results):
    sums = collections.defaultdict(score.Score)
    for r in results:
        for rule, s in r.scores.items():
            sums[rule] += s
    return sums


def by_family(results):
    families = collections.defaultdict(list)
    for r in results:
        families[r.family].append(r)
    return families


def what_went_wrong(s):
    wrong = []
    if s.announced < s.fills:
        wrong.append('not announced')
    elif s.in_time < s.fills:
        wrong.append('late')
    if s.flaps:
        wrong.append(f'{s.flaps} flaps')
    if s.false_alarms:
        wrong.append(f'{s.false_alarms} false alarms')
    return ', '.join(wrong)


def percent(part, whole):
    return f'{100 * part / whole:.0f} %' if whole else '-'


def leads(s):
    """The least and the median part of the time that was left."""
    return f'{100 * statistics.median(s.leads):.0f} %, {100 * min(s.leads):.0f} %' if s.leads else '-'


def row_of(name, s):
    return [name, str(s.fills or '-'), percent(s.announced, s.fills), percent(s.in_time, s.fills), leads(s),
            str(s.flaps) if s.fills else '-', str(s.false_alarms), f'{s.false_per_month:.2f}']


HEAD = ['family', 'fills', 'announced', 'in time', 'lead: median, worst', 'flaps', 'false alarms', 'a month']


def table(head, rows):
    yield '| ' + ' | '.join(head) + ' |'
    yield '|' + '---|' * len(head)
    for row in rows:
        yield '| ' + ' | '.join(row) + ' |'


def coverage(results):
    covered = [c for r in results for c in r.covered]
    return sum(covered) / len(covered) if covered else 0, len(covered)


def rows_of_families(results):
    rows = [row_of(family, totals(some)[OURS]) for family, some in by_family(results).items()]
    return rows + [row_of('**all**', totals(results)[OURS])]


def rows_of_rules(results):
    return [[rule, f'{100 * s.announced / s.fills:.1f} %', f'{100 * s.in_time / s.fills:.1f} %', leads(s),
             f'{s.flaps / s.fills:.2f}', f'{s.false_per_month:.2f}'] for rule, s in totals(results).items()]


def text_table(results):
    rows = [HEAD] + rows_of_families(results)
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEAD))]
    lines = ['  '.join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip() for r in rows]
    for r in rows_of_rules(results):
        lines.append(f'{r[0]}: {r[2]} in time, {r[4]} flaps a fill, {r[5]} false alarms a month')
    share, n = coverage(results)
    lines.append(f'{100 * share:.0f} % of {n} ranges held')
    return '\n'.join(lines)


# ---- plots ------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP = 720, 200, 44, 24
COLOURS = {'notice': '#5b8def', 'warning': '#e0a000', 'critical': '#d2401f', 'emergency': '#8b0000'}


def span(seconds):
    for unit, size in (('d', DAY), ('h', 3600), ('min', 60)):
        if seconds >= 2 * size:
            return f'{seconds / size:.0f} {unit}'
    return f'{seconds:.0f} s'


def svg(title, plot):
    end = max(plot['line'][-1][0], 1)
    inner_w, inner_h = WIDTH - LEFT - 12, HEIGHT - TOP - 24

    def x(t):
        return LEFT + inner_w * min(max(t / end, 0), 1)

    def y(share):
        return TOP + inner_h * (1 - share)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', f'<text x="{LEFT}" y="15">{title}</text>']
    for share in (0, 0.5, 1):
        out.append(f'<line x1="{LEFT}" x2="{LEFT + inner_w}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
    out.append(f'<text x="{LEFT + inner_w}" y="{HEIGHT - 8}" text-anchor="end">{span(end)}</text>')
    for onset, full in plot['fills']:
        out.append(f'<rect x="{x(onset):.1f}" y="{TOP}" width="{max(x(full) - x(onset), 1):.1f}" height="{inner_h}" fill="#fbe3e0"/>')
        out.append(f'<line x1="{x((onset + full) / 2):.1f}" x2="{x((onset + full) / 2):.1f}" y1="{TOP}" y2="{TOP + inner_h}" '
                   'stroke="#d2401f" stroke-dasharray="3 3"/>')
    points = ' '.join(f'{x(t):.1f},{y(s):.1f}' for t, s in plot['line'])
    out.append(f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="1.2"/>')
    at, level = 0, 'ok'
    for when, to in plot['events'] + [(end, None)]:
        if level in COLOURS:
            out.append(f'<rect x="{x(at):.1f}" y="{TOP + inner_h + 2}" width="{max(x(when) - x(at), 1.5):.1f}" height="6" '
                       f'fill="{COLOURS[level]}"/>')
        at, level = when, to
    return '\n'.join(out + ['</svg>']) + '\n'


def most_telling(some):
    """The trace to show: the first one that went well."""
    good = [r for r in some if not what_went_wrong(r.scores[OURS])]
    return (good or some)[0]


INTRODUCTION = '''# The forecast

Written by `./dev forecast-table`; not by hand. {count} traces of {families} families, seed {seed}: {months:.0f} months of hosts
that live, {fills} of which fill up. Each trace follows from its family's name and the seed (`tests/forecast/corpus.py`);
sizes, sampling steps, calm phases and the noise beneath are drawn alike for all families. The family `recorded` is what real
Docker did to real partitions while the guard only observed (`tests/forecast/record_drills`). The constants of the forecast were
chosen on other seeds, and without the recorded ones.

A fill is *announced* when warning or worse stands at the moment it is full; *in time*, when it was raised with at least half of
the time left that there was from the onset, or four hours, whichever is less. A *flap* is a clear between onset and full. A
*false alarm* is a raise to warning or worse where no fill is under way; that a disk is nearly full may be said once. *Lead*: how
much of the time from onset to full was left. Fills without a sample before that moment do not count.

Of the ranges of the time to full that were told on the way, {covered:.0f} % held ({ranges} of them; 80 % is what they are meant to).

## Beside others

The rules that others ship, on the same traces (`tests/forecast/peers.py` says where each is from).

'''


def write(folder, results, args):
    sums, (share, n) = totals(results), coverage(results)
    ours = sums[OURS]
    text = INTRODUCTION.format(count=len(results), families=len(by_family(results)), seed=args.seed,
                               months=ours.seconds / score.MONTH, fills=ours.fills, covered=100 * share, ranges=n)
    lines = list(table(['rule', 'announced', 'in time', 'lead: median, worst', 'flaps a fill', 'false alarms a month'],
                       rows_of_rules(results)))
    lines += ['', '## By family', ''] + list(table(HEAD, rows_of_families(results)))
    lines += ['', '## A trace of each family', '',
              'What is free, over time; shaded: a fill, its half dashed; beneath: the level (blue notice, yellow warning, red '
              'critical, dark red emergency).', '']
    plots = folder / 'forecast'
    plots.mkdir(exist_ok=True)
    for family, some in by_family(results).items():
        shown = most_telling(some)
        (plots / f'{family}.svg').write_text(svg(shown.name, shown.plot), encoding='utf-8')
        lines += [f'![{family}](forecast/{family}.svg)', '']
    (folder / 'FORECAST.md').write_text(text + '\n'.join(lines).rstrip() + '\n', encoding='utf-8')
