import * as v from 'valibot';
import { count, list, text } from './schemas.ts';

const usedBy = list(v.object({ image: text, path: v.nullable(text), part: v.nullable(text) }));
const finding = v.object({ kind: text, path: text, detail: text, usedBy });
/** Something wrong with an image. */
export const imageFinding = v.object({ kind: text, image: text, detail: text, usedBy });
const findings = list(v.union([finding, imageFinding]));

/** A commit that was checked by its name. */
export const fsckCommit = v.object({
  name: text,
  commit: text,
  /** The only paths that are here; null for a whole commit. */
  subpaths: v.nullable(list(text)),
  objects: count,
  findings: list(v.object({ code: text, checksum: v.nullable(text), detail: text })),
});

/** What a check found, or what is left after a repair. */
export const fsckReport = v.object({
  ok: v.boolean(),
  /** Null when names were given: then those alone were checked. */
  repository: v.nullable(
    v.object({
      ok: v.boolean(),
      hasMetadata: v.boolean(),
      objectsChecked: count,
      objectsCorrupted: count,
      streamsChecked: count,
      streamsCorrupted: count,
      imagesChecked: count,
      imagesCorrupted: count,
      brokenLinks: count,
      missingObjects: count,
      findings: list(v.object({ kind: text, path: text, detail: text })),
    }),
  ),
  tags: v.object({ imagesChecked: count, imagesCorrupted: count }),
  findings,
  /** Commits that were named. */
  commits: list(fsckCommit),
  /** What was wrong and no longer is; null unless a repair was asked for. */
  repaired: v.nullable(findings),
  /** Damaged objects that nothing gave back, and who misses them now. */
  removed: v.nullable(list(v.object({ path: text, usedBy }))),
  /** What this run left out, in words. */
  notChecked: list(text),
});
export type FsckReport = v.InferOutput<typeof fsckReport>;
