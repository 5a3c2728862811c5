"""Numbers before pages: everything that a table, a page or a file of results shows, computed once, as typed tables.

``outcome`` says what a table is given; the others say what follows from it. A table knows no HTML, no coordinate and no
wording, and its ``model_dump(mode="json")`` is JSON: what is not there or not finite is ``null``.
"""
