// Batches through ONNX Runtime as they come: each is a count (u32) and that many pictures of f32 [3, 224, 224]; back go
// count x 512 f32.   ort_stream.js MODEL.onnx THREADS
const ort = require('onnxruntime-node');

const PICTURE = 3 * 224 * 224 * 4;

async function main() {
  const session = await ort.InferenceSession.create(process.argv[2], {
    intraOpNumThreads: Number(process.argv[3]), interOpNumThreads: 1,
    graphOptimizationLevel: 'all', executionMode: 'sequential',
  });
  let held = [], size = 0;
  for await (const chunk of process.stdin) {
    held.push(chunk);
    size += chunk.length;
    for (;;) {
      if (size < 4) break;
      if (held[0].length < 4) held = [Buffer.concat(held)];
      const n = held[0].readUInt32LE(0), whole = 4 + n * PICTURE;
      if (size < whole) break;
      const all = Buffer.concat(held);
      held = [all.subarray(whole)];
      size -= whole;
      const data = new Float32Array(all.buffer.slice(all.byteOffset + 4, all.byteOffset + whole));
      const result = await session.run({ pixels: new ort.Tensor('float32', data, [n, 3, 224, 224]) });
      const v = result.vectors.data;
      process.stdout.write(Buffer.from(v.buffer, v.byteOffset, v.byteLength));
    }
  }
}

main().catch((e) => { console.error(e.message); process.exit(1); });
