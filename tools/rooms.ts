/**
 * The import table: which room may open which door. `test/architecture/rooms.test.ts` reads every import of `src` and
 * fails on a missing edge, an unused permission or a cycle.
 */

/** A room is `floor/noun`; `host` is a floor with one room. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'base/errors': [],
  'base/bytes': ['base/errors'],
  'base/digest': ['base/errors'],
  'base/flow': ['base/digest', 'base/errors'],
  host: ['base/bytes', 'base/digest', 'base/errors', 'formats/fsverity'],
};

/** Modules of Node and packages that a floor may import, by the longest matching prefix of the room's name. */
export const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  'base/digest': ['node:crypto'],
  host: ['node:fs', 'node:module', 'node:os', 'node:url', 'node:worker_threads'],
};
