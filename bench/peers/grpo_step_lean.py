"""A GRPO step by hand in torch, as lean as one writes it: generate with cache, one forward and backward, AdamW. Peer of
bench/step.mjs."""
import torch
from quickstart import encode, load, peer, rows, sampling
from timing import row

PROMPTS, SAMPLES, NEW = 16, 8, 14
processor, model = load()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0, fused=True)
data = rows()
settings = sampling(processor, NEW)


def reward(text):
    return len(text) % 7 / 7


def repeat(inputs):
    """Every prompt SAMPLES times; an image's patches are as many rows as its grid says."""
    pixels = inputs["pixel_values"].split(inputs["image_grid_thw"].prod(1).tolist())
    out = {name: t.repeat_interleave(SAMPLES, 0) for name, t in inputs.items() if name != "pixel_values"}
    return dict(out, pixel_values=torch.cat([p for p in pixels for _ in range(SAMPLES)]))


def step(call):
    batch = [data[(call * PROMPTS + i) % len(data)] for i in range(PROMPTS)]
    inputs = repeat(encode(processor, batch))
    with torch.no_grad():
        sequences = model.generate(**inputs, **settings)
    prompt = inputs["input_ids"].shape[1]
    completions = sequences[:, prompt:]
    texts = processor.batch_decode(completions, skip_special_tokens=True)
    rewards = torch.tensor([reward(t) for t in texts]).view(PROMPTS, SAMPLES)
    advantages = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    mask = torch.cat([inputs["attention_mask"], torch.ones_like(completions)], 1)
    extra = {}
    if "mm_token_type_ids" in inputs:
        extra["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(completions)], 1)
    logits = model(input_ids=sequences, attention_mask=mask, pixel_values=inputs["pixel_values"],
                   image_grid_thw=inputs["image_grid_thw"], logits_to_keep=NEW + 1, use_cache=False, **extra).logits
    logp = torch.log_softmax(logits[:, :-1], -1).gather(2, completions[..., None])[..., 0]
    ratio = torch.exp(logp - logp.detach())
    advantage = advantages.view(-1, 1)
    loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


row("lean loop, " + peer, "grpo step", f"{PROMPTS} prompts x {SAMPLES}, 84x84 image, {NEW} new", step, seconds=2)
