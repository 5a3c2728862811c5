"""What the benchmarks of this folder measure with, beside :mod:`magbench.perf`, which ``magbench perf`` uses too.

asv imports these modules as well and would take a function called ``time_…``, ``track_…``, ``mem_…`` or ``peakmem_…``
for a benchmark: none is defined or imported by name here.
"""
