/** Grey images as a picture: rows of tiles, written as PNG (W3C 2003) without a library. */
import { crc32, deflateSync } from "node:zlib";

export interface Tiles {
  /** Pixels of one tile, both ways. */
  readonly side: number;
  /** Each row is tiles of side × side values in 0..1, one after the other; values beyond are cut off. */
  readonly rows: readonly ArrayLike<number>[];
  /** Pixels of the picture for one of a tile; default 2. */
  readonly zoom?: number;
}

/** White on black, a thin gap between tiles, as a PNG file. */
export function tilesPng({ side, rows, zoom = 2 }: Tiles): Uint8Array {
  const gap = 1;
  const tiles = Math.max(...rows.map((row) => row.length / (side * side)));
  const [width, height] = [tiles * (side + gap) - gap, rows.length * (side + gap) - gap].map((n) => n * zoom) as [
    number,
    number,
  ];
  const grey = new Uint8Array(height * (width + 1)); // each line begins with the number of its filter, 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [row, tile] = [Math.floor(y / zoom / (side + gap)), Math.floor(x / zoom / (side + gap))];
      const [v, u] = [Math.floor(y / zoom) % (side + gap), Math.floor(x / zoom) % (side + gap)];
      const value = u < side && v < side ? rows[row]?.[(tile * side + v) * side + u] : 0.4;
      grey[y * (width + 1) + 1 + x] = Math.round(255 * Math.min(1, Math.max(0, value ?? 0)));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8); // 8 bits of grey, no interlacing
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(grey, { level: 9 })),
    chunk("IEND"),
  ]);
}

function chunk(type: string, data: Uint8Array = new Uint8Array()): Buffer {
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
