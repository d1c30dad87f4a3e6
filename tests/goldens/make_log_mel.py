#!/usr/bin/python3
"""Log-mel spectrograms by NumPy in double, the reference that sensus must equal: tests/goldens/log_mel.

  make_log_mel.py          rewrite the folder

Written from the definitions: Whisper's (Radford et al. 2022; librosa's Slaney filters, a centred transform of a mirrored
signal) and Kaldi's filter banks as the Audio Spectrogram Transformer takes them. Each NAME.npy holds [F, M] for the
sound in sound.npy (a sweep, a click, noise, silence) or, where the name ends so, its first samples.
"""
import os

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "log_mel")
N = 4001


def slaney_mel(hz):
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) / (np.log(6.4) / 27))


def slaney_hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def whisper_filters(rate, n_fft, mels):
    f = np.fft.rfftfreq(n_fft, 1 / rate)
    edges = slaney_hz(np.linspace(0, slaney_mel(np.array(rate / 2)), mels + 2))
    ramps = edges[:, None] - f[None]
    width = np.diff(edges)
    up, down = -ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def whisper(x, rate=16000, n_fft=400, hop=160, mels=80):
    padded = np.pad(x, n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    count = len(x) // hop
    frames = np.stack([padded[i * hop:i * hop + n_fft] * window for i in range(count)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    log = np.log10(np.maximum(power @ whisper_filters(rate, n_fft, mels).T, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def kaldi_mel(hz):
    return 1127 * np.log(1 + hz / 700)


def kaldi(x, rate=16000, window=400, hop=160, n_fft=512, mels=128, mean=-4.2677393, std=4.5689974):
    count = 1 + (len(x) - window) // hop
    frames = np.stack([x[i * hop:i * hop + window] for i in range(count)])
    frames = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    frames = (frames - 0.97 * before) * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, n_fft)) ** 2
    edges = np.linspace(kaldi_mel(20), kaldi_mel(rate / 2), mels + 2)
    at = kaldi_mel(np.arange(n_fft // 2) * rate / n_fft)
    up = (at[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - at[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(up, down))
    log = np.log(np.maximum(power[:, :n_fft // 2] @ filters.T, np.finfo(np.float32).eps))
    return (log - mean) / (2 * std)


def sound():
    t = np.arange(N) / 16000
    x = 0.5 * np.sin(2 * np.pi * (200 * t + 12000 * t * t)) + 0.02 * np.random.RandomState(1).randn(N)
    x[1000] += 0.9
    x[2600:3300] = 0
    return x.astype(np.float32)


def main():
    os.makedirs(HERE, exist_ok=True)
    x = sound()
    np.save(os.path.join(HERE, "sound.npy"), x)
    x = x.astype(np.float64)
    cases = {"whisper": whisper(x), "ast": kaldi(x), "whisper-8k": whisper(x, 8000, 200, 90, 40),
             "kaldi-odd": kaldi(x, 11025, 275, 111, 301, 23, 0, 0.5), "whisper-short-401": whisper(x[:401])}
    for name, y in cases.items():
        np.save(os.path.join(HERE, name + ".npy"), y.astype(np.float32))


main()
