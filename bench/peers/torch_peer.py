"""PyTorch as a rival: requests as lines of JSON on standard input, one answer each."""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch
from torch.nn import functional as F

from torch_llama import Llama


def values(rows, columns):
    """The numbers that every engine multiplies."""
    i = torch.arange(rows * columns, dtype=torch.int64)
    return ((i * 7919 % 1000).to(torch.float32) / 500 - 1).view(rows, columns)


def matmul(form, m, n, k, threads, repeats):
    """Seconds of one product [m, k] times [k, n], the mean of `repeats`; and one element."""
    torch.set_num_threads(threads)
    a = values(k, m).T if form == "At B" else values(m, k)
    b = values(n, k).T if form == "A Bt" else values(k, n)
    out = torch.empty(m, n)
    torch.matmul(a, b, out=out)
    start = time.perf_counter()
    for _ in range(repeats):
        torch.matmul(a, b, out=out)
    seconds = (time.perf_counter() - start) / repeats
    return {"seconds": seconds, "sample": out[1, 1].item()}


state = {}


def train_load(config, rate, beta2, weightDecay):
    """A model and AdamW that decays matrices only."""
    torch.manual_seed(1)
    model = Llama(config)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": weightDecay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, beta2), fused=True)
    state.update(model=model, optimizer=optimizer)
    return {"parameters": sum(p.numel() for p in model.parameters())}


def train_step(tokens, targets, length, threads, steps):
    """Seconds of one step (forward, backward, clipping, update), and the last loss."""
    torch.set_num_threads(threads)
    model, optimizer = state["model"], state["optimizer"]
    x = torch.tensor(tokens).view(-1, length)
    y = torch.tensor(targets)
    start = time.perf_counter()
    for _ in range(steps):
        logits = model(x)
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return {"seconds": (time.perf_counter() - start) / steps, "loss": loss.item()}


COMMANDS = {"matmul": matmul, "trainLoad": train_load, "trainStep": train_step}


def answer(reply):
    print(json.dumps(reply), flush=True)


answer({"version": torch.__version__, "threads": torch.get_num_threads()})
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer(COMMANDS[request.pop("command")](**request))
    except Exception as error:
        answer({"error": repr(error)})
