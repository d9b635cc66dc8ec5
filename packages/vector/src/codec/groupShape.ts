/** How values of the int8 and int4 codecs share scales. */
export interface GroupShape {
  /** Values that share a scale. */
  readonly group: number;
  /** Codes go from -levels to levels. */
  readonly levels: 7 | 127;
}

export const int8Shape: GroupShape = { group: 256, levels: 127 };
export const int4Shape: GroupShape = { group: 64, levels: 7 };
