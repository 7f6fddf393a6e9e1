"""The Llama of the training benchmark in PyTorch: RMSNorm, RoPE, SwiGLU, a tied head."""

import torch
from torch import nn
from torch.nn import functional as F


class RmsNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotate(x, cos, sin):
    """Rotates element i of a head with element i + width / 2."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = c["heads"], c["keyValueHeads"], c["headWidth"]
        width, hidden = c["width"], c["feedForwardWidth"]
        query, key = self.heads * self.head_width, self.kv_heads * self.head_width
        self.attention_norm = RmsNorm(width, c["rmsNormEpsilon"])
        self.query = nn.Linear(width, query, bias=False)
        self.key = nn.Linear(width, key, bias=False)
        self.value = nn.Linear(width, key, bias=False)
        self.output = nn.Linear(query, width, bias=False)
        self.feed_forward_norm = RmsNorm(width, c["rmsNormEpsilon"])
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def attend(self, x, cos, sin):
        batch, length, _ = x.shape

        def by_head(t, heads):
            return t.view(batch, length, heads, self.head_width).transpose(1, 2)

        query = rotate(by_head(self.query(x), self.heads), cos, sin)
        key = rotate(by_head(self.key(x), self.kv_heads), cos, sin)
        value = by_head(self.value(x), self.kv_heads)
        grouped = self.heads != self.kv_heads
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=grouped)
        return self.output(mixed.transpose(1, 2).reshape(batch, length, -1))

    def forward(self, x, cos, sin):
        x = x + self.attend(self.attention_norm(x), cos, sin)
        y = self.feed_forward_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embedding = nn.Embedding(c["vocabulary"], c["width"])
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.final_norm = RmsNorm(c["width"], c["rmsNormEpsilon"])
        pairs = torch.arange(0, c["headWidth"], 2) / c["headWidth"]
        self.frequencies = c["ropeBase"] ** -pairs

    def forward(self, tokens):
        angles = torch.arange(tokens.shape[1])[:, None] * self.frequencies[None, :]
        cos, sin = angles.cos(), angles.sin()
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.final_norm(x), self.embedding.weight)
