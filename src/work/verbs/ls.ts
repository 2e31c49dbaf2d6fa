import * as v from 'valibot';
import { displayText, plainName } from '#base/bytes';
import { gather } from '#base/flow';
import type { ViewEntry } from '#work/browse';
import { findNamed, openNamedView } from '#work/catalog';
import { type CommitEntry, formatEntry, listEntries, openStored } from '#work/commits';
import { type Entry, entryOf, entrySchema } from './entry.ts';
import { elsewhereKeys, openFiles, pathOf } from './files.ts';
import { openSelected } from './repository.ts';
import { flag, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, refuseKeys, type VerbContext } from './verb.ts';

/** Options for commits only: ids of objects, and the order and format of `ostree ls`. */
const COMMIT_KEYS = ['checksum', 'xattrs', 'dironly'] as const;

const request = v.strictObject({
  name: text,
  path: maybeText,
  long: flag,
  recursive: flag,
  checksum: flag,
  xattrs: flag,
  dironly: flag,
  ...elsewhereKeys,
});
const report = v.object({
  /** The commit, when its objects were listed. */
  commit: v.optional(text),
  /** The stored paths of a partial commit. */
  subpaths: v.optional(v.nullable(list(text))),
  entries: list(
    v.object({
      ...entrySchema.entries,
      checksum: v.optional(text),
      dirmeta: v.optional(v.nullable(text)),
      xattrs: v.optional(v.record(text, text)),
      /** The line of `ostree ls`, when the objects of a commit were listed. */
      line: v.optional(text),
    }),
  ),
});
export type LsRequest = v.InferOutput<typeof request>;
export type LsReport = v.InferOutput<typeof report>;

/** `ls`: lists a directory, recursively on request. */
export const ls = defineVerb({
  request,
  report,
  examples: [
    { request: { name: 'app', path: '/usr' }, says: 'List a directory of an image' },
    {
      request: { name: 'os', recursive: true, checksum: true },
      says: 'List a commit with the ids of its objects',
    },
    {
      request: { name: 'oci:layout:latest' },
      says: 'List an image at its source, without storing it',
    },
  ],
  async run(context, asked) {
    if (COMMIT_KEYS.some((key) => asked[key] === true)) return await listCommit(context, asked);
    await using opened = await openFiles(context, asked.name, asked);
    const at = pathOf(asked.path);
    const found = asked.recursive === true ? opened.view.walk(at) : opened.view.list(at);
    const entries = await gather<ViewEntry, Entry>(found, entryOf, context);
    const { subpaths } = opened;
    const only = subpaths === undefined ? {} : { subpaths };
    return { ...only, entries };
  },
});

async function listCommit(context: VerbContext, asked: LsRequest): Promise<LsReport> {
  using repository = await openSelected(context);
  const named = findNamed(repository, asked.name);
  if (named.kind !== 'commit') {
    refuseKeys(asked, COMMIT_KEYS, `list "${asked.name}"`);
  }
  refuseKeys(asked, ['platform', 'compat', 'long'], `list the objects of "${asked.name}"`);
  const stored = openStored(repository, named.kind === 'commit' ? named.commit : asked.name);
  const options = { recursive: asked.recursive === true, directoryOnly: asked.dironly === true };
  const shown = { checksums: asked.checksum === true, xattrs: asked.xattrs === true };
  const found = listEntries(stored, asked.path ?? '/', options);
  const whole = { kind: 'commit', commit: stored.checksum, ref: undefined } as const;
  const view = await openNamedView(repository, whole, context);
  const listed = (entry: CommitEntry) => ({
    ...entryOf(view.stat(entry.path)),
    ...commitParts(entry),
    line: formatEntry(entry, shown),
  });
  return {
    commit: stored.checksum,
    subpaths: orNull(stored.subpaths),
    entries: await gather(found, listed, context),
  };
}

function commitParts(entry: CommitEntry) {
  return {
    path: displayText(entry.path),
    kind: entry.kind,
    sizeBytes: entry.sizeBytes,
    checksum: entry.checksum,
    dirmeta: orNull(entry.meta),
    xattrs: Object.fromEntries(
      entry.xattrs.map(({ name, value }) => [
        plainName(name),
        Buffer.from(value).toString('base64'),
      ]),
    ),
  };
}
