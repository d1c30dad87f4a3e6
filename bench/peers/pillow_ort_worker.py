#!/usr/bin/python3
"""pillow_ort_worker.py MODEL.onnx FILE N THREADS plain|draft: picture files to vectors by Pillow and ONNX Runtime, in turn
(bench_turns.h). Processes decode and prepare ahead while ONNX Runtime (of Node, its only package here) encodes batches of 32;
`draft` is Pillow's shrinking while decoding."""
import functools
import multiprocessing
import os
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from bench_image import decode, prepare

BATCH, WIDTH = 32, 512


def picture(path, draft):
    with open(path, "rb") as f:
        return prepare(decode(f.read(), draft)).tobytes()


def embed(pool, node, path, N, draft):
    """-> the vectors' bytes."""
    found = []
    reader = threading.Thread(target=lambda: found.append(node.stdout.read(N * WIDTH * 4)))
    reader.start()
    batch = []
    for i, data in enumerate(pool.imap(functools.partial(picture, draft=draft), [path] * N)):
        batch.append(data)
        if len(batch) == BATCH or i == N - 1:
            node.stdin.write(struct.pack("<I", len(batch)) + b"".join(batch))
            node.stdin.flush()
            batch = []
    reader.join()
    return found[0]


def main():
    model, path, N, threads, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    here = os.path.dirname(os.path.abspath(__file__))
    node = subprocess.Popen(["node", os.path.join(here, "ort_stream.js"), model, str(threads)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with multiprocessing.Pool(threads) as pool:
        vectors = embed(pool, node, path, N, mode == "draft")
        print("ready", flush=True)
        for line in sys.stdin:
            word, rest = line.split(maxsplit=1)
            if word == "run":
                times = []
                for _ in range(int(rest)):
                    start = time.perf_counter()
                    vectors = embed(pool, node, path, N, mode == "draft")
                    times.append("%.3f" % (1e3 * (time.perf_counter() - start)))
                print(*times, flush=True)
            else:
                with open(rest.strip(), "wb") as f:
                    f.write(vectors)
                print("saved", flush=True)
    node.stdin.close()
    node.wait()


if __name__ == "__main__":
    main()
