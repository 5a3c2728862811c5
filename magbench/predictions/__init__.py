"""Stored predictions: what is left of a method's answers, enough to score them again.

What a method gives is an *answer* (:mod:`magbench.tasks`: class scores, scores of candidates, embeddings); a task turns
answers into a *prediction* of one kind, which is written beside the record, kept, packed and scored:

* :class:`~magbench.predictions.classes.Classes`: a class for each test node;
* :class:`~magbench.predictions.ranks.Ranks`: for each query, how many candidates stand above the right one;
* :class:`~magbench.predictions.texts.Texts`: a text for each test node;
* :class:`~magbench.predictions.images.Images`: a picture for each test node.

Nothing here needs torch or a data set, and nothing that is read is unpickled or allocated before its size was checked.
"""
