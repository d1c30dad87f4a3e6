#!/usr/bin/python3
"""What distributed training pays for its batch: a simulation from 2 to 1,024 processes.

  gather_cost.py [--network NAME] [--pairs N] [--embed E] [--params P] [--gflops G] [--flop F] [--seed S]

Prints a Markdown table. Every process computes the same number of pairs (weak scaling); the features are gathered by a
ring (n - 1 rounds, each process hands on the block it got last), the gradients are summed by a ring (reduce-scatter,
then all-gather: 2 (n - 1) rounds of P / n floats). Rounds are simulated message by message: a process can begin round k
when it has what its neighbour sent in round k - 1, a message of m bytes takes latency + m / bandwidth, and both vary by
an exponential jitter, as on a shared network. The loss is counted two ways: of the whole batch in every process, as
sensus does, and of a process's own rows and columns only.
"""
import argparse
import numpy as np

NETWORKS = {  # latency in seconds, bytes a second, mean jitter as a share of a message's time
    "memory": (1e-6, 8e9, 0.05),
    "1GbE": (50e-6, 117e6, 0.2),
    "10GbE": (20e-6, 1.17e9, 0.1),
    "100Gb": (2e-6, 11.7e9, 0.05),
}


def ring(n, rounds, message_bytes, network, rng):
    """Seconds until the last process has finished `rounds` rounds."""
    latency, bandwidth, jitter = network
    each = latency + message_bytes / bandwidth
    ready = np.zeros(n)
    for _ in range(rounds):
        took = each * (1 + jitter * rng.exponential(size=n))
        # Process i sends to i + 1; the next round begins when its own send and its neighbour's have ended.
        ended = ready + took
        ready = np.maximum(ended, np.roll(ended, 1))
    return ready.max()


def text(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return "0"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--network", choices=NETWORKS, default="10GbE")
    p.add_argument("--pairs", type=int, default=256, help="pairs of each process")
    p.add_argument("--embed", type=int, default=256)
    p.add_argument("--params", type=float, default=10e6)
    p.add_argument("--gflops", type=float, default=200, help="of each process, in 1e9/s")
    p.add_argument("--flop", type=float, default=3e9, help="towers forward and backward, for one pair")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng, network, speed = np.random.default_rng(a.seed), NETWORKS[a.network], a.gflops * 1e9
    towers = a.pairs * a.flop / speed
    print(f"{a.network}, {a.pairs} pairs a process, E = {a.embed}, {a.params / 1e6:g} M parameters; "
          f"towers {text(towers)} a step\n")
    print("| processes | batch | features | gather | sum of gradients | loss, whole | loss, own rows | gather's share |")
    print("|---|---|---|---|---|---|---|---|")
    for n in (2 ** k for k in range(1, 11)):
        B = n * a.pairs
        block = 2 * a.pairs * a.embed * 4
        gather = ring(n, n - 1, block, network, rng)
        reduce = ring(n, 2 * (n - 1), a.params * 4 / n, network, rng)
        # Four products of B x B x E (logits twice, two gradients); own rows: two strips of B / n.
        whole, own = 8.0 * B * B * a.embed / speed, 12.0 * B * a.pairs * a.embed / speed
        share = gather / (towers + gather + reduce + whole)
        print(f"| {n} | {B} | {n * block / 1e6:.3g} MB | {text(gather)} | {text(reduce)} | {text(whole)} | {text(own)} "
              f"| {100 * share:.2g} % |")


if __name__ == "__main__":
    main()
