#!/usr/bin/python3
"""sensus beside its peers, in turn, in one run; called by run.sh. Needs nothing but Python itself.

Each comparison holds two processes that are loaded and warm, and lets one run, then the other, round after
round; the ratio is taken within a round, so that whatever else the machine does meets both.
"""
import argparse
import array
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import time

from bench_page import write_page

HERE = os.path.dirname(os.path.abspath(__file__))
OPENBLAS = "/usr/lib/x86_64-linux-gnu/openblas-openmp"


class Absent(Exception):
    """What a line needs is not there."""


# ---- two processes in turn ----

class Worker:
    """A process that speaks the protocol of bench_turns.h."""

    def __init__(self, name, command, env):
        self.name, self.errors = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, **env})
        self.expect("ready")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.stdin.close()
            said = self.process.stderr.read().strip().splitlines()
            raise Absent(f"{self.name} ended: {said[-1] if said else 'no message'}")
        return line.strip()

    def expect(self, word):
        found = self.answer()
        if found != word:
            raise Absent(f"{self.name} answered {found!r} instead of {word!r}")

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def processor_ms(self):
        """User and system time so far of all its threads and of the processes that it started."""
        parent, ticks = {}, {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has ended
            pid = int(path.split("/")[2])
            parent[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
        mine = {self.process.pid}
        while more := {pid for pid, above in parent.items() if above in mine} - mine:
            mine |= more
        return 1e3 * sum(ticks.get(pid, 0) for pid in mine) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self):
        """The most memory it held, as Linux counts it."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in f if line.startswith("VmHWM"))

    def run(self, times):
        """Milliseconds by the clock of each of `times` repetitions, and of processor time of all."""
        before = self.processor_ms()
        self.ask(f"run {times}")
        return [float(t) for t in self.answer().split()], self.processor_ms() - before

    def vectors(self, path):
        self.ask(f"save {path}")
        self.expect("saved")
        values = array.array("f")
        with open(path, "rb") as f:
            values.frombytes(f.read())
        return values

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def lowest_cosine(a, b, width):
    if len(a) != len(b) or not a:
        raise Absent(f"{len(a)} numbers from sensus, {len(b)} from the peer")
    lowest = 1.0
    for i in range(0, len(a), width):
        x, y = a[i:i + width], b[i:i + width]
        dot = sum(p * q for p, q in zip(x, y))
        lowest = min(lowest, dot / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y)))
    return lowest


def recall(found, right, k=10):
    """The share of the right k of each query that was found."""
    hits = sum(len(set(found[i:i + k]) & set(right[i:i + k])) for i in range(0, len(right), k))
    return hits / len(right)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def in_turn(ours, theirs, rounds, times):
    """Milliseconds of both and, for each round, how many times faster we are."""
    a, b, ratios, cpu_a, cpu_b = [], [], [], [], []
    for _ in range(rounds):
        (x, cpu_x), (y, cpu_y) = ours.run(times), theirs.run(times)
        a, b, cpu_a, cpu_b = a + x, b + y, cpu_a + [cpu_x / times], cpu_b + [cpu_y / times]
        ratios.append(statistics.median(y) / statistics.median(x))
    return {"sensus_ms": spread(a), "peer_ms": spread(b), "ratio": spread(ratios),
            "sensus_processor_ms": spread(cpu_a), "peer_processor_ms": spread(cpu_b)}


# ---- the lines ----

class Bench:
    def __init__(self, options):
        self.options, self.lines = options, []
        self.tools = os.path.join(options.build, "bench")
        self.data = os.path.join(options.build, "bench-data")
        self.rounds = 3 if options.quick else 5
        self.train_batch = 8 if options.quick else 32
        self.env = {"OMP_NUM_THREADS": str(options.threads)}

    def tool(self, name):
        return os.path.join(self.tools, name)

    def at(self, name):
        return os.path.join(self.data, name)

    def need_model(self):
        if not all(os.path.exists(self.at(f"{name}/model.safetensors")) for name in ("model", "model-tiny")):
            os.makedirs(self.data, exist_ok=True)
            subprocess.run([self.tool("bench_model"), self.data], check=True)

    def torch_env(self):
        """Debian's torch calls whichever BLAS is found first; the reference one would be no peer."""
        if not os.path.isdir(OPENBLAS):
            raise Absent("libopenblas0-openmp is not installed")
        if subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True).returncode:
            raise Absent("python3-torch is not installed")
        return {**self.env, "LD_LIBRARY_PATH": OPENBLAS}

    def need_onnx(self, name):
        """The graphs NAME-image.onnx and NAME-text.onnx of a model."""
        if not os.path.isdir(os.path.join(os.environ.get("NODE_PATH", ""), "onnxruntime-node")):
            raise Absent("onnxruntime-node is not installed")
        self.need_model()
        if all(os.path.exists(self.at(f"{name}-{kind}.onnx")) for kind in ("image", "text")):
            return
        r = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "peers/export_onnx.py"), self.at(name),
                            self.at(name)], env={**os.environ, **self.torch_env()}, capture_output=True, text=True)
        if r.returncode:
            raise Absent("export to ONNX failed: " + (r.stderr.strip().splitlines() or ["no message"])[-1])

    def narrow_model(self, name, numbers):
        """The model's folder, in bf16 or int8 where that is wanted."""
        if numbers == "f32":
            return self.at(name)
        folder = self.at(f"{name}-{numbers}")
        if not os.path.exists(os.path.join(folder, "model.safetensors")):
            subprocess.run([os.path.join(self.options.build, "cli", "sensus"), "model", "quantize", self.at(name),
                            "-o", folder, "--type", numbers], check=True, stdout=subprocess.DEVNULL)
        return folder

    def peer_graph(self, name, kind, numbers):
        """The peer's graph: int8 beside int8 where it can be made, else f32; -> path, what it is."""
        path = self.at(f"{name}-{kind}.onnx")
        if numbers != "int8":
            return path, "f32"
        narrow = self.at(f"{name}-{kind}-int8.onnx")
        if not os.path.exists(narrow):
            subprocess.run(["/usr/bin/python3", os.path.join(HERE, "peers/quantize_onnx.py"), path, narrow],
                           capture_output=True)
        return (narrow, "int8") if os.path.exists(narrow) else (path, "f32")

    def floor(self, kind, batch, tokens, numbers, name, env):
        """What an encoder can't be faster than, and what its products and attention take alone."""
        if not os.path.exists(self.tool("bench_floor")):
            return {}
        out = subprocess.run([self.tool("bench_floor"), "tiny" if name == "model-tiny" else "b32", kind, str(tokens),
                              str(batch), numbers], capture_output=True, text=True, check=True, env={**os.environ, **env})
        return dict(zip(("limit_ms", "products_ms", "attention_ms"), map(float, out.stdout.split())))

    def encode(self, kind, batch, tokens=77, times=1, numbers="f32", name="model", threads=None, processor=None):
        """The same weights and inputs by sensus and by ONNX Runtime; their vectors must agree. processor: the least that
        sensus may use of it, as SENSUS_CPU says it."""
        threads = threads or self.options.threads
        env = {"OMP_NUM_THREADS": str(threads), **({"SENSUS_CPU": processor} if processor else {})}
        self.need_onnx(name)
        graph, theirs_is = self.peer_graph(name, kind, numbers)
        limit = 0.98 if theirs_is == "int8" else {"f32": 0.9999, "bf16": 0.9995, "int8": 0.995}[numbers]
        ours_in, theirs_in = ("pixels.f32",) * 2 if kind == "image" else (f"text{tokens}.txt", f"text{tokens}.i64")
        ours = Worker("sensus", [self.tool("bench_encode"), self.narrow_model(name, numbers), kind, self.at(ours_in),
                                 str(batch)], env)
        theirs = Worker("ONNX Runtime", ["node", os.path.join(HERE, "peers/ort_worker.js"), graph, kind,
                                         self.at(theirs_in), str(batch), str(threads)], {})
        try:
            cosine = lowest_cosine(ours.vectors(self.at("sensus.f32")), theirs.vectors(self.at("peer.f32")), 512)
            if not cosine > limit:
                raise Absent(f"the vectors differ (lowest cosine {cosine:.6f}): no comparison")
            times = in_turn(ours, theirs, self.rounds if batch == 1 else min(self.rounds, 4), times)
        finally:
            ours.close()
            theirs.close()
        return {**times, "lowest_cosine": cosine, "batch": batch, "peer": f"ONNX Runtime {theirs_is}",
                **self.floor(kind, batch, tokens, numbers, name, env)}

    def pipeline(self, picture, numbers, mode):
        """Files to vectors: reading, decoding, resizing and encoding side by side."""
        self.need_onnx("model")
        self.need_pictures()
        n = {"12mp": 32, "vga": 64}[picture] // (4 if self.options.quick else 1)
        path = self.at(picture + ".jpg")
        graph, theirs_is = self.peer_graph("model", "image", numbers)
        ours = Worker("sensus", [self.tool("bench_pipeline"), self.narrow_model("model", numbers), path, str(n)], self.env)
        theirs = Worker("Pillow", ["/usr/bin/python3", os.path.join(HERE, "peers/pillow_ort_worker.py"), graph, path,
                                   str(n), str(self.options.threads), mode], {})
        try:
            cosine = lowest_cosine(ours.vectors(self.at("sensus.f32")), theirs.vectors(self.at("peer.f32")), 512)
            if not cosine > 0.97:
                raise Absent(f"the vectors differ (lowest cosine {cosine:.6f}): no comparison")
            return {**in_turn(ours, theirs, 3, 1), "lowest_cosine": cosine, "pictures": n,
                    "peer": f"Pillow{' (draft)' * (mode == 'draft')} + ONNX Runtime {theirs_is}"}
        finally:
            ours.close()
            theirs.close()

    def train(self, name, ours_half=False, theirs_half=False):
        """A step in turn, and the most memory that either side held. ViT-B/32 drops the insides of two blocks in three."""
        env = self.torch_env()
        self.need_model()
        batch = self.train_batch
        model = self.at("model-tiny" if name == "tiny" else "model")
        ours = Worker("sensus", [self.tool("bench_train_step"), name, str(batch), "serve", "77"]
                      + ["bf16"] * ours_half + ["drop"] * (name == "b32"), self.env)
        theirs = Worker("torch", ["/usr/bin/python3", os.path.join(HERE, "peers/torch_worker.py"), model,
                                  self.at("pixels.f32"), self.at("text77.i64"), str(batch),
                                  str(self.options.threads)] + ["bf16"] * theirs_half, env)
        try:
            times = in_turn(ours, theirs, 2 if self.options.quick else 3, 1)
            a, b = ours.peak_mb(), theirs.peak_mb()
            return {**times, "batch": batch, "sensus_peak_mb": a, "peer_peak_mb": b, "peak_ratio": a / b}
        finally:
            ours.close()
            theirs.close()

    def model(self):
        places = [self.options.model] if self.options.model else \
            sorted(glob.glob(os.path.join(HERE, "../models/*/")))
        for place in places:
            for weights in ("model.safetensors", "open_clip_model.safetensors"):
                if os.path.exists(os.path.join(place, weights)):
                    return place, os.path.join(place, weights)
        raise Absent("no model in models/; say --model DIR")

    def process(self, command, weights):
        """A process from start to end, again and again: milliseconds, and the most memory beyond the weights' file."""
        weights_mb = os.path.getsize(weights) / 1e6
        times, memory, processor = [], [], []
        for i in range(self.rounds * 3 + 1):
            start = time.perf_counter()
            pid = os.posix_spawn(command[0], command, {**os.environ, **self.env},
                                 file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
            _, status, usage = os.wait4(pid, 0)
            if status:
                raise Absent(f"{' '.join(command[1:3])} failed with status {status}")
            if i:
                times.append(1e3 * (time.perf_counter() - start))
                memory.append(usage.ru_maxrss * 1024 / 1e6 - weights_mb)
                processor.append(1e3 * (usage.ru_utime + usage.ru_stime))
        return {"value_ms": spread(times), "beyond_weights_mb": spread(memory), "weights_mb": weights_mb,
                "processor_ms": spread(processor)}

    def search(self):
        """sensus search with the model that ships and 10,000 vectors."""
        (model, weights), catalog = self.model(), self.at("search.db")
        os.makedirs(self.data, exist_ok=True)
        for old in glob.glob(catalog + "*"):
            os.remove(old)
        subprocess.run([self.tool("bench_search"), "catalog", catalog, "10000", model], check=True)
        sensus = os.path.join(self.options.build, "cli/sensus")
        return self.process([sensus, "search", "--catalog", catalog, "--model", model, "-n", "10", "a red apple on a table"],
                            weights)

    def cold(self):
        """ViT-B/32 in int8 and 1,000 vectors; beside it what ONNX Runtime takes to load its int8 text tower and use it once."""
        self.need_onnx("model")
        model, catalog = self.narrow_model("model", "int8"), self.at("cold.db")
        if not os.path.exists(catalog):
            subprocess.run([self.tool("bench_search"), "catalog", catalog, "1000", model], check=True)
        sensus = os.path.join(self.options.build, "cli/sensus")
        ours = self.process([sensus, "search", "--catalog", catalog, "--model", model, "-n", "10", "a red apple on a table"],
                            os.path.join(model, "model.safetensors"))
        graph, theirs_is = self.peer_graph("model", "text", "int8")
        once = ["node", os.path.join(HERE, "peers/ort_once.js"), graph, self.at("text77.i64"), str(self.options.threads)]
        theirs = [float(subprocess.run(once, capture_output=True, text=True, check=True).stdout) for _ in range(7)]
        return {**ours, "peer": f"ONNX Runtime {theirs_is}", "peer_ms": spread(theirs),
                "share_of_peer": ours["value_ms"]["median"] / statistics.median(theirs)}

    # ---- exact search of many vectors ----

    def need_vectors(self, kind, N, width):
        """Vectors in groups, or of random texts as the model that ships encodes them; -> their width."""
        base = self.at(f"{kind}-{N}")
        if kind == "texts":
            source, width = self.model()[0], 256
        else:
            source = str(width)
        if not os.path.exists(base + "-queries.f32"):
            os.makedirs(self.data, exist_ok=True)
            subprocess.run([self.tool("bench_search"), "make", base, str(N), source], check=True)
        return base, width

    def our_scan(self, what, base, N, width, Q, threads):
        return Worker("sensus", [self.tool("bench_search"), what, base, str(N), str(width), str(Q)],
                      {"OMP_NUM_THREADS": str(threads)})

    def scan(self, kind, Q, threads, peer, small=False):
        """The 10 nearest of Q queries, exact: beside a peer, beside f32 and beside reading the bytes alone."""
        N = 200000 if small or self.options.quick else 1000000
        base, width = self.need_vectors(kind, N, 512)
        ours = self.our_scan("scan", base, N, width, Q, threads)
        workers = [ours]
        try:
            if peer == "FAISS":
                workers.append(Worker(peer, ["/usr/bin/python3", os.path.join(HERE, "peers/faiss_worker.py"), base, str(N),
                                             str(width), str(Q), str(threads)], {}))
            else:
                workers.append(Worker(peer, ["/usr/bin/python3", os.path.join(HERE, "peers/sqlite_vec_worker.py"),
                                             self.sqlite_vec(), base, str(N), str(width)], {}))
            result = in_turn(*workers, 3 if self.options.quick else 5, 3 if Q == 1 else 1)
            theirs = workers[1].vectors(self.at("peer.f32"))
            workers.append(self.our_scan("read", base, N, width, Q, threads))
            reading = in_turn(ours, workers[2], 5, 3)
            found = ours.vectors(self.at("sensus.f32"))
            return {**result, "vectors": N, "width": width, "queries": Q, "recall": recall(found, theirs),
                    "times_reading": 1 / reading["ratio"]["median"]}
        finally:
            for w in workers:
                w.close()

    def sqlite_vec(self):
        path = os.path.join(os.environ.get("NODE_PATH", ""), "sqlite-vec-linux-x64", "vec0.so")
        if not os.path.exists(path):
            raise Absent("npm's sqlite-vec is not installed")
        return path

    # ---- sound and films ----

    def need_sound(self):
        if not os.path.exists(self.at("model-sound/model.safetensors")):
            os.makedirs(self.data, exist_ok=True)
            subprocess.run([self.tool("bench_sound"), "make", self.data], check=True)

    def sound(self, *what):
        return Worker("sensus", [self.tool("bench_sound"), *what, self.at("sound.f32")], {"OMP_NUM_THREADS": "1"})

    def log_mel(self):
        """Half a minute as Whisper hears it; both sides' numbers must agree."""
        self.need_sound()
        if subprocess.run(["/usr/bin/python3", "-c", "import numpy"], capture_output=True).returncode:
            raise Absent("python3-numpy is not installed")
        ours = self.sound("log-mel")
        theirs = Worker("NumPy", ["/usr/bin/python3", os.path.join(HERE, "peers/numpy_log_mel_worker.py"),
                                  self.at("sound.f32")], {"OMP_NUM_THREADS": "1"})
        try:
            a, b = ours.vectors(self.at("sensus.f32")), theirs.vectors(self.at("peer.f32"))
            off = max(abs(x - y) for x, y in zip(a, b))
            if len(a) != len(b) or not off < 5e-3:
                raise Absent(f"{len(a)} and {len(b)} numbers, off by {off:g}: no comparison")
            return {**in_turn(ours, theirs, self.rounds, 5), "seconds": 30}
        finally:
            ours.close()
            theirs.close()

    def sound_encode(self):
        """Half a minute to a vector beside the matrix products of its tower alone: 1 / ratio is what the rest costs."""
        self.need_sound()
        ours, theirs = self.sound("encode", self.at("model-sound")), self.sound("products", self.at("model-sound"))
        try:
            return {**in_turn(ours, theirs, self.rounds, 1), "seconds": 30}
        finally:
            ours.close()
            theirs.close()

    def need_film(self):
        path = self.at("film.mp4")
        if not os.path.exists(path):
            os.makedirs(self.data, exist_ok=True)
            part = self.at("part.mp4")
            try:
                made = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i",
                                       "testsrc2=s=1920x1080:r=25:d=60", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt",
                                       "yuv420p", part], capture_output=True)
            except FileNotFoundError:
                raise Absent("ffmpeg is not installed") from None
            if made.returncode:
                raise Absent("this ffmpeg does not write H.264")
            os.rename(part, path)
        return path

    def film(self, numbers):
        """A minute of 1080p, sampled each second: as many vectors of nearly the same pictures on both sides."""
        self.need_onnx("model")
        path, T = self.need_film(), str(self.options.threads)
        graph, theirs_is = self.peer_graph("model", "image", numbers)
        ours = Worker("sensus", [self.tool("bench_film"), self.narrow_model("model", numbers), path, T], self.env)
        theirs = Worker("ffmpeg", ["node", os.path.join(HERE, "peers/ffmpeg_ort_worker.js"), graph, path, T], {})
        try:
            cosine = lowest_cosine(ours.vectors(self.at("sensus.f32")), theirs.vectors(self.at("peer.f32")), 512)
            if not cosine > 0.9:
                raise Absent(f"the vectors differ (lowest cosine {cosine:.6f}): no comparison")
            return {**in_turn(ours, theirs, 2 if self.options.quick else 3, 1), "lowest_cosine": cosine, "seconds": 60,
                    "peer": f"ffmpeg + ONNX Runtime {theirs_is}"}
        finally:
            ours.close()
            theirs.close()

    def need_pictures(self):
        for name in ("vga.jpg", "12mp.jpg"):
            if not os.path.exists(self.at(name)):
                os.makedirs(self.data, exist_ok=True)
                made = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "bench_image.py"), "--make", self.data],
                                      capture_output=True)
                if made.returncode:
                    raise Absent("python3-pil or python3-numpy is not installed")

    def pictures(self):
        """Files to the model's input by sensus and by Pillow: rows of "name mode decode prepare sum"."""
        self.need_pictures()
        files = [self.at("vga.jpg"), self.at("12mp.jpg")]
        sums = {}
        for _ in range(2 if self.options.quick else 4):
            for who, command in (("sensus", [self.tool("bench_image")]),
                                 ("peer", ["/usr/bin/python3", os.path.join(HERE, "bench_image.py")])):
                for row in subprocess.run(command + files, capture_output=True, text=True).stdout.splitlines():
                    parts = row.split()
                    if len(parts) == 5 and parts[0].endswith(".jpg"):
                        mode = "shrink" if parts[1] == "draft" else parts[1]
                        sums.setdefault((parts[0], mode, who), []).append(float(parts[4]))
        for name in ("vga.jpg", "12mp.jpg"):
            for mode in ("exact", "shrink"):
                a, b = sums.get((name, mode, "sensus")), sums.get((name, mode, "peer"))
                if not a or not b:
                    raise Absent("one side printed no numbers")
                ratios = [y / x for x, y in zip(a, b)]
                title = f"{'640 x 480' if name == 'vga.jpg' else '12 MP'} JPEG to 224 x 224, {mode}, 1 thread"
                self.add(f"picture-{name[:-4]}-{mode}", title, "Pillow", None,
                         {"sensus_ms": spread(a), "peer_ms": spread(b), "ratio": spread(ratios)})

    def kernels(self):
        """Products and attention as a share of the multiply-adds that the processor was seen to do."""
        if not os.path.exists(self.tool("bench_gemm")):
            raise Absent("no peak is known for this processor")
        out = subprocess.run([self.tool("bench_gemm")], capture_output=True, text=True,
                             env={**os.environ, **self.env}).stdout
        rows = [line.split("\t") for line in out.splitlines()]
        if not rows:
            raise Absent("bench_gemm printed nothing")
        print(f"  measured peak, {self.options.threads} thread(s): {float(rows[0][1]):.0f} GFLOP/s in f32")
        for name, rate, share in rows[1:]:
            self.add("kernel", f"{name}", None, None, {"gflops": float(rate), "share_of_peak": float(share)})
        one = subprocess.run([self.tool("bench_gemm"), "peak"], capture_output=True, text=True,
                             env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout.split("\t")
        table = subprocess.run([self.tool("bench_kernel"), "best"], capture_output=True, text=True).stdout
        for line in table.splitlines():
            parts = line.rsplit(None, 4)
            name = parts[0].split(None, 1)[1].strip()
            if name in ("attention 50 x 64", "attention 77 x 64 causal") and parts[2] == "GFLOP/s":
                self.add("kernel", f"{name}, 1 thread", None, None,
                         {"gflops": float(parts[1]), "share_of_peak": float(parts[1]) / float(one[1])})

    # ---- what is printed ----

    def add(self, key, title, peer, target, result):
        line = {"line": key, "title": title, "peer": peer, "target": target, **result}
        self.lines.append(line)
        print(show(line), flush=True)

    def attempt(self, key, title, peer, target, measure):
        if self.options.only and not any(key.startswith(o) for o in self.options.only.split(",")):
            return
        try:
            result = measure()
        except (Absent, OSError, subprocess.CalledProcessError) as why:
            self.lines.append({"line": key, "title": title, "peer": peer, "target": target, "skipped": str(why)})
            print(show(self.lines[-1]), flush=True)
            return
        if result:
            self.add(key, title, peer, target, result)


def show(line):
    title = f"{line['title']:<52}"
    if "skipped" in line:
        return f"{title} skipped: {line['skipped']}"
    if "share_of_peak" in line:
        return f"{title} {line['gflops']:8.1f} GFLOP/s, {100 * line['share_of_peak']:.0f} % of the f32 peak"
    if "value_ms" in line:
        t, m = line["value_ms"], line["beyond_weights_mb"]
        peer = ""
        if "share_of_peer" in line:
            peer = f"; {line['share_of_peer']:.2f} of {line['peer']}'s load and encode, target <= 0.25"
        return (f"{title} {t['median']:.1f} ms ({t['min']:.1f}-{t['max']:.1f}), target <= {line['target']}{peer};"
                f" processor time {line['processor_ms']['median']:.0f} ms; memory: weights"
                f" {line['weights_mb']:.1f} MB {m['median']:+.1f} MB ({m['min']:.1f}-{m['max']:.1f}), target <= +64")
    r = line["ratio"]
    target = f", target >= {line['target']:g}" if line["target"] else ""
    cpu = ""
    if line.get("sensus_processor_ms", {}).get("median", 0) > 0:
        ours, theirs = line["sensus_processor_ms"]["median"], line["peer_processor_ms"]["median"]
        cpu = f"; processor time {ours:.0f} / {theirs:.0f} ms = {theirs / ours:.2f} x"
    memory = ""
    if "seconds" in line:
        memory = f"; {1e3 * line['seconds'] / line['sensus_ms']['median']:.0f} seconds of it a second"
    if "peak_ratio" in line:
        memory = (f"; peak memory {line['sensus_peak_mb']:.0f} / {line['peer_peak_mb']:.0f} MB ="
                  f" {100 * line['peak_ratio']:.0f} %")
        if line.get("memory_target"):
            memory += f", target <= {100 * line['memory_target']:.0f} %"
    if "limit_ms" in line:
        best = line["sensus_ms"]["min"]
        memory = (f"; limit {line['limit_ms']:.1f} ms = {100 * line['limit_ms'] / best:.0f} % of the fastest {best:.1f} ms;"
                  f" products alone {line['products_ms']:.1f} ms, attention {line['attention_ms']:.1f} ms")
    if "recall" in line:
        memory = (f"; recall@10 {line['recall']:.4f}; {line['times_reading']:.2f} x the time of reading the codes"
                  + (", target <= 1.3" if line["queries"] == 1 else ""))
    return (f"{title} {r['median']:.2f} x {line['peer']} ({r['min']:.2f}-{r['max']:.2f}{target});"
            f" {line['sensus_ms']['median']:.1f} / {line['peer_ms']['median']:.1f} ms{cpu}{memory}")


def encode_lines(b, T):
    """f32 and bf16 beside the peer's f32, int8 beside its dynamic int8; targets for each in this order."""
    ort, kinds = "ONNX Runtime", ("f32", "bf16", "int8")

    def line(key, title, targets, measure):
        for numbers, target in zip(kinds, targets):
            b.attempt(f"{key}-{numbers}", f"{title}, {numbers}, {'1 thread' if '-1t' in key else T}", ort, target,
                      lambda numbers=numbers: measure(numbers))

    line("image-1-1t", "image, B=1", (1.15, 2.2, 1.5), lambda n: b.encode("image", 1, times=5, numbers=n, threads=1))
    line("image-32", "image, B=32", (1.1, 1.95, 1.6), lambda n: b.encode("image", 32, numbers=n))
    line("text77-1-1t", "text of 77, B=1", (1.15, 2.2, 1.5), lambda n: b.encode("text", 1, times=8, numbers=n, threads=1))
    line("text77-32", "text of 77, B=32", (1.1, 1.95, 1.6), lambda n: b.encode("text", 32, numbers=n))
    line("text10-32", "text of 10 (peer 77), B=32", (None, 6, None),
         lambda n: b.encode("text", 32, 10, times=4, numbers=n))
    line("tiny-image-1-1t", "TinyCLIP image, B=1", (1.15, None, 2),
         lambda n: b.encode("image", 1, times=8, numbers=n, name="model-tiny", threads=1))
    line("tiny-image-32", "TinyCLIP image, B=32", (None,) * 3,
         lambda n: b.encode("image", 32, numbers=n, name="model-tiny"))
    for kind, title in (("image", "image"), ("text", "text of 77")):
        b.attempt(f"avx2-{kind}-1-1t", f"{title}, B=1, f32, AVX2 only (peer: all it has), 1 thread", ort, None,
                  lambda kind=kind: b.encode(kind, 1, times=3, threads=1, processor="avx2"))
    b.attempt("avx2-image-32", f"image, B=32, f32, AVX2 only (peer: all it has), {T}", ort, None,
              lambda: b.encode("image", 32, processor="avx2"))


def pipeline_lines(b, T):
    """Whole pictures: decoding counts too."""
    for picture, title, target in (("12mp", "12 MP JPEGs", 3), ("vga", "640 x 480 JPEGs", 2)):
        for numbers in ("f32", "int8"):
            b.attempt(f"pipeline-{picture}-{numbers}", f"{title} to vectors, {numbers}, {T}", "Pillow + ONNX Runtime",
                      target if numbers == "int8" else None,
                      lambda p=picture, n=numbers: b.pipeline(p, n, "plain"))
    b.attempt("pipeline-12mp-draft", f"12 MP JPEGs to vectors, int8, peer shrinks, {T}", "Pillow + ONNX Runtime", None,
              lambda: b.pipeline("12mp", "int8", "draft"))


def train_lines(b, T):
    """Of two geometries: f32 beside torch, bfloat16 products beside torch's f32 and beside its own bfloat16."""
    B = b.train_batch
    for name, title in (("b32", "ViT-B/32"), ("tiny", "TinyCLIP-8M/16")):
        b.attempt(f"train-{name}-f32", f"train {title}, f32, B={B}, {T}", "torch", 1.15,
                  lambda name=name: {**b.train(name), "memory_target": 0.6})
        b.attempt(f"train-{name}-bf16", f"train {title}, bf16 (peer f32), B={B}, {T}", "torch", 2.0,
                  lambda name=name: {**b.train(name, ours_half=True), "memory_target": 0.6})
        if name == "tiny" and not b.options.quick:
            b.attempt(f"train-{name}-both-bf16", f"train {title}, bf16 both, B={B}, {T}", "torch", None,
                      lambda name=name: b.train(name, True, True))


def sound_lines(b, T):
    """Recordings and films; NumPy and the products have one thread, and so do we."""
    b.attempt("sound-log-mel", "log-mel of 30 s, 1 thread", "NumPy", 5, b.log_mel)
    b.attempt("sound-encode", "30 s of sound to a vector, ViT-S/16, f32, 1 thread", "its products", 0.77, b.sound_encode)
    b.attempt("film-int8", f"1080p H.264 to vectors, int8, {T}", "ffmpeg + ONNX Runtime", 2, lambda: b.film("int8"))


def search_lines(b, T):
    """Vectors in groups beside both peers; those of a model, because they lie otherwise."""
    N = "200,000" if b.options.quick else "1 M"
    b.attempt("scan-one", f"search {N} x 512, 1 thread", "FAISS", 15, lambda: b.scan("groups", 1, 1, "FAISS"))
    b.attempt("scan-all", f"search {N} x 512, {T}", "FAISS", 15,
              lambda: b.scan("groups", 1, b.options.threads, "FAISS"))
    b.attempt("scan-64", f"search {N} x 512, 64 queries, {T}", "FAISS", None,
              lambda: b.scan("groups", 64, b.options.threads, "FAISS"))
    b.attempt("scan-texts", f"search {N} texts' vectors x 256, {T}", "FAISS", None,
              lambda: b.scan("texts", 1, b.options.threads, "FAISS"))
    b.attempt("scan-texts-64", f"search {N} texts' vectors, 64 queries, {T}", "FAISS", None,
              lambda: b.scan("texts", 64, b.options.threads, "FAISS"))
    b.attempt("scan-sqlite-vec", "search 200,000 x 512, 1 thread", "sqlite-vec", 6,
              lambda: b.scan("groups", 1, 1, "sqlite-vec", small=True))


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="at most three minutes; training with B=8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="for the search line")
    parser.add_argument("--only", help="lines whose key starts so: image,text,tiny,pipeline,train,sound,film,search,cold,scan,picture,"
                        "kernel")
    options = parser.parse_args()
    b, T = Bench(options), f"{options.threads} thread" + "s" * (options.threads > 1)
    print(f"ViT-B/32 geometry unless said, {T}; sensus / peer in turn; ratio > 1: sensus is faster; median (min-max)")
    encode_lines(b, T)
    pipeline_lines(b, T)
    train_lines(b, T)
    sound_lines(b, T)
    b.attempt("search", "sensus search, 10,000 vectors, from a cold process", None, 60, b.search)
    b.attempt("cold", "the same, ViT-B/32 int8", None, 120, b.cold)
    search_lines(b, T)
    b.attempt("picture", "JPEG to 224 x 224", "Pillow", None, b.pictures)
    b.attempt("kernel", "kernels", None, None, b.kernels)
    with open(os.path.join(options.build, "bench.json"), "w") as f:
        json.dump({"date": time.strftime("%Y-%m-%d %H:%M"), "threads": options.threads, "quick": options.quick,
                   "lines": b.lines}, f, indent=1)
        f.write("\n")
    write_page(os.path.join(options.build, "bench.html"), b.lines, show)
    print(f"{os.path.join(options.build, 'bench.json')}, {os.path.join(options.build, 'bench.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
