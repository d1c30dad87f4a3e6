#!/usr/bin/python3
"""ONNX Runtime's dynamic int8 of a graph: quantize_onnx.py IN.onnx OUT.onnx; needs its Python package."""
import os
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

quantize_dynamic(sys.argv[1], sys.argv[2] + ".part", weight_type=QuantType.QInt8, per_channel=True)
os.replace(sys.argv[2] + ".part", sys.argv[2])
