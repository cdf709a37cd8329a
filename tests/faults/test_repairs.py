# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairs of damaged logs on real filesystems: torn lines become blank, a head of NULs becomes readable, nothing else
changes by a byte; killed at any system call, the next trimmer ends it."""

import json
import os

import pytest

from lines import MARKER_BYTES, line, write_lines
from matrix import need
from test_trim_matrix import (  # noqa: F401: fixtures are found by their names
    COLLAPSING, MIB, Writer, act, driver, ext4, log_of, mounted, root, wait_until)

# Where one system call of a repair may be the last.
CALLS = ["openat2", "fstat,newfstatat", "flock", "pread64", "lseek", "pwritev", "pwrite64", "sync_file_range", "close",
         "sendto", "recvfrom"]


def numbers(data):
    """Of all records that are there; the marker is none, blank lines are none, anything else raises."""
    found = []
    for text in data.split(b"\n"):
        if text.strip(b" "):
            record = json.loads(text)
            if not record["log"].startswith("somebody emptied"):
                found.append(int(record["log"].split()[1]))
    return found


def write_torn(log, fragments, before=50, behind=50, line_bytes=200):
    """Whole lines, then records that a full disk cut off, each with the next one right behind it. Returns the ranges of
    the fragments, and which numbers can be read once they are gone."""
    ranges, kept, n = [], [], 0
    with open(log, "wb") as f:
        for n_bytes in [0] * before + list(fragments) + [0] * behind:
            text = line(n, max(line_bytes, 2 * n_bytes))
            if n_bytes:
                assert n_bytes < len(text)
                ranges.append((f.tell(), f.tell() + n_bytes))
                f.write(text[:n_bytes])
            else:
                kept.append(n)
                f.write(text)
            n += 1
            if n_bytes:
                kept.append(n)
                f.write(line(n, line_bytes))
                n += 1
    return ranges, kept


def text_of(ranges):
    return ",".join(f"{a}-{b}" for a, b in ranges)


def blanked(data, ranges):
    data = bytearray(data)
    for a, b in ranges:
        data[a:b] = b" " * (b - a)
    return bytes(data)


# ---- torn lines ---------------------------------------------------------------------------------------------------

def test_fragments_become_blank_and_nothing_else(driver, root):
    mount, _ = root
    log = log_of(mount)
    ranges, kept = write_torn(log, [1, 9, 100, 4096, 70_000])
    before = log.read_bytes()
    with pytest.raises(ValueError):
        numbers(before)
    r = act(driver, mount, "blank", ranges=text_of(ranges))
    assert r["result"] == "done" and r["cut"] == sum(b - a for a, b in ranges) and r["freed"] == 0
    assert log.read_bytes() == blanked(before, ranges) and numbers(log.read_bytes()) == kept


def test_a_busy_writer_goes_on_meanwhile(driver, root):
    mount, _ = root
    log = log_of(mount)
    ranges, kept = write_torn(log, [3000])
    writer = Writer(driver, log)
    try:
        wait_until(log, 5 * MIB)
        assert act(driver, mount, "blank", ranges=text_of(ranges), pid=writer.pid, fd=writer.fd)["result"] == "done"
        wait_until(log, 8 * MIB)
    finally:
        n, failed = writer.stop()
    assert failed == 0 and numbers(log.read_bytes()) == kept + list(range(n))


def test_what_is_not_what_was_found_is_not_touched(driver, ext4):
    log = log_of(ext4)
    ranges, _ = write_torn(log, [100])
    (a, b), before = ranges[0], log.read_bytes()
    end = before.index(b"\n", b)
    wrong = [(a, end + 2),            # beyond its line
             (a + 1, b),              # from the middle of it
             (a, b - 1), (a, b + 1),  # not up to the next record
             (0, a),                  # whole lines
             (a, len(before) + 5), (b, a), (a, a), (len(before) - 10, len(before))]
    for case in wrong:
        r = act(driver, ext4, "blank", ranges=text_of([case]))
        assert r["result"] == "changed" and log.read_bytes() == before, case
    # The very range, in another text: what was found is named by what it consists of. And another file.
    for options in ({"stale": 1}, {"inode": log.stat().st_ino + 1}):
        r = act(driver, ext4, "blank", ranges=text_of(ranges), **options)
        assert r["result"] == "changed" and log.read_bytes() == before, options
    assert act(driver, ext4, "blank", ranges=text_of(ranges))["result"] == "done"


@pytest.mark.parametrize("kind", ["ext4-4k", "xfs", "btrfs"])
def test_killed_at_any_system_call_the_next_trimmer_blanks_the_rest(driver, tmp_path, kind):
    need("strace")
    with mounted(kind, tmp_path) as mount:
        log, kills = log_of(mount), 0
        for calls in CALLS:
            for when in range(1, 60):
                log.unlink(missing_ok=True)
                ranges, kept = write_torn(log, [50, 70_000])
                before = log.read_bytes()
                (mount.parent / "page").unlink(missing_ok=True)
                r = act(driver, mount, "blank", ranges=text_of(ranges),
                        wrapper=["strace", "-qq", "-o/dev/null", "-e", f"inject={calls}:signal=KILL:when={when}"])
                killed = r["status"] != 0
                kills += killed
                # Each fragment is whole or blank.
                assert log.read_bytes() in (before, blanked(before, ranges[:1]), blanked(before, ranges)), (calls, when)
                assert act(driver, mount, "none")["pending"] == 0, (calls, when)
                assert log.read_bytes() in (before, blanked(before, ranges[:1]), blanked(before, ranges)), (calls, when)
                # What is left is found again and told again.
                act(driver, mount, "blank", ranges=text_of(ranges))
                assert numbers(log.read_bytes()) == kept, (calls, when)
                if not killed:
                    break
            else:
                pytest.fail(f"{calls} has no end")
        assert kills > 10


def test_a_write_that_breaks_off_half_way_is_finished(driver, ext4):
    """The first write of the blanks fails behind a part of it: the disk is at fault."""
    need("strace")
    log = log_of(ext4)
    ranges, kept = write_torn(log, [70_000])
    before = log.read_bytes()
    r = act(driver, ext4, "blank", ranges=text_of(ranges),
            wrapper=["strace", "-qq", "-o/dev/null", "-e", "inject=pwritev:error=EIO:when=1+"])
    assert r["result"] == "failed" and r["error"] == -5 and r["stage"] == "pwritev" and r["pending"] != 0
    # What a kernel that went half-way would have left.
    with open(log, "r+b") as f:
        f.seek(ranges[0][0])
        f.write(b" " * 30_000)
    assert act(driver, ext4, "none")["pending"] == 0
    assert log.read_bytes() == blanked(before, ranges) and numbers(log.read_bytes()) == kept


@pytest.mark.parametrize("size", ["shorter", "longer"])
def test_a_log_that_was_written_anew_meanwhile_is_not_blanked(driver, ext4, size):
    need("strace")
    log = log_of(ext4)
    ranges, _ = write_torn(log, [3000])
    act(driver, ext4, "blank", ranges=text_of(ranges),
        wrapper=["strace", "-qq", "-o/dev/null", "-e", "inject=pwritev:signal=KILL:when=1"])
    os.truncate(log, 0)
    write_lines(log, 5_000 if size == "shorter" else 200_000, line_bytes=4000)
    anew = log.read_bytes()
    assert act(driver, ext4, "none")["pending"] == 0
    assert log.read_bytes() == anew


# ---- a head of NULs -------------------------------------------------------------------------------------------------

def write_emptied(log, offset, total=200_000):
    """As truncate leaves it in front of a writer without O_APPEND. Returns how many lines are left."""
    with open(log, "wb") as f:
        f.seek(offset)
        n = 0
        while f.tell() < offset + total:
            f.write(line(n, 200))
            n += 1
    os.sync()
    return n


@pytest.mark.parametrize("offset", [1, 2, 100, 4095, 4096, 4097, 5000, 65_536, 123_457, MIB - 1, MIB, MIB + 1,
                                    5 * MIB, 20 * MIB + 1234])
def test_a_head_of_nuls_becomes_readable(driver, root, offset):
    mount, kind = root
    log = log_of(mount)
    n = write_emptied(log, offset)
    size = log.stat().st_size
    with pytest.raises(ValueError):
        numbers(log.read_bytes())
    r = act(driver, mount, "mark")
    assert r["result"] == "done" and r["cut"] == offset and r["size"] == size, r
    data = log.read_bytes()
    # Behind a hole that ends with a block there is nothing to blank.
    assert data[offset - 1:offset] == (b"\0" if offset == 5 * MIB else b"\n")
    assert data[offset:].startswith(b'{"log":"line 0 ')
    if offset >= MARKER_BYTES:
        first = json.loads(data[:MARKER_BYTES])
        assert first["log"].startswith("somebody emptied this log") and first["time"].startswith("2026-11-21T12:00:00.0")
    if offset <= MIB:
        assert b"\0" not in data and numbers(data) == list(range(n)) and r["hole"] == 0
    else:
        # A hole of ours: from the marker up to blanks, behind which all is there.
        rest = data[MARKER_BYTES:].lstrip(b"\0")
        assert b"\0" not in rest and numbers(rest) == list(range(n)) and r["hole"] > offset - 2 * MIB, r
    assert act(driver, mount, "mark")["result"] == "nothing-to-do"
    if kind in COLLAPSING and r["hole"]:
        assert act(driver, mount, "heal")["result"] == "done"
        data = log.read_bytes()
        assert b"\0" not in data and numbers(data) == list(range(n))


def test_a_writer_without_append_goes_on_behind_its_head(driver, root):
    mount, _ = root
    log = log_of(mount)
    writer = Writer(driver, log, flags="plain")
    try:
        wait_until(log, 3 * MIB)
        os.truncate(log, 0)
        wait_until(log, 5 * MIB)
        assert act(driver, mount, "mark", pid=writer.pid, fd=writer.fd)["result"] == "done"
        wait_until(log, 8 * MIB)
    finally:
        n, failed = writer.stop()
    rest = log.read_bytes()[MARKER_BYTES:].lstrip(b"\0")
    left = numbers(rest)
    assert failed == 0 and left == list(range(left[0], n)) and left[0] > 0


@pytest.mark.parametrize("what", ["nothing but a hole", "no record behind", "too many NULs written"])
def test_what_is_no_log_with_an_empty_head_is_not_touched(driver, ext4, what):
    log = log_of(ext4)
    if what == "nothing but a hole":
        log.touch()
        os.truncate(log, MIB)
    else:
        log.write_bytes(b"\0" * (100 if what == "no record behind" else 2 * MIB) + b"some text\n" * 10)
    before = log.read_bytes()
    assert act(driver, ext4, "mark")["result"] == ("nothing-to-do" if what == "nothing but a hole" else "refused")
    assert log.read_bytes() == before


@pytest.mark.parametrize("kind", ["ext4-4k", "ext4-1k", "xfs"])
@pytest.mark.parametrize("offset", [3000, 300_001, 3 * MIB + 5])
def test_killed_at_any_system_call_the_head_is_found_again(driver, tmp_path, kind, offset):
    need("strace")
    with mounted(kind, tmp_path) as mount:
        log, kills = log_of(mount), 0
        for calls in CALLS:
            for when in range(1, 60):
                log.unlink(missing_ok=True)
                n = write_emptied(log, offset, 20_000)
                (mount.parent / "page").unlink(missing_ok=True)
                r = act(driver, mount, "mark", wrapper=["strace", "-qq", "-o/dev/null", "-e",
                                                        f"inject={calls}:signal=KILL:when={when}"])
                killed = r["status"] != 0
                kills += killed
                # Its first byte says whether it is done.
                again = act(driver, mount, "mark")
                assert again["result"] in ("done", "nothing-to-do"), (calls, when, again)
                data = log.read_bytes()
                rest = data if offset <= MIB else data[MARKER_BYTES:].lstrip(b"\0")
                assert b"\0" not in rest and numbers(rest) == list(range(n)), (calls, when)
                if not killed:
                    break
            else:
                pytest.fail(f"{calls} has no end")
        assert kills > 10


def test_without_room_the_head_stays_and_says_so(driver, tmp_path):
    with mounted("ext4-4k", tmp_path, size=40 * MIB) as mount:
        log = log_of(mount)
        n = write_emptied(log, 600_000)
        with open(mount / "filler", "wb", buffering=0) as f:
            for block in (MIB, 4096):
                try:
                    while True:
                        f.write(b"x" * block)
                except OSError:
                    pass
        r = act(driver, mount, "mark", ballast=0)
        assert r["result"] == "failed" and r["error"] == -28, r
        assert log.read_bytes()[0] == 0
        os.unlink(mount / "filler")
        assert act(driver, mount, "mark", ballast=0)["result"] == "done"
        assert numbers(log.read_bytes()) == list(range(n))
