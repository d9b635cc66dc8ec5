/** Script of the volunteer's page: one button, and figures of what the training thread does. */
import type { WorkerEvent } from "@weft/worker/browser";
import { join } from "@weft/worker/browser";

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

const button = element("start") as HTMLButtonElement;
const status = element("status");
const figures = {
  device: element("device"),
  speed: element("speed"),
  loss: element("loss"),
  rounds: element("rounds"),
};
const curve = element("curve");
const losses: number[] = [];
let contributed = 0;
let examplesPerSecond = 0;

button.addEventListener("click", start, { once: true });

function start(): void {
  button.disabled = true;
  status.textContent = "connecting …";
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const session = join(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}`, {
    workerUrl: "/join/worker.js",
    ...(token === null ? {} : { token }),
  });
  session.on(show);
  button.textContent = "Stop";
  button.disabled = false;
  button.addEventListener("click", () => session.leave(), { once: true });
}

function show(event: WorkerEvent): void {
  switch (event.event) {
    case "connected":
      status.textContent = `connected as worker ${event.worker}`;
      return;
    case "prepared":
      figures.device.textContent = `${String(navigator.hardwareConcurrency)} cores, WebAssembly`;
      status.textContent = "waiting for work …";
      return;
    case "transfer":
      status.textContent = transferText(event);
      return;
    case "update":
      examplesPerSecond = smooth(examplesPerSecond, (1000 * event.examples) / Math.max(1, event.computeMs));
      figures.speed.textContent = `${Math.round(examplesPerSecond).toLocaleString("en-US")} examples/s`;
      figures.loss.textContent = event.loss.toFixed(4);
      status.textContent = `round ${event.round} is done, waiting for the next …`;
      losses.push(event.loss);
      draw();
      return;
    case "disconnected":
      status.textContent = `the coordinator is away, trying again in ${(event.retryInMs / 1000).toFixed(0)} s`;
      return;
    case "finished":
      status.textContent = "the run has ended, waiting for the next …";
      return;
    case "ended":
      status.textContent = endText(event.outcome);
      end(event.outcome.kind === "stopped" || event.outcome.kind === "unreachable");
      return;
    case "declined":
      status.textContent = `could not do round ${event.round}: ${event.reason}`;
      return;
    case "stateProblem":
      status.textContent = event.reason;
      return;
    case "verdict":
      if (event.accepted) figures.rounds.textContent = String(++contributed);
      else status.textContent = `round ${event.round} did without this tab: ${event.reason}`;
      return;
    case "evaluated":
    case "committed":
      return;
  }
}

/** Whoever left may come back without loading the page again. */
function end(again: boolean): void {
  button.disabled = !again;
  button.textContent = again ? "Start again" : "Done";
  if (again) button.addEventListener("click", start, { once: true });
}

function endText(outcome: Extract<WorkerEvent, { event: "ended" }>["outcome"]): string {
  switch (outcome.kind) {
    case "finished":
      return "the training is finished; thank you";
    case "stopped":
      return "you left; thank you";
    case "refused":
    case "unreachable":
      return outcome.reason;
  }
}

/** Large models take a while to come and go; between the two the tab computes. */
function transferText({ direction, bytes, total }: Extract<WorkerEvent, { event: "transfer" }>): string {
  const megabytes = (value: number) => (value / 1e6).toFixed(1);
  if (bytes < total) {
    return `${direction === "down" ? "receiving the model" : "sending the result"}: ${megabytes(bytes)} of ${megabytes(total)} MB`;
  }
  return direction === "down" ? "computing …" : "the result is sent, waiting for the next round …";
}

const smooth = (before: number, now: number) => (before === 0 ? now : 0.9 * before + 0.1 * now);

/** The losses of the rounds so far as one line, newest at the right. */
function draw(): void {
  const shown = losses.slice(-200);
  const top = Math.max(...shown);
  const points = shown.map((loss, i) => `${(300 * i) / Math.max(1, shown.length - 1)},${60 - (58 * loss) / top}`);
  curve.setAttribute("points", points.join(" "));
}
