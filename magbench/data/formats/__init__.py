"""Published layouts of multimodal attributed graphs, read without the libraries that wrote them.

* :mod:`~magbench.data.formats.dgl_binary`: the graph files of ``dgl.save_graphs``.
* :mod:`~magbench.data.formats.magb`, :mod:`~magbench.data.formats.mmag`, :mod:`~magbench.data.formats.mmgraph`: what
  the files of each benchmark hold, as :class:`~magbench.data.formats.published.Published`.
"""
