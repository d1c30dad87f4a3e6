#!/usr/bin/python3
"""numpy_log_mel_worker.py SOUND.f32: Whisper's log-mel spectrogram by NumPy, in turn (bench_turns.h)."""
import sys
import time

import numpy as np

RATE, N_FFT, HOP, MELS = 16000, 400, 160, 80


def filters():
    """Slaney's, [bins, M]."""
    def hz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
    edges = hz(np.linspace(0, 15 + np.log(RATE / 2000) / (np.log(6.4) / 27), MELS + 2))
    ramps = edges[:, None] - np.fft.rfftfreq(N_FFT, 1 / RATE)[None]
    width = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / width[:-1], ramps[2:] / width[1:]))
    return np.ascontiguousarray((triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).T, dtype=np.float32)


WINDOW = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
FILTERS = filters()


def log_mel(x):
    padded = np.pad(x, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:len(x) // HOP]
    spectrum = np.fft.rfft(frames * WINDOW)
    power = (spectrum.real ** 2 + spectrum.imag ** 2).astype(np.float32)
    log = np.log10(np.maximum(power @ FILTERS, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def main():
    x = np.fromfile(sys.argv[1], dtype=np.float32)
    for _ in range(3):
        found = log_mel(x)
    print("ready", flush=True)
    for line in sys.stdin:
        word, rest = line.split(maxsplit=1)
        if word == "run":
            times = []
            for _ in range(int(rest)):
                start = time.perf_counter()
                found = log_mel(x)
                times.append("%.3f" % (1e3 * (time.perf_counter() - start)))
            print(*times, flush=True)
        else:
            found.astype(np.float32).tofile(rest.strip())
            print("saved", flush=True)


if __name__ == "__main__":
    main()
