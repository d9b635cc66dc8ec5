/** The MNIST network in one process: fit, evaluate, predict, and a look at its mistakes. */
import { assembleBatch, mnist } from "@weft/data";
import { tensor } from "@weft/tensor";
import { fit } from "weft";
import job from "../mnist-cnn/job.ts";
import { mustReach } from "../shared/goal.ts";
import { tilesPng } from "../shared/images.ts";
import { saveFile } from "../shared/saveFile.ts";

const run = await fit(job, { epochs: 4 });
const { accuracy = NaN, loss = NaN } = await run.evaluate(); // on the 10,000 test images
console.log(`test loss ${loss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(2)} %`);

// The answer to an image is the class of its largest logit.
const { test } = await mnist().load();
const { fields } = assembleBatch(test, [...Array(test.size).keys()], test.size);
const [images = [], labels = []] = fields.map((field) => Float32Array.from(field)); // [10000, 28, 28, 1] and [10000]
const logits = await run.predict(tensor(images, { shape: [test.size, 28, 28, 1] }));
const answers = await logits.argmax({ axis: -1 }).data();

const show = (name: string, values: ArrayLike<number>) => console.log(`${name}  ${Array.from(values).join(" ")}`);
show("first images  ", labels.slice(0, 20));
show("answers       ", answers.slice(0, 20));
const mistakes = [...answers.keys()].filter((i) => answers[i] !== labels[i]).slice(0, 20);
show(
  "first mistakes",
  mistakes.map((i) => labels[i] ?? 0),
);
show(
  "answers       ",
  mistakes.map((i) => answers[i] ?? 0),
);

const pixels = (i: number) => Array.from(images.slice(784 * i, 784 * (i + 1)));
const rows = [mistakes.slice(0, 10), mistakes.slice(10)].map((row) => row.flatMap(pixels));
saveFile("mnist/mistakes.png", tilesPng({ side: 28, rows }));
mustReach("test accuracy", accuracy, { atLeast: 0.98 });
