// One batch through ONNX Runtime again and again, in turn with sensus (the protocol of bench_turns.h).
//   ort_worker.js MODEL.onnx image PIXELS.f32 B THREADS
//   ort_worker.js MODEL.onnx text IDS.i64 B THREADS
const fs = require('fs');
const readline = require('readline');
const ort = require('onnxruntime-node');

const [, , file, kind, inputFile, batch, threads] = process.argv;
const B = Number(batch);

function input() {
  const bytes = fs.readFileSync(inputFile);
  const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  if (kind === 'image') {
    const data = new Float32Array(whole).slice(0, B * 3 * 224 * 224);
    return { pixels: new ort.Tensor('float32', data, [B, 3, 224, 224]) };
  }
  return { ids: new ort.Tensor('int64', new BigInt64Array(whole).slice(0, B * 77), [B, 77]) };
}

async function main() {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1,
    graphOptimizationLevel: 'all', executionMode: 'sequential',
  });
  const feeds = input();
  let result;
  for (let i = 0; i < 3; i++) result = await session.run(feeds);
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, argument] = line.split(' ');
    if (verb === 'save') {
      const v = result.vectors.data;
      fs.writeFileSync(argument, Buffer.from(v.buffer, v.byteOffset, v.byteLength));
      console.log('saved');
      continue;
    }
    const times = [];
    for (let i = 0; i < Number(argument); i++) {
      const start = performance.now();
      result = await session.run(feeds);
      times.push((performance.now() - start).toFixed(3));
    }
    console.log(times.join(' '));
  }
}

main().catch((e) => { console.error(e.message); process.exit(1); });
