/**
 * A small command kit: typed flags, generated help, one-line errors, progress and tables.
 *
 * @module
 */
export * from "./command.ts";
export * from "./effects.ts";
export * from "./failure.ts";
export * from "./flags.ts";
export * from "./format.ts";
export * from "./help.ts";
export * from "./nearest.ts";
export { flagName, type Parsed, parseOptions } from "./parse.ts";
export * from "./progress.ts";
