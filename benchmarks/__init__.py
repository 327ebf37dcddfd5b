"""Figures against peers: each file names its input and its peers; `benchmarks/run` runs all."""
