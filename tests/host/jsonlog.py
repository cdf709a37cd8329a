# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading Docker's json-file logs byte by byte, to see what is missing, torn or punched."""

import dataclasses
import json
import os
import re

# A record of flood() or quiet(). Others are valid too, this is the short way: a log may have millions of lines.
RECORD = re.compile(rb'\{"log":"line (\d+)(?: x*)?\\n","stream":"stdout",(?:"attrs":\{[^{}]*\},)?"time":"[^"\\]*"\}')


@dataclasses.dataclass
class JsonLog:
    """What a json-file log holds. Offsets and lengths are in bytes."""
    size: int = 0
    count: int = 0                      # numbered records
    first: int | None = None            # their first and last number
    last: int | None = None
    gaps: list = dataclasses.field(default_factory=list)        # (expected, found) where they do not follow
    others: list = dataclasses.field(default_factory=list)      # (offset, record): valid, but without a number
    torn: list = dataclasses.field(default_factory=list)        # (offset, beginning): not a record
    nul_ranges: list = dataclasses.field(default_factory=list)  # (offset, length): holes and written NULs
    blank_bytes: int = 0                # in runs of spaces that stand for no record
    partial_tail: bytes = b''           # the record at the end that has no newline yet

    @property
    def whole(self):
        """Nothing torn, no hole, no number missing."""
        return self.count > 0 and not (self.gaps or self.torn or self.nul_ranges or self.partial_tail)


def parse_json_log(path, chunk_bytes=8 << 20):
    """Reads a json-file log byte by byte, as far as it goes now; it may be written to meanwhile."""
    log = JsonLog()
    with open(path, 'rb', buffering=0) as f:
        log.size = os.fstat(f.fileno()).st_size
        offset = 0
        while offset < log.size:
            try:
                data = min(os.lseek(f.fileno(), offset, os.SEEK_DATA), log.size)
            except OSError:
                data = log.size         # ENXIO: nothing but a hole up to the end
            _add_nuls(log, offset, data - offset)
            if data >= log.size:
                break
            hole = min(os.lseek(f.fileno(), data, os.SEEK_HOLE), log.size)
            if hole <= data:
                break                   # it shrank meanwhile
            _parse_extent(log, f.fileno(), data, hole, chunk_bytes)
            offset = hole
    return log


def _parse_extent(log, fd, start, end, chunk_bytes):
    """Records do not reach across a hole, so that an extent can be read by itself."""
    rest, at = b'', start
    while at < end:
        chunk = os.pread(fd, min(chunk_bytes, end - at), at)
        if not chunk:
            break
        base = at - len(rest)
        at += len(chunk)
        lines = (rest + chunk).split(b'\n')
        rest = lines.pop()
        for line in lines:
            _parse_line(log, base, line, True)
            base += len(line) + 1
    if rest:
        _parse_line(log, at - len(rest), rest, False)


def _parse_line(log, offset, line, ended):
    record = RECORD.fullmatch(line)     # nearly always
    if record and ended:
        _add_number(log, int(record[1]))
        return
    pieces = list(re.finditer(rb'\0+|[^\0]+', line))
    for piece in pieces:
        text, at = piece[0], offset + piece.start()
        if text[0] == 0:
            _add_nuls(log, at, len(text))
        else:
            _parse_text(log, at, text, ended or piece is not pieces[-1])


def _parse_text(log, offset, text, ended):
    blank = len(text) - len(text.lstrip(b' '))
    log.blank_bytes += blank
    text = text[blank:]
    offset += blank
    if not text:
        return
    if not ended and offset + len(text) >= log.size:
        log.partial_tail = text
        return
    try:
        record = json.loads(text)
        message = record['log']
    except (ValueError, TypeError, KeyError):
        log.torn.append((offset, text[:120]))
        return
    number = re.match(r'line (\d+)\b', message)
    if number:
        _add_number(log, int(number[1]))
    else:
        log.others.append((offset, text))


def _add_number(log, number):
    if log.first is None:
        log.first = number
    elif number != log.last + 1:
        log.gaps.append((log.last + 1, number))
    log.last = number
    log.count += 1


def _add_nuls(log, offset, length):
    if length <= 0:
        return
    if log.nul_ranges and sum(log.nul_ranges[-1]) == offset:
        offset, before = log.nul_ranges.pop()
        length += before
    log.nul_ranges.append((offset, length))
