/**
 * Keys and values that attention itself writes into their tables before it reads them.
 *
 * @module
 */
import { type AttentionSizes, headWords } from "./attention_rows.ts";
import { unitsOfRow } from "./attention_unit.ts";
import type { Operand } from "./shader.ts";

/** True where each group is alone in reading its key/value head, so that it may write it. */
export function ownsKeys(spec: AttentionSizes): boolean {
  return spec.rows === 1 && unitsOfRow(spec) === spec.keyValueHeads;
}

/** Statements that write the group's head of new rows into tables, where the part has to. */
export function writeNewRows(spec: AttentionSizes, tables: readonly Operand[]): string {
  const words = headWords(spec);
  const writes = tables.flatMap(({ writeNewRows }) =>
    writeNewRows === undefined ? [] : [writeNewRows(`shared_head * ${words}u`, words)]
  );
  return writes.length === 0 ? "" : [...writes, "storageBarrier();"].join("\n");
}
