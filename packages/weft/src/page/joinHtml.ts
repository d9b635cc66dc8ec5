/** The volunteer's page as HTML: plain, readable without its script. */

export interface JoinPageFacts {
  readonly job: string;
  readonly parameters: number;
  /** What one example is, as people would say it: "image 28×28×1 → label". */
  readonly data: string;
}

const style = `
:root { color-scheme: light dark; --line: light-dark(#d8dce2, #3a3f47); --accent: light-dark(#0b6e4f, #4fd1a1); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
button { font: inherit; padding: .6rem 1.4rem; border: 0; border-radius: .4rem; background: var(--accent); color: light-dark(#fff, #10241c); cursor: pointer; }
button:disabled { opacity: .6; cursor: default; }
#go { display: flex; align-items: center; gap: 1rem; }
button { flex: none; }
dl { display: grid; grid-template-columns: repeat(2, 1fr); gap: 1px; background: var(--line); border: 1px solid var(--line); border-radius: .4rem; overflow: hidden; margin: 1.5rem 0; }
dl div { background: light-dark(#fff, #16191d); padding: .6rem .9rem; }
dt { font-size: .8rem; opacity: .7; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: 6rem; display: block; }
polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
small { opacity: .75; }
`;

/** Of several jobs, the coordinator gives a visitor the one that wants workers most. */
export function joinHtml(jobs: readonly JoinPageFacts[]): string {
  const title = escape(jobs.map(({ job }) => job).join(" or "));
  const sizes = jobs.map(
    ({ parameters, data }) => `${parameters.toLocaleString("en-US")} parameters (${escape(data)})`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Join ${title} · Weft</title>
<style>${style}</style>
<h1>Train ${title} with us</h1>
<p>Press the button and this tab computes training steps for a neural network of
${sizes.join(" or ")} and sends the results to this site. It uses your
processor while the tab is open, and stops when you press Stop or close it.</p>
<p id="go"><button id="start">Start computing</button><span id="status" role="status">not started</span></p>
<dl>
<div><dt>Device</dt><dd id="device">–</dd></div>
<div><dt>Speed</dt><dd id="speed">–</dd></div>
<div><dt>Loss</dt><dd id="loss">–</dd></div>
<div><dt>Rounds contributed</dt><dd id="rounds">0</dd></div>
</dl>
<svg viewBox="0 0 300 62" preserveAspectRatio="none" role="img" aria-label="Loss by round"><polyline id="curve" points=""></polyline></svg>
<p><small>What arrives here is a description of the network, never program code: it is checked and compiled by the page's own
scripts, inside the browser's sandbox. Nothing is stored on your computer.</small></p>
<script type="module" src="/join/page.js"></script>
</html>
`;
}

const escape = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
