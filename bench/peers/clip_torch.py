"""CLIP in PyTorch as a user of PyTorch would write it: modules, fused qkv, a causal mask.

Weights come from a folder in Hugging Face's layout, so that both sides of a comparison compute the same.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read_tensors(path):
    """The f32 tensors of one safetensors file."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    size = int.from_bytes(raw[:8].tobytes(), "little")
    header = json.loads(raw[8:8 + size].tobytes())
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = raw[8 + size + begin:8 + size + end].view(np.float32).reshape(entry["shape"])
        out[name] = torch.from_numpy(np.array(data))
    return out


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads, mlp, act):
        super().__init__()
        self.heads, self.act = heads, act
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, mlp), nn.Linear(mlp, width)

    def attend(self, x, mask):
        B, T, C = x.shape
        q, k, v = (part.reshape(B, T, self.heads, C // self.heads).transpose(1, 2)
                   for part in self.qkv(x).chunk(3, -1))
        scores = (q * (C // self.heads) ** -0.5) @ k.transpose(-1, -2)
        if mask is not None:
            scores = scores + mask
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C))

    def forward(self, x, mask=None):
        x = x + self.attend(self.norm1(x), mask)
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))

    def load(self, w, prefix):
        def put(module, name):
            module.weight.data = w[prefix + name + ".weight"]
            module.bias.data = w[prefix + name + ".bias"]

        put(self.norm1, "layer_norm1")
        put(self.norm2, "layer_norm2")
        put(self.out, "self_attn.out_proj")
        put(self.fc1, "mlp.fc1")
        put(self.fc2, "mlp.fc2")
        for kind in ("weight", "bias"):
            parts = [w[f"{prefix}self_attn.{n}_proj.{kind}"] for n in "qkv"]
            getattr(self.qkv, kind).data = torch.cat(parts)


class Tower(nn.Module):
    """The blocks of one tower; config is vision_config or text_config."""

    def __init__(self, config, embed):
        super().__init__()
        width = config["hidden_size"]
        self.blocks = nn.ModuleList(
            Block(width, config["num_attention_heads"], config["intermediate_size"],
                  {"quick_gelu": quick_gelu, "gelu": F.gelu}[config["hidden_act"]])
            for _ in range(config["num_hidden_layers"]))
        self.final = nn.LayerNorm(width)
        self.projection = nn.Linear(width, embed, bias=False)

    def load_tower(self, w, prefix, final, projection):
        for i, block in enumerate(self.blocks):
            block.load(w, f"{prefix}.encoder.layers.{i}.")
        self.final.weight.data = w[f"{prefix}.{final}.weight"]
        self.final.bias.data = w[f"{prefix}.{final}.bias"]
        self.projection.weight.data = w[projection]


class ImageTower(Tower):
    def __init__(self, config, embed, w):
        super().__init__(config, embed)
        width, p = config["hidden_size"], "vision_model."
        self.patches = nn.Conv2d(3, width, config["patch_size"], config["patch_size"], bias=False)
        self.patches.weight.data = w[p + "embeddings.patch_embedding.weight"]
        self.token = nn.Parameter(w[p + "embeddings.class_embedding"])
        self.positions = nn.Parameter(w[p + "embeddings.position_embedding.weight"])
        self.first = nn.LayerNorm(width)
        self.first.weight.data, self.first.bias.data = w[p + "pre_layrnorm.weight"], w[p + "pre_layrnorm.bias"]
        self.load_tower(w, "vision_model", "post_layernorm", "visual_projection.weight")

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], 1, -1), x], 1) + self.positions
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = self.projection(self.final(x[:, 0]))
        return x / x.norm(dim=-1, keepdim=True)


class TextTower(Tower):
    def __init__(self, config, embed, w):
        super().__init__(config, embed)
        self.tokens = nn.Parameter(w["text_model.embeddings.token_embedding.weight"])
        self.positions = nn.Parameter(w["text_model.embeddings.position_embedding.weight"])
        self.end = config["eos_token_id"]
        T = config["max_position_embeddings"]
        self.register_buffer("mask", torch.triu(torch.full((T, T), -1e9), 1))
        self.load_tower(w, "text_model", "final_layer_norm", "text_projection.weight")

    def forward(self, ids):
        x = F.embedding(ids, self.tokens) + self.positions
        for block in self.blocks:
            x = block(x, self.mask)
        at = (ids == self.end).int().argmax(-1)
        x = self.projection(self.final(x[torch.arange(x.shape[0]), at]))
        return x / x.norm(dim=-1, keepdim=True)


def load(folder):
    """Both towers and the logarithm of the temperature's inverse."""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    w = read_tensors(os.path.join(folder, "model.safetensors"))
    embed = config["projection_dim"]
    return (ImageTower(config["vision_config"], embed, w), TextTower(config["text_config"], embed, w),
            nn.Parameter(w["logit_scale"].reshape(())))
