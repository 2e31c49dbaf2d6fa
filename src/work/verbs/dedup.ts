import * as v from 'valibot';
import { findPlaces, placeOf } from '#work/account';
import { type DedupReport as Deduped, dedupStores } from '#work/dedup';
import { locateRepository } from '#work/repository';
import { count, list, text, texts } from './schemas.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const request = v.strictObject({
  /** Stores whose files are compared; empty for those of this host. */
  stores: texts,
});

const files = v.object({ files: count, sizeBytes: count });

/** What a comparison of files found and did. */
export const dedupPart = v.object({
  stores: list(
    v.object({
      kind: v.picklist(['composefs', 'containers-storage', 'ostree']),
      store: text,
      files: count,
    }),
  ),
  /** Whether files of a filesystem can share blocks at all, and whether they were compared. */
  filesystems: list(v.object({ path: text, canShare: v.boolean(), isCompared: v.boolean() })),
  /** Files that are stored twice, and the bytes that sharing them frees. */
  duplicates: files,
  /** Those that share their blocks now, and the bytes that were freed. */
  shared: files,
  /** Files that changed meanwhile, or that the filesystem did not share. */
  left: count,
  problems: list(text),
});
const report = v.object({ dryRun: v.boolean(), ...dedupPart.entries });
export type DedupReport = v.InferOutput<typeof report>;

/** `dedup`: equal files of stores share their blocks afterwards. */
export const dedup = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Share equal files of all stores of this host' },
    {
      request: { stores: ['containers-storage:', 'ostree-local:os-repo'] },
      says: 'Share equal files of two stores',
    },
  ],
  plan: (context, asked) => compare(context, asked, true),
  run: (context, asked) => compare(context, asked, false),
  hasFindings: ({ left, problems }) => left + problems.length > 0,
});

async function compare(
  context: VerbContext,
  { stores }: v.InferOutput<typeof request>,
  isDryRun: boolean,
): Promise<DedupReport> {
  const { signal, onProgress } = context;
  const places =
    stores.length > 0
      ? await Promise.all(stores.map(placeOf))
      : await findPlaces(locateRepository(context.repository));
  const done = await dedupStores({ stores: places, isDryRun }, { signal, onProgress });
  return { dryRun: isDryRun, ...dedupReport(done) };
}

/** The report of a comparison as a verb gives it. */
export function dedupReport({
  duplicates,
  shared,
  ...rest
}: Deduped): v.InferOutput<typeof dedupPart> {
  const sized = ({ files: number, bytes }: Deduped['shared']) => {
    return { files: number, sizeBytes: bytes };
  };
  return { ...rest, duplicates: sized(duplicates), shared: sized(shared) };
}
