#!/usr/bin/python3
"""Both towers of a model folder as ONNX files: export_onnx.py MODEL_DIR PREFIX (PREFIX-image.onnx, PREFIX-text.onnx)."""
import os
import sys

import torch

import clip_torch


def export(tower, example, name, path):
    tower.eval()
    with torch.no_grad():
        torch.onnx.export(tower, example, path + ".part", opset_version=17, input_names=[name],
                          output_names=["vectors"], dynamic_axes={name: {0: "B"}, "vectors": {0: "B"}})
    os.replace(path + ".part", path)


image, text, _ = clip_torch.load(sys.argv[1])
export(image, torch.zeros(2, 3, 224, 224), "pixels", sys.argv[2] + "-image.onnx")
export(text, torch.full((2, 77), text.end), "ids", sys.argv[2] + "-text.onnx")
