#!/usr/bin/python3
"""change_vocabulary.py MODEL TOKENIZER OUT - a trained CBOW model with another vocabulary.

A token that MODEL's vocabulary has too keeps its embedding; a new one begins as the mean of the pieces that it falls
into there, which leaves the meaning of a text about where it was. OUT gets the model with the tokenizer of TOKENIZER."""
import os
import shutil
import sys

import numpy

import bpe
import weights


def carried_over(table, old, new):
    """The embeddings of the new vocabulary's tokens, in the order of their ids -> [tokens, width]."""
    by_id = sorted(new.ids, key=new.ids.get)
    assert [new.ids[token] for token in by_id] == list(range(len(by_id))), "the tokenizer's ids have gaps"
    rows = [[old.ids[token]] if token in old.ids else old.pieces(token) for token in by_id]
    return numpy.stack([table[row].mean(0, dtype=numpy.float32) for row in rows]).astype(table.dtype)


def main(model, tokenizer, out):
    old, new = bpe.Tokenizer(model), bpe.Tokenizer(tokenizer)
    tensors, config = weights.read(model), weights.read_config(model)
    tensors[weights.TABLE] = carried_over(tensors[weights.TABLE], old, new)
    weights.write(out, tensors)
    config["model_cfg"]["text_cfg"]["vocab_size"] = len(new.ids)
    config["sensus"].update(start_id=new.start, end_id=new.end)
    weights.write_config(out, config)
    shutil.copy(os.path.join(model, "preprocessor_config.json"), out)
    for name in sorted(os.listdir(tokenizer)):
        shutil.copy(os.path.join(tokenizer, name), out)
    print("%s: %d tokens, %d of them old" % (out, len(new.ids), len(set(new.ids) & set(old.ids))))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
