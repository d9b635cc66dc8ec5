/** How figures read on a terminal. */

/** 1,234,567 → "1,234,567"; small numbers keep three significant digits. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** 1.1 GB, 12 MB, 340 kB: decimal units. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${scaled < 9.95 && unit > 0 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit] ?? ""}`;
}

/** m:ss, or h:mm:ss. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Losses and the like, to three or four digits. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 0.001 && Math.abs(value) < 10_000 ? value.toFixed(4) : value.toExponential(2);
}

/** A metric by name: accuracies read as percentages. */
export function metric(name: string, value: number): string {
  return /accuracy/i.test(name) ? `${name} ${(100 * value).toFixed(1)} %` : `${name} ${figure(value)}`;
}
