"""PPR-weighted pairs: settings in method.toml; the code is in magbench.regularizers.ppr_pairs."""
