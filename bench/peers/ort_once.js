// Load a graph, encode one text of 77 positions, print the milliseconds (Node's own start is not in them):
//   ort_once.js MODEL.onnx IDS.i64 THREADS
const start = performance.now();
const fs = require('fs');
const ort = require('onnxruntime-node');

async function main() {
  const [, , file, ids, threads] = process.argv;
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all',
  });
  const bytes = fs.readFileSync(ids);
  const data = new BigInt64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 77 * 8));
  await session.run({ ids: new ort.Tensor('int64', data, [1, 77]) });
  console.log((performance.now() - start).toFixed(1));
}

main().catch((e) => { console.error(e.message); process.exit(1); });
