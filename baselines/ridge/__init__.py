"""Ridge regression of one side's frozen features on the other's; no graph. The code is in magbench.train.alignment."""
