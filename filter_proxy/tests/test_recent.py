"""What is remembered of many things that come one after the other."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core.recent import GENERATION, Recent


@given(st.lists(st.integers(0, 50)))
def test_what_was_put_last_is_found(keys):
    recent = Recent(GENERATION)
    for value, key in enumerate(keys):
        recent.put(key, value)
    for key in range(51):
        assert (key in recent) == (key in keys)
        latest = max((value for value, each in enumerate(keys) if each == key), default=-1)
        assert recent.get(key, -1) == latest


def test_the_oldest_are_forgotten_and_no_others():
    most = 3 * GENERATION
    recent = Recent(most)
    for number in range(10 * GENERATION + 1):
        recent.put(number, number)
        if number % 97 == 0:
            latest = range(max(0, number - most), number + 1)
            known = sum(each in recent for each in latest)
            assert min(number + 1, most - GENERATION) <= known <= most
    assert 0 not in recent


def test_a_value_that_is_put_again_is_the_latest():
    recent = Recent(2 * GENERATION)
    recent.put("first", 1)
    for number in range(GENERATION):
        recent.put(str(number), number)
    recent.put("first", 2)
    for number in range(GENERATION):
        recent.put(str(-number), number)
    assert recent.get("first", 0) == 2


# Messages come and go among sessions, whose buffers take every size of memory.
CHURN = """
import random
from pathlib import Path
from sender_filter.core.recent import Recent

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

recent, sessions, sizes = Recent(50_000), {}, random.Random(1)
for number in range(500_000):
    recent.put(f"4X{number:09}", None)
    buffer = bytearray(sizes.choice((300, 700, 2000, 4096, 9000, 1500)))
    sessions[number % 1000] = (buffer, dict.fromkeys(range(sizes.randrange(3, 30))))
    if number == 100_000:
        print(resident())
print(resident())
"""


def test_the_process_does_not_grow_by_it():
    done = subprocess.run([sys.executable, "-c", CHURN], check=True, capture_output=True, text=True)
    warm, late = map(int, done.stdout.split())
    assert late < 1.05 * warm
