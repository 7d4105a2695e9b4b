// Decodes and scores photos one after another, outside the page's thread.
import { modelPixels } from "./pixels.js";

const MAX_PIXELS = 120e6;
let model, session, runtime, engine;

async function open(record) {
  model = record;
  const content = await (await fetch("model.onnx")).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== model.sha256) throw new Error("model.onnx is damaged: reload the page, or export it again");
  const bytes = new Uint8Array(content);
  const processor = await openOn("./onnxruntime/ort.wasm.min.mjs", "wasm", bytes);
  ({ session, runtime } = processor);
  engine = `WebAssembly, ${runtime.env.wasm.numThreads} ${runtime.env.wasm.numThreads === 1 ? "thread" : "threads"}`;
  if (await graphicsProcessorMayHelp()) await tryWebGpu(bytes, processor);
  return engine;
}

/** Whether there is a real graphics processor (no software fallback) with the 16-bit floats to which the model rounds features. */
async function graphicsProcessorMayHelp() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter?.features.has("shader-f16")) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

async function openOn(file, provider, bytes) {
  const ort = await import(file);
  ort.env.wasm.wasmPaths = new URL("./onnxruntime/", self.location.href).href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  return { runtime: ort, session: await ort.InferenceSession.create(bytes, { executionProviders: [provider] }) };
}

/** Use the graphics processor if it scores a photo of noise as the CPU does, and faster. */
async function tryWebGpu(bytes, processor) {
  try {
    const other = await openOn("./onnxruntime/ort.webgpu.min.mjs", "webgpu", bytes);
    const [width, height] = [512, 384];
    let state = 1;
    const pixels = Uint8Array.from({ length: 3 * width * height }, () => (state = (state * 16807) % 2147483647) & 255);
    const expected = await run(processor, pixels, width, height);
    const found = await run(other, pixels, width, height);
    const seconds = {};
    for (const [name, one] of [["wasm", processor], ["webgpu", other]]) {
      const started = performance.now();
      await run(one, pixels, width, height);
      seconds[name] = performance.now() - started;
    }
    const agrees = model.heads.every(({ name, lowest, highest }) => Math.abs(found[name] - expected[name]) < 0.005 * (highest - lowest));
    if (agrees && seconds.webgpu < seconds.wasm) {
      ({ session, runtime } = other);
      engine = "WebGPU";
    }
  } catch (error) {
    // The CPU scores if the graphics processor cannot run the model.
    console.info("WebGPU is not used:", error);
  }
}

async function run({ session: opened, runtime: ort }, pixels, width, height) {
  const tensor = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const outputs = await opened.run({ pixels: tensor });
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, value.data[0]]));
}

async function score(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "default" });
  } catch {
    throw new Error(file.size ? "this browser cannot read it: convert it to JPEG" : "the file is empty");
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new Error(`too large: ${width} × ${height} pixels, at most ${MAX_PIXELS / 1e6} megapixels`);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const photo = modelPixels(context.getImageData(0, 0, width, height).data, width, height, model.longest_side, model.reduction);
  if (Math.min(photo.width, photo.height) < model.smallest_side) {
    throw new Error(`too small: ${width} × ${height} pixels, expected at least ${model.smallest_side} on each side`);
  }
  const started = performance.now();
  const scores = await run({ session, runtime }, photo.pixels, photo.width, photo.height);
  return { scores, width, height, milliseconds: performance.now() - started };
}

let queue = Promise.resolve();
self.addEventListener("message", ({ data: { id, record, file } }) => {
  queue = queue.then(async () => {
    try {
      self.postMessage({ id, ...(record ? { engine: await open(record) } : await score(file)) });
    } catch (error) {
      self.postMessage({ id, error: error.message });
    }
  });
});
