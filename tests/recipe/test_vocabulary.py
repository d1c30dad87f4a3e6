"""bpe.py, weights.py and change_vocabulary.py against the program itself, on a model made here."""
import os
import tempfile

import tiny_clip

tiny_clip.need("numpy", "regex", "PIL")
import numpy    # noqa: E402
import bpe      # noqa: E402
import change_vocabulary    # noqa: E402
import weights  # noqa: E402

TEXTS = ["a red square", "  A  RED\tsquare ", "it's 2 o'clock, isn't it?", "1984", "grün & weiß", "cafe\u0301 déjà vu", "これは猫です。", "🐧!!",
         "red " * 40]
TMP = tempfile.TemporaryDirectory()
WORK = TMP.name
MODEL, _ = tiny_clip.train(WORK)


def by_hand(folder, texts):
    """The text tower in numpy: the mean of the tokens' embeddings, projected, of length 1."""
    tokenizer, tensors = bpe.Tokenizer(folder), weights.read(folder)
    context = weights.read_config(folder)["model_cfg"]["text_cfg"]["context_length"]
    table, projection = (tensors[n].astype(numpy.float64) for n in (weights.TABLE, weights.PROJECTION))
    found = numpy.stack([table[tokenizer.encode(text, context)].mean(0) @ projection for text in texts])
    return found / numpy.linalg.norm(found, axis=1, keepdims=True)


def test_ids_are_those_of_the_program():
    """Other ids would pool other embeddings: the vectors tell them apart."""
    program = numpy.array(tiny_clip.vectors(MODEL, TEXTS))
    assert numpy.abs(by_hand(MODEL, TEXTS) - program).max() < 1e-4
    # The case-folded, collapsed text is the same text, and the cut one isn't the whole.
    ids = bpe.Tokenizer(MODEL).encode
    assert ids(TEXTS[0], 12) == ids(TEXTS[1], 12) and len(ids(TEXTS[-1], 12)) == 12
    assert numpy.abs(program[0] - program[3]).max() > 0.01


def test_weights_come_back_bit_for_bit():
    copy = os.path.join(WORK, "copy")
    tensors = weights.read(MODEL)
    tensors["odd"] = numpy.arange(3, dtype=numpy.float32)
    weights.write(copy, tensors)
    again = weights.read(copy)
    assert list(again) == list(tensors)
    assert all(again[n].dtype == t.dtype and again[n].shape == t.shape and again[n].tobytes() == t.tobytes() for n, t in tensors.items())


def test_int8_is_refused_with_a_reason():
    small = os.path.join(WORK, "int8")
    tiny_clip.sensus("model", "quantize", MODEL, "--type", "int8", "-o", small)
    try:
        weights.read(small)
    except SystemExit as refusal:
        assert "f16 or f32 is needed" in str(refusal)
        return
    raise AssertionError("int8 weights were taken")


def test_old_tokens_stay_and_new_ones_are_means():
    out = os.path.join(WORK, "changed")
    words = tiny_clip.vocabulary(os.path.join(WORK, "tok2"), 560, ["a red square, rhubarb and custard", "green rhubarb"] * 5)
    change_vocabulary.main(MODEL, words, out)
    old, new = bpe.Tokenizer(MODEL), bpe.Tokenizer(out)
    before, after = weights.read(MODEL), weights.read(out)
    kept, fresh = set(new.ids) & set(old.ids), set(new.ids) - set(old.ids)
    assert "red</w>" in kept and "rhubarb</w>" in fresh
    for token in kept:
        assert after[weights.TABLE][new.ids[token]].tobytes() == before[weights.TABLE][old.ids[token]].tobytes(), token
    for token in fresh:
        pieces = old.pieces(token)
        spelled = "".join(sorted(old.ids, key=old.ids.get)[i] for i in pieces)
        assert spelled == token and len(pieces) > 1, token
        mean = before[weights.TABLE][pieces].astype(numpy.float32).mean(0)
        assert numpy.abs(after[weights.TABLE][new.ids[token]] - mean).max() <= 1e-3 * numpy.abs(mean).max(), token
    assert all(after[n].tobytes() == t.tobytes() for n, t in before.items() if n != weights.TABLE)


def test_the_changed_model_works_in_the_program():
    """Texts of old tokens keep their vectors to the last bit, though every id has moved; new tokens pool as in numpy."""
    out = os.path.join(WORK, "changed")
    same = ["red", "a red square"]
    old, new = bpe.Tokenizer(MODEL), bpe.Tokenizer(out)
    assert [new.ids[t] for t in ("red</w>", "square</w>")] != [old.ids[t] for t in ("red</w>", "square</w>")]
    assert tiny_clip.vectors(out, same) == tiny_clip.vectors(MODEL, same)
    rhubarb = numpy.array(tiny_clip.vectors(out, ["rhubarb"]))
    assert len(new.encode("rhubarb", 12)) == 3
    assert numpy.abs(by_hand(out, ["rhubarb"]) - rhubarb).max() < 1e-4


if __name__ == "__main__":
    tiny_clip.run_tests([test_ids_are_those_of_the_program, test_weights_come_back_bit_for_bit, test_int8_is_refused_with_a_reason,
                         test_old_tokens_stay_and_new_ones_are_means, test_the_changed_model_works_in_the_program])
