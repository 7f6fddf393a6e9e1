/**
 * The spec of packing, a kernel that belongs to loading and to no graph.
 *
 * @module
 */
import type { PackedType } from "../core/dtype.ts";
import type { StoredFormat } from "../core/stored_rows.ts";

/**
 * Stored rows to panels of a packed matrix, with the bits of `core/pack.ts`. Sizes are data, since a
 * model has matrices of many sizes and each is packed once. Arguments: part (as `PACK_PART` in
 * `core/stored_rows.ts` says; read, and written where it is unfit), output (the matrix).
 */
export interface PackSpec {
  /** Names the kind of kernel. */
  readonly family: "pack";
  /** How the rows are stored. */
  readonly stored: StoredFormat;
  /** The packed layout of the output. */
  readonly weights: PackedType;
}
