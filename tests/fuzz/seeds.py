#!/usr/bin/env python3
"""Starting inputs for the fuzz targets: seeds.py TARGET DIR. A target without seeds here starts from nothing."""
import base64
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile


def tensor_file(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entries(tensors, dtype="F32", width=4):
    """Tensors of one dtype; a name, shape, dtype and width in place of a name and shape are of their own."""
    header, at = {}, 0
    for name, shape, dtype, n in (t if len(t) == 4 else (*t, dtype, width) for t in tensors):
        for d in shape:
            n *= d
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    data = (bytes(range(64)) * (at // 64 + 1))[:at]
    return tensor_file({"__metadata__": {"format": "pt"}, **header}, data)


def tiny_clip():
    t = [("logit_scale", []), ("visual_projection.weight", [2, 2]), ("text_projection.weight", [2, 2]),
         ("vision_model.embeddings.class_embedding", [2]),
         ("vision_model.embeddings.patch_embedding.weight", [2, 3, 2, 2]),
         ("vision_model.embeddings.position_embedding.weight", [2, 2]),
         ("text_model.embeddings.token_embedding.weight", [4, 2]),
         ("text_model.embeddings.position_embedding.weight", [2, 2])]
    for n in ("vision_model.pre_layrnorm", "vision_model.post_layernorm", "text_model.final_layer_norm"):
        t += [(n + ".weight", [2]), (n + ".bias", [2])]
    for tower in ("vision_model", "text_model"):
        p = tower + ".encoder.layers.0."
        for n in ("layer_norm1", "layer_norm2"):
            t += [(p + n + ".weight", [2]), (p + n + ".bias", [2])]
        for n in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"):
            t += [(p + n + ".weight", [2, 2]), (p + n + ".bias", [2])]
    return t


def tiny_int8():
    for name, shape in tiny_clip():
        narrow = len(shape) > 1 and "position" not in name
        yield (name, shape, "I8", 1) if narrow else (name, shape, "F16", 2)
        if narrow:
            yield name + "_scale", shape[:1], "F32", 4


def safetensors():
    yield tensor_file({}, b"")
    yield entries([("a", [2]), ("b", [1, 3]), ("c", [])])
    yield entries([("a", [2]), ("b", [0])], "F16", 2)
    yield entries([("ids", [3])], "I64", 8)
    yield entries(tiny_clip())
    yield entries(tiny_clip(), "BF16", 2)
    yield entries(tiny_int8())


def gguf():
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "goldens"))
    from make_gguf import gguf as whole, metadata, short_name, stored
    tower = {"hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 2,
             "hidden_act": "gelu"}
    config = {"projection_dim": 2, "text_config": {**tower, "max_position_embeddings": 2},
              "vision_config": {**tower, "image_size": 2, "patch_size": 2}}
    tokens = ["a", "b", "b</w>", "ab", "ab</w>", "<|startoftext|>", "<|endoftext|>"]

    def tensor(name, shape, kind):
        n = 1
        for d in shape:
            n *= d
        ggml_type, data, _ = stored(shape, [i / 64 - 0.5 for i in range(n)], kind)
        return short_name(name), shape, ggml_type, data

    for kind in ("f32", "f16"):
        yield whole(metadata(config, tokens), [tensor(n, s, kind) for n, s in tiny_clip() if s])
    yield whole({}, [tensor("text_model." + kind, [2, 64], kind) for kind in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1")])


def classifier():
    words = {"format": "sensus classifier", "model": "0123456789abcdef" * 2, "templates": '["{}", "a {}"]',
             "classes": '[{"label": "a", "names": ["a", "b"]}, {"label": "c", "names": ["c"]}]'}
    weight = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    yield tensor_file({"__metadata__": words, "weight": weight}, struct.pack("<4f", 1, 0, 0.6, 0.8))


def config():
    tower = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
             "hidden_act": "gelu", "layer_norm_eps": 1e-5}
    hf = {"model_type": "clip", "projection_dim": 32, "logit_scale_init_value": 2.6592,
          "text_config": {**tower, "vocab_size": 600, "max_position_embeddings": 20, "eos_token_id": 2},
          "vision_config": {**tower, "image_size": 32, "patch_size": 8, "num_channels": 3}}
    yield b"\0" + json.dumps(hf).encode()
    yield b"\0" + json.dumps({"text_config_dict": hf["text_config"], "vision_config_dict": {}}).encode()
    siglip = {**hf["text_config"], "pad_token_id": 1, "projection_size": 64, "hidden_act": "gelu_pytorch_tanh"}
    yield b"\0" + json.dumps({**hf, "model_type": "siglip", "text_config": siglip}).encode()
    shape = {"max_length": 32, "num_mel_bins": 16}
    text = {**tower, "vocab_size": 60, "max_position_embeddings": 9, "bos_token_id": 3, "eos_token_id": 4}
    for audio in ({**tower, **shape, "model_type": "vit", "patch_size": 8},
                  {**shape, "model_type": "cnn", "hidden_size": 4, "depths": [1, 2]}):
        yield b"\0" + json.dumps({"model_type": "sensus-sound", "projection_dim": 8, "audio_config": audio,
                                  "text_config": text}).encode()
    yield b"\1" + json.dumps({"model_cfg": {
        "embed_dim": 32, "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8, "mlp_ratio": 4.5},
        "text_cfg": {"context_length": 20, "vocab_size": 600, "width": 64, "heads": 4, "layers": 2}}}).encode()


def tokenizer():
    vocab = {"a": 0, "b": 1, "b</w>": 2, "ab": 3, "ab</w>": 4, "\u00e3": 5, "<|startoftext|>": 6, "<|endoftext|>": 7, '"': 8}
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    model = {"type": "BPE", "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
             "end_of_word_suffix": "</w>", "vocab": vocab, "merges": ["a b", "a b</w>"]}
    whole = {
        "added_tokens": [{"id": 6, "content": "<|startoftext|>", "single_word": False, "normalized": True},
                         {"id": 9, "content": "<x>", "normalized": False, "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False}]},
        "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 7], "cls": ["<|startoftext|>", 6]},
        "model": model}
    text = "AB ab<x>b's it's 'll \u00e3\u0130 <|endoftext|> \u1100\u1161\u11a7 e\u0301\u0316".encode() + b" \xe2\x82"
    yield b"\0" + json.dumps(whole).encode() + b"\xfe" + text
    model["merges"] = [["a", "b"], ["a", "b</w>"]]
    yield b"\0" + json.dumps(whole, ensure_ascii=False, indent=1).encode() + b"\xfe" + text
    table = struct.pack("<I", 16) + struct.pack("<4I", 1 << 10, 0x61 | 2 << 10 | 256, 0, 1 << 31) + b"A\0"
    pieces = [["<unk>", 0], ["</s>", 0], ["\u2581", -2], ["a", -1.5], ["ab", -3], ["<0xE2>", 0], ["<0x82>", 0]]
    unigram = {
        "added_tokens": [{"id": 1, "content": "</s>", "special": True}, {"id": 7, "content": "<x>"}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}, {"type": "NFKC"},
            {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": r"[!-/]|\s+"}, "content": " "},
            {"type": "Strip", "strip_left": True}, {"type": "Replace", "pattern": {"String": "bb"}, "content": "b"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}]},
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}], "special_tokens": {"</s>": {"ids": [1]}}},
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": pieces}}
    yield b"\0" + json.dumps(unigram).encode() + b"\xfe" + text
    yield b"\1" + json.dumps(vocab).encode() + b"\xfe#version: 0.2\na b\na b</w>\n\xfe" + text


def tar():
    deep = ("l" * 90 + "/") * 2
    record = json.dumps({"captions": {"en": ["x", "the left one"], "de": "y"}, "concept": "c", "flip": False})
    members = {"0.png": b"PNG", "0.wav": b"RIFF", "0.txt": b"a cat\na dog", deep + "1.jpg": b"J" * 600, deep + "1.json": record.encode()}
    for layout in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w", format=layout) as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        yield b"\0" + whole.getvalue()
        yield b"\3" + whole.getvalue()
        yield b"\7" + whole.getvalue()[:-700]
    yield b'\1image,caption,lang,concept\n.,"a ""b"",\nc",en,q\n.,y,de,\n'
    yield b'\2{"image": ".", "captions": {"en": ["a"], "de": "b"}, "concept": "x"}\n{"file": ".", "caption": ["u"]}\n'


def preprocess():
    for size in (24, {"shortest_edge": 24}, {"height": 24, "width": 24}):
        yield json.dumps({"size": size, "crop_size": size if size != {"shortest_edge": 24} else 20, "resample": 3,
                          "do_resize": True, "do_center_crop": True, "do_rescale": True, "rescale_factor": 0.5,
                          "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.1, 0.2, 0.3],
                          "do_convert_rgb": True}).encode()


def image():
    folder = os.path.join(os.path.dirname(__file__), "..", "goldens", "media")
    for name in sorted(os.listdir(folder)):
        if not name.endswith((".rgb", ".txt")):
            with open(os.path.join(folder, name), "rb") as f:
                yield f.read()
    yield b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='5'><rect width='4' height='4' fill='red'/></svg>"
    yield b"P6 2 2 255\n" + bytes(12)
    yield b"P4 9 2\n" + bytes(4)
    yield b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(16)
    yield b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    yield b"II*\0\x08\0\0\0" + bytes(40)


def video():
    """Films of a few frames, where there is an ffmpeg."""
    if not shutil.which("ffmpeg"):
        return
    with tempfile.TemporaryDirectory() as d:
        for name, codec in (("a.mp4", "mpeg4"), ("b.mkv", "libx264"), ("c.ts", "mpeg2video"), ("d.avi", "mjpeg"),
                            ("e.webm", "libvpx"), ("f.gif", "gif"), ("g.mov", "qtrle"), ("h.ogv", "libtheora")):
            done = subprocess.run(["ffmpeg", "-v", "quiet", "-f", "lavfi", "-i", "testsrc=s=32x24:r=10:d=0.5", "-c:v", codec,
                                   f"{d}/{name}"])
            if done.returncode == 0:
                yield pathlib.Path(d, name).read_bytes()


def sound():
    tone = b"".join(struct.pack("<h", 8000 * (1 - 2 * (i // 9 % 2))) for i in range(400))

    def wav(code, channels, rate, bits, data):
        fmt = struct.pack("<HHIIHH", code, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
        return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" +
                struct.pack("<I", len(data)) + data)

    yield wav(1, 1, 16000, 16, tone)
    yield wav(1, 2, 8000, 24, tone[:600])
    yield wav(3, 1, 44100, 32, struct.pack("<40f", *[i / 40 for i in range(40)]))
    yield wav(7, 8, 48000, 8, tone)
    yield b".snd" + struct.pack(">5I", 24, 0xffffffff, 3, 8000, 1) + tone
    yield json.dumps({"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000, "feature_size": 64,
                      "n_fft": 400, "hop_length": 160, "max_length": 96, "win_length": 400}).encode()
    yield json.dumps({"feature_extractor_type": "ASTFeatureExtractor", "num_mel_bins": 64, "mean": -4.2, "std": 4.5,
                      "n_fft": 512, "win_length": 400}).encode()


def suite():
    yield b"# c\n[a]\nkind = retrieval\ndata = m.jsonl\nlang = en, de\ncaptions = 1\n"
    yield b"[b]\nkind = few-shot\ntrain = t\ntest = /u\ntemplate = a {}\ntemplate = {}\ndraws = 2\n[c]\nkind = knn\ntrain = t\ntest = u\nk = 5\nshots = 3\n"


def robustness():
    points = [{"model": f"{g} {i}", "group": g, "shift": s, "id": {"correct": 50 + 9 * i, "total": 100},
               "shifted": {"correct": 30 + 12 * i, "total": 90}}
              for s in ("fog", "a <b>") for g, n in (("supervised", 3), ("zero-shot", 1)) for i in range(n)]
    yield "\n".join(json.dumps(p) for p in points).encode()
    yield json.dumps({**points[0], "model": "\u00e9" * 100, "note": [1]}).encode()


def main():
    target, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for i, seed in enumerate(globals().get(target, lambda: [])()):
        with open(f"{folder}/seed-{i}", "wb") as f:
            f.write(seed)


main()
