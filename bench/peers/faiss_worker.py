#!/usr/bin/python3
"""faiss_worker.py BASE N DIM Q THREADS: FAISS IndexFlatIP over the vectors of bench_search, in turn (bench_turns.h)."""
import sys
import time

import faiss
import numpy

base, N, dim, Q, threads = sys.argv[1], *map(int, sys.argv[2:6])
faiss.omp_set_num_threads(threads)
rows = numpy.memmap(base + "-vectors-0", "float32", "r", offset=4096, shape=(N, dim))
queries = numpy.fromfile(base + "-queries.f32", "float32").reshape(-1, dim)[:Q]
index = faiss.IndexFlatIP(dim)
for first in range(0, N, 100000):
    index.add(numpy.ascontiguousarray(rows[first:first + 100000]))
found = index.search(queries, 10)[1]
print("ready", flush=True)
for line in sys.stdin:
    word, rest = line.split(maxsplit=1)
    if word == "run":
        times = []
        for _ in range(int(rest)):
            start = time.perf_counter()
            found = index.search(queries, 10)[1]
            times.append("%.3f" % (1e3 * (time.perf_counter() - start)))
        print(*times, flush=True)
    else:
        found.astype("float32").tofile(rest.strip())
        print("saved", flush=True)
