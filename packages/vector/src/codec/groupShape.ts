/** How values share scales. */
export interface GroupShape {
  /** Values that share a scale. */
  readonly group: number;
  /** Codes go from -levels to levels. */
  readonly levels: 7 | 127;
}

export const int8Shape: GroupShape = { group: 256, levels: 127 };
export const int4Shape: GroupShape = { group: 64, levels: 7 };

/** Values of the int2 and sign codecs that share a scale. */
export const int2Group = 128;
export const signGroup = 256;

/** Where all magnitudes of a group of int2 are equal, no rounding may put some of them past the threshold. */
export const slightlyMore = 1 + 2 ** -14;
