import * as v from 'valibot';
import { count, list, text } from './schemas.ts';

const usedBy = list(v.object({ image: text, path: v.nullable(text), part: v.nullable(text) }));
/** What a repair does about a finding; null if it does nothing. */
const repair = v.nullable(text);
const finding = v.object({ kind: text, path: text, detail: text, usedBy, repair });
/** A problem of an image. */
export const imageFinding = v.object({ kind: text, image: text, detail: text, usedBy, repair });
const findings = list(v.union([finding, imageFinding]));

/** The result of the check of a commit. */
export const fsckCommit = v.object({
  name: text,
  commit: text,
  /** The only stored paths; null for a complete commit. */
  subpaths: v.nullable(list(text)),
  objects: count,
  findings: list(v.object({ code: text, checksum: v.nullable(text), detail: text })),
});

/** Findings of a check, or those left after a repair. */
export const fsckReport = v.object({
  ok: v.boolean(),
  /** Null when names were given: then only those were checked. */
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
  /** Commits that were named; without names all. */
  commits: list(fsckCommit),
  /** Problems that were repaired; null unless a repair was requested. */
  repaired: v.nullable(findings),
  /** Damaged objects that could not be restored, and the images that use them. */
  removed: v.nullable(list(v.object({ path: text, usedBy }))),
  /** Names of the checks that this run skipped. */
  notChecked: list(text),
});
export type FsckReport = v.InferOutput<typeof fsckReport>;
