"""What is fuzzed, a module each.

``check(data)`` feeds arbitrary bytes to one part of the filter and asserts what must hold;
``SEEDS`` are inputs to begin with, ``WORDS`` what is worth putting in anywhere.
"""
