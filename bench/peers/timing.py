"""What every peer script shares: its options, and medians of repeated calls as JSON lines (the lines of our own runs)."""
import argparse
import json
import os
import resource
import statistics
import time

threads = int(os.environ.get("RFT_THREADS", "1"))
parser = argparse.ArgumentParser()
parser.add_argument("--filter", default="", help="only lines whose kernel and shape contain one of its parts, cut at |")
parser.add_argument("--model", help="model folder")
parser.add_argument("--data", help="JSON lines of the quickstart's data")
options = parser.parse_args()


def resident(key):
    """VmRSS or VmHWM in MiB; 0 where there is no /proc."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(key))
    except OSError:
        return 0.0


def forget_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


PATIENCE = 5  # seconds after which three calls are enough


def wanted(kernel, shape):
    return any(part in f"{kernel} {shape}" for part in options.filter.split("|"))


def row(peer, kernel, shape, body, calls=7, seconds=0.5, results_mb=0.0, tokens=None, **more):
    """Calls body(i) to warm up, then takes at least `calls` samples of at least a millisecond, for `seconds`. The memory
    of the first call, less what it leaves behind as its result, is `extra_mb`."""
    if not wanted(kernel, shape):
        return
    forget_peak()
    before = resident("VmRSS")
    body(0)
    extra = resident("VmHWM") - before - results_mb
    start = time.perf_counter()
    body(1)
    repeats = max(1, int(1e-3 / (time.perf_counter() - start)))
    wall, cpu = [], []
    start = time.perf_counter()
    while len(wall) < calls or time.perf_counter() - start < seconds:
        if len(wall) >= 3 and time.perf_counter() - start > PATIENCE:
            break
        w, c = time.perf_counter(), time.process_time()
        for i in range(repeats):
            body(len(wall) * repeats + i + 2)
        cpu.append((time.process_time() - c) / repeats)
        wall.append((time.perf_counter() - w) / repeats)
    report(peer, kernel, shape, wall, cpu, extra_mb=extra, tokens=tokens, **more)


def report(peer, kernel, shape, wall, cpu, tokens=None, **more):
    wall.sort()
    p20, p50, p80 = (wall[int(share * (len(wall) - 1))] * 1e3 for share in (0.2, 0.5, 0.8))
    speed = {} if tokens is None else dict(tokens_per_s=tokens * 1e3 / p50)
    print(json.dumps(dict(peer=peer, kernel=kernel, shape=shape, dtype="f32", threads=threads, p20_ms=p20, p50_ms=p50,
                          p80_ms=p80, cpu_ms=statistics.mean(cpu) * 1e3, **speed, **more, calls=len(wall),
                          max_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)), flush=True)
