#!/usr/bin/python3
"""Dynamic int8 of an ONNX graph: quantize_onnx.py IN.onnx OUT.onnx; needs Debian's python3-onnx.

What ONNX Runtime's own quantize_dynamic makes of products with a constant matrix (its Python package does that; here only
Node's is at hand): 8-bit weights with a scale for each column, 8-bit activations with scale and zero point from each tensor's
range when it runs. ONNX Runtime joins the five operators to its int8 product when it loads the graph.
"""
import os
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def quantize(weights):
    """[K, N] -> int8 and f32 [N]."""
    scale = numpy.maximum(numpy.abs(weights).max(axis=0), 1e-12) / 127
    return numpy.clip(numpy.rint(weights / scale), -127, 127).astype(numpy.int8), scale.astype(numpy.float32)


def integer_product(node, weights, initializers, done):
    """The nodes in place of `node`; the quantised input is shared by products of the same tensor."""
    x, name, out = node.input[0], node.input[1], node.output[0]
    if name not in done:
        q, scale = quantize(weights)
        initializers.extend([numpy_helper.from_array(q, name + "_q"), numpy_helper.from_array(scale, name + "_scale"),
                             numpy_helper.from_array(numpy.zeros(1, numpy.int8), name + "_zero")])
        done.add(name)
    nodes = []
    if x not in done:
        nodes.append(helper.make_node("DynamicQuantizeLinear", [x], [x + "_q", x + "_scale", x + "_zero"]))
        done.add(x)
    return nodes + [
        helper.make_node("MatMulInteger", [x + "_q", name + "_q", x + "_zero", name + "_zero"], [out + "_sum"]),
        helper.make_node("Cast", [out + "_sum"], [out + "_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [x + "_scale", name + "_scale"], [out + "_scale"]),
        helper.make_node("Mul", [out + "_float", out + "_scale"], [out])]


def main():
    model = onnx.load(sys.argv[1])
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    nodes, initializers, done, replaced = [], [], set(), set()
    for node in graph.node:
        weights = constants.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") else None
        weights = None if weights is None else numpy_helper.to_array(weights)
        if weights is None or weights.ndim != 2:
            nodes.append(node)
            continue
        replaced.add(node.input[1])
        if node.op_type == "MatMul":
            nodes += integer_product(node, weights, initializers, done)
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        assert attributes.get("alpha", 1) == 1 and attributes.get("beta", 1) == 1 and not attributes.get("transA", 0)
        product = helper.make_node("MatMul", list(node.input[:2]), [node.output[0] + "_product"])
        nodes += integer_product(product, weights.T if attributes.get("transB", 0) else weights, initializers, done)
        nodes.append(helper.make_node("Add", [product.output[0], node.input[2]], [node.output[0]]))
    kept = [i for i in graph.initializer if i.name not in replaced]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept + initializers)
    onnx.save(model, sys.argv[2] + ".part")
    os.replace(sys.argv[2] + ".part", sys.argv[2])
    print(len(replaced), "matrices in 8 bits")


if __name__ == "__main__":
    main()
