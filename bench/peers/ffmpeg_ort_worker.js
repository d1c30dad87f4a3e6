// A film to vectors by ffmpeg's `-vf fps=1` and ONNX Runtime, in turn with sensus (the protocol of bench_turns.h).
//   ffmpeg_ort_worker.js MODEL.onnx FILM THREADS
// ffmpeg decodes, samples, scales and crops in a process of its own while pictures that came are encoded here, up to 8 at once.
const fs = require('fs');
const readline = require('readline');
const { spawn } = require('child_process');
const ort = require('onnxruntime-node');

const [, , file, film, threads] = process.argv;
const SIDE = 224, PICTURE = 3 * SIDE * SIDE, BATCH = 8;
const MEAN = [0.48145466, 0.4578275, 0.40821073], STD = [0.26862954, 0.26130258, 0.27577711];

// Interleaved bytes to planar floats.
function prepare(bytes, to, at) {
  const plane = SIDE * SIDE;
  for (let c = 0; c < 3; c++) {
    const scale = 1 / (255 * STD[c]), shift = -MEAN[c] / STD[c];
    for (let i = 0; i < plane; i++) to[at + c * plane + i] = bytes[3 * i + c] * scale + shift;
  }
}

async function encode(session, pictures) {
  const data = new Float32Array(pictures.length * PICTURE);
  pictures.forEach((p, i) => prepare(p, data, i * PICTURE));
  const result = await session.run({ pixels: new ort.Tensor('float32', data, [pictures.length, 3, SIDE, SIDE]) });
  return result.vectors.data;
}

async function read(session) {
  const ffmpeg = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-threads', threads, '-i', film, '-an', '-vf',
    `fps=1,scale=-2:${SIDE}:flags=bicubic,crop=${SIDE}:${SIDE}`, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const vectors = [], waiting = [];
  let held = Buffer.alloc(0), ended = false, wake = () => {};
  ffmpeg.stdout.on('data', (chunk) => { // also while pictures are encoded
    held = held.length ? Buffer.concat([held, chunk]) : chunk;
    for (; held.length >= PICTURE; held = held.subarray(PICTURE)) waiting.push(held.subarray(0, PICTURE));
    wake();
  });
  ffmpeg.stdout.on('end', () => { ended = true; wake(); });
  for (;;) {
    if (waiting.length >= BATCH || (ended && waiting.length)) vectors.push(...await encode(session, waiting.splice(0, BATCH)));
    else if (ended) return Float32Array.from(vectors);
    else await new Promise((resolve) => { wake = resolve; });
  }
}

async function main() {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1,
    graphOptimizationLevel: 'all', executionMode: 'sequential',
  });
  let vectors = await read(session);
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, argument] = line.split(' ');
    if (verb === 'save') {
      fs.writeFileSync(argument, Buffer.from(vectors.buffer));
      console.log('saved');
      continue;
    }
    const times = [];
    for (let i = 0; i < Number(argument); i++) {
      const start = performance.now();
      vectors = await read(session);
      times.push((performance.now() - start).toFixed(3));
    }
    console.log(times.join(' '));
  }
}

main().catch((e) => { console.error(e.message); process.exit(1); });
