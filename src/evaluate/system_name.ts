/**
 * How reports call a system in a setting.
 *
 * @module
 */
import type { SystemRow } from "./system_types.ts";

/** "PEARL, gamma 3": the name and, where there is one, the setting. */
export function systemName({ title, setting }: Pick<SystemRow, "title" | "setting">): string {
  return setting === "" ? title : `${title}, ${setting}`;
}
