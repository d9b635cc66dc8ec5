/** Heartbeats of many who upload at once, over one loopback and two event loops: all of theirs, not of one beside them. */
import { setTimeout } from "node:timers/promises";
import type { MessageOf } from "@weft/protocol";
import type { Figure } from "../figure.ts";
import { openLink, type Peer } from "./ends.ts";
import { atMost, heartbeatLimitMs, percentile, shortBeatMs, watchHeartbeats } from "./heartbeats.ts";
import { payloadOf } from "./payload.ts";

const [count, uploads, bytes] = [20, 4, 50 * 2 ** 20];

const update: MessageOf<"update"> = {
  ...{ kind: "update", run: "bench", round: 1, attempt: 0, version: 0, codec: "f32" },
  ...{ weight: 1, metrics: {}, computeMs: 1 },
};

export async function* uploaders(peer: Peer, name: string): AsyncGenerator<Figure> {
  const links = await Promise.all(Array.from({ length: count }, () => openLink(peer, shortBeatMs)));
  // The first beats find connections that are still being made.
  await setTimeout(20 * shortBeatMs);
  const watches = links.map(watchHeartbeats);
  await Promise.all(
    links.map(async (link) => {
      let taken = Promise.withResolvers<undefined>();
      link.listen(() => {
        taken.resolve(undefined);
      });
      for (let upload = 0; upload < uploads; upload++) {
        taken = Promise.withResolvers();
        await link.send(update, payloadOf(bytes));
        await taken.promise;
      }
    }),
  );
  const times = watches.flatMap((watch) => watch());
  for (const link of links) link.close(1000, "done");
  for (const [share, words] of [
    [0.5, "median"],
    [0.99, "99th percentile"],
  ] as const) {
    yield atMost(`${name}, heartbeats' ${words} of ${times.length}`, percentile(times, share), {
      limit: heartbeatLimitMs,
      unit: "ms",
    });
  }
}
