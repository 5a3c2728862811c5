"""Statistics of results: DataFrame in, DataFrame out; no torch, no files.

A *results frame* has one row a score: ``task, dataset, method, seed, metric, value``; others are ignored.
An *item frame* has one row a test item: ``task, dataset, method, seed, metric, item, value``.

``frames`` checks both and reads method labels, ``intervals`` holds the estimates of one sample, ``paired`` compares two
methods or a family of them on one task, ``ranks`` compares methods across data sets. What decides between the tests is
whether the split is *drawn* anew for every seed or *fixed* by the task version.
"""
