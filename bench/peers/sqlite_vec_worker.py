#!/usr/bin/python3
"""sqlite_vec_worker.py EXTENSION BASE N DIM: sqlite-vec's vec0 table over the vectors of bench_search, in turn
(bench_turns.h). One query at a time and one thread: it has no other way."""
import sqlite3
import sys
import time

import numpy

extension, base, N, dim = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
rows = numpy.memmap(base + "-vectors-0", "float32", "r", offset=4096, shape=(N, dim))
query = numpy.fromfile(base + "-queries.f32", "float32")[:dim].tobytes()
db = sqlite3.connect(":memory:")
db.enable_load_extension(True)
db.load_extension(extension)
db.execute(f"create virtual table v using vec0(e float[{dim}] distance_metric=cosine)")
with db:
    db.executemany("insert into v(rowid, e) values (?, ?)", ((i + 1, rows[i].tobytes()) for i in range(N)))


def search():
    return [r[0] - 1 for r in db.execute("select rowid from v where e match ? and k = 10 order by distance", (query,))]


found = search()
print("ready", flush=True)
for line in sys.stdin:
    word, rest = line.split(maxsplit=1)
    if word == "run":
        times = []
        for _ in range(int(rest)):
            start = time.perf_counter()
            found = search()
            times.append("%.3f" % (1e3 * (time.perf_counter() - start)))
        print(*times, flush=True)
    else:
        numpy.array(found, "float32").tofile(rest.strip())
        print("saved", flush=True)
