/** Trains the denoiser, and shows test images clean, with noise, and without it again. */
import { assembleBatch, noise } from "@weft/data";
import { key, normal, tensor } from "@weft/tensor";
import { fit } from "weft";
import { mustReach } from "../shared/goal.ts";
import { tilesPng } from "../shared/images.ts";
import { saveFile } from "../shared/saveFile.ts";
import job from "./job.ts";

const std = 0.5;
const run = await fit(job, { augment: noise({ std }) });

const { test } = await job.definition.data.load();
const count = 1000;
const [images = []] = assembleBatch(test, [...Array(count).keys()], count).fields;
const clean = tensor(Float32Array.from(images), { shape: [count, 28, 28, 1] });
const noisy = clean.add(normal(key(1), clean.shape, { std }));
const denoised = await run.predict(noisy);

const tiles = await Promise.all([clean, noisy, denoised].map((x) => x.at([0, 12]).reshape([-1]).data()));
saveFile("denoiser/images.png", tilesPng({ side: 28, rows: tiles }));
const before = await noisy.sub(clean).square().mean().item();
const after = await denoised.sub(clean).square().mean().item();
console.log(`mean squared error with noise ${before.toFixed(4)}, without ${after.toFixed(4)}`);
mustReach("share of the error that is left", after / before, { atMost: 0.07 });
