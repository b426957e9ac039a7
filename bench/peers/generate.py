"""transformers `generate` with its cache: peer of bench/generate.mjs."""
import torch
from quickstart import encode, load, peer, rows, sampling
from timing import row, wanted

NEW = 48
processor, model = load()
model.eval()
data = rows()
settings = sampling(processor, NEW)


def inputs(call, count):
    return encode(processor, [data[(call * count + i) % len(data)] for i in range(count)])


for batch in (1, 8, 64):
    shape = f"batch {batch} new {NEW}"
    if not wanted("generate", shape):
        continue
    ready = [inputs(call, batch) for call in range(24)]

    def body(call):
        with torch.no_grad():
            out = model.generate(**ready[call % len(ready)], **settings)
        assert out.shape[1] - ready[call % len(ready)]["input_ids"].shape[1] == NEW

    row(peer, "generate", shape, body, seconds=2, tokens=batch * NEW)
