"""The data sets that ship with the package, one folder each in the on-disk form, and the scripts that build them.

``python -m magbench.data.embedded.build emoji`` makes one again from pinned npm tarballs. Loading them is the business
of :mod:`magbench.data.load`; nothing here is imported for it.
"""
