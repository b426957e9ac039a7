"""TRL's GRPOTrainer on the same model and batch: peer of bench/step.mjs."""
import contextlib
import io
import tempfile
import time

import trl
from datasets import Dataset, Image
from quickstart import load, rows, sampling
from timing import report, threads, wanted
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

PROMPTS, SAMPLES, NEW, STEPS = 16, 8, 14, 9
SHAPE = f"{PROMPTS} prompts x {SAMPLES}, 84x84 image, {NEW} new"


class Clock(TrainerCallback):
    """From the beginning of a step to the beginning of the next: everything is in it."""

    def __init__(self):
        self.marks = []

    def mark(self, *_, **__):
        self.marks.append((time.perf_counter(), time.process_time()))

    on_step_begin = on_train_end = mark


def reward(completions, **_):
    return [len(c[0]["content"] if isinstance(c, list) else c) % 7 / 7 for c in completions]


def main():
    processor, model = load()
    data = [dict(prompt=messages, image=file) for messages, file in rows()]
    settings = dict(
        per_device_train_batch_size=PROMPTS * SAMPLES, num_generations=SAMPLES, max_completion_length=NEW, beta=0.0,
        learning_rate=1e-6, max_steps=STEPS, temperature=1.0, top_k=0, top_p=1.0, bf16=False, use_cpu=True,
        gradient_checkpointing=False, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        dataloader_num_workers=0, generation_kwargs=dict(suppress_tokens=sampling(processor, NEW)["suppress_tokens"]))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it prints its metrics
        trainer = GRPOTrainer(
            model=model, reward_funcs=reward, args=GRPOConfig(output_dir=folder, **settings),
            train_dataset=Dataset.from_list(data).cast_column("image", Image()), processing_class=processor,
            callbacks=[clock])
        trainer.train()
    pairs = list(zip(clock.marks, clock.marks[1:]))[1:]  # the first step warms up
    wall, cpu = ([b[k] - a[k] for a, b in pairs] for k in (0, 1))
    report("trl " + trl.__version__, "grpo step", SHAPE, wall, cpu)


if wanted("grpo step", SHAPE):
    main()
