"""faiss: exact search by inner product over plain float32 vectors, `IndexFlatIP`, one thread. Arguments: count, dimension."""

import sys
from importlib.metadata import version

import faiss
from taking_turns import take_turns, unit_vectors

count, dimension = int(sys.argv[1]), int(sys.argv[2])
faiss.omp_set_num_threads(1)
gallery = unit_vectors(count, dimension)
index = faiss.IndexFlatIP(dimension)
index.add(gallery)
probe = gallery[5:6].copy()
del gallery
take_turns(lambda: index.search(probe, 10)[0].shape and None, {"versions": {"faiss-cpu": version("faiss-cpu")}})
