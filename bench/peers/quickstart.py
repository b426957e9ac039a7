"""The quickstart's model and data as transformers sees them: bench/quickstart.mjs made both."""
import json
import os

import torch
import transformers
from PIL import Image
from timing import options, threads
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, Qwen2_5_VLProcessor

torch.set_num_threads(threads)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
peer = "transformers " + transformers.__version__


class ImageProcessor(Qwen2_5_VLProcessor):
    """The model's processor without its part for videos, which alone needs torchvision."""

    def check_argument_for_proper_class(self, name, argument):
        return None if name == "video_processor" else super().check_argument_for_proper_class(name, argument)


def load():
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    images = AutoImageProcessor.from_pretrained(options.model)
    processor = ImageProcessor(images, tokenizer, None, chat_template=tokenizer.chat_template)
    model = AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float32)
    return processor, model


def sampling(processor, new_tokens):
    """Settings of `generate`: exactly `new_tokens`, and, as in ours, no image placeholders among them."""
    names = ("<|endoftext|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    never = [processor.tokenizer.convert_tokens_to_ids(name) for name in names]
    return dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, use_cache=True, max_new_tokens=new_tokens,
                suppress_tokens=never)


def rows():
    """(messages, image file) of every row."""
    folder = os.path.dirname(options.data)
    out = []
    for line in open(options.data):
        row = json.loads(line)
        text = row["problem"].replace("<image>", "").strip()
        content = [{"type": "image"}, {"type": "text", "text": text}]
        out.append(([{"role": "user", "content": content}], os.path.join(folder, row["images"][0])))
    return out


def encode(processor, batch):
    """Padded inputs of the model for rows of the data."""
    texts = [processor.apply_chat_template(messages, add_generation_prompt=True) for messages, _ in batch]
    images = [Image.open(file).convert("RGB") for _, file in batch]
    return processor(text=texts, images=images, padding=True, return_tensors="pt")
