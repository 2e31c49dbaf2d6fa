import {
  type CommitChange,
  type CommitEntry,
  type CommitSummary,
  commitDate,
  compareCommits,
  computeCommitImageId,
  dumpCommit,
  ensureCommitImage,
  formatEntry,
  formatMetadata,
  jsonOfMetadata,
  listCommitRefs,
  listEntries,
  listPartialCommits,
  type OpenedCommit,
  openStored,
  readEntry,
  readHistory,
  summarizeCommit,
} from '#work/commits';
import type { Repository } from '#work/repository';
import { type Action, type Context, flag, textOption, wholeNumber } from '../context.ts';
import { formatName } from '../entry.ts';
import { EXIT_FINDINGS, UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { openSelected } from '../repository.ts';

/** `ostree images`: the refs that name commits. */
export const images: Action = async (context) => {
  using repository = await openSelected(context);
  const refs = listCommitRefs(repository);
  const partial = listPartialCommits(repository);
  if (context.out.json) {
    context.out.document({
      images: refs.map(({ name, commit, streamId }) => ({
        name,
        commit,
        streamId: streamId ?? null,
        imageId: streamId === undefined ? null : (openStored(repository, commit).imageId ?? null),
      })),
      partial: partial.map(({ subpaths, imageId, ...one }) => ({
        ...one,
        subpaths: subpaths ?? null,
        imageId: imageId ?? null,
      })),
    });
  } else if (refs.length + partial.length === 0) context.out.line('No ostree commits found');
  else if (partial.length === 0) {
    await context.out.table(
      ['NAME', 'COMMIT'],
      refs.map(({ name, commit }) => [name, commit]),
    );
  } else {
    await context.out.table(
      ['NAME', 'COMMIT', 'PATHS'],
      [
        ...refs.map(({ name, commit }) => [name, commit, '/']),
        ...partial.map(({ name, commit, subpaths }) => [name, commit, pathsText(subpaths)]),
      ],
    );
  }
  return 0;
};

function pathsText(subpaths: readonly string[] | undefined): string {
  if (subpaths === undefined) return 'damaged';
  return subpaths.length === 0 ? 'commit object only' : subpaths.join(' ');
}

/** Says of a commit of which not everything is here what is. */
export function sayOnly({ out }: Context, { subpaths }: Pick<OpenedCommit, 'subpaths'>): void {
  if (subpaths !== undefined) out.note(`only: ${pathsText(subpaths)}`);
}

function ofOne(context: Context, repository: Repository, name: string): OpenedCommit {
  const stored = openStored(repository, name);
  sayOnly(context, stored);
  return stored;
}

/** `ostree log`: a commit and its stored ancestors, newest first. */
export const log: Action = async (context, [name = ''], options) => {
  using repository = await openSelected(context);
  const limit = wholeNumber(textOption(options, 'limit'), '--limit', 1);
  const { commits, missing } = readHistory(repository, name, limit);
  if (context.out.json) {
    context.out.document({ commits: commits.map(summaryDocument), missing: missing ?? null });
    return 0;
  }
  for (const commit of commits) printSummary(commit, context.out.line);
  if (missing !== undefined) context.out.line('<< History beyond this commit not fetched >>');
  return 0;
};

/** `ostree show`: one commit, as `log` prints it, with all its metadata in JSON. */
export const show: Action = async (context, [name = '']) => {
  using repository = await openSelected(context);
  const stored = openStored(repository, name);
  if (context.out.json) context.out.document(commitDocument(stored));
  else {
    printSummary(summarizeCommit(stored.checksum, stored.commit), context.out.line);
    sayOnly(context, stored);
  }
  return 0;
};

/** `ostree inspect`: the commit object, or with `--metadata` its metadata line by line. */
export const inspect: Action = async (context, [name = ''], options) => {
  using repository = await openSelected(context);
  const stored = openStored(repository, name);
  const { line } = context.out;
  if (context.out.json) {
    context.out.document(commitDocument(stored));
    return 0;
  }
  const { commit, checksum } = stored;
  if (flag(options, 'metadata')) {
    for (const entry of formatMetadata(commit.metadata)) line(entry);
    return 0;
  }
  line(`commit  ${checksum}`);
  if (commit.parent !== undefined) line(`parent  ${commit.parent}`);
  line(`date    ${dateText(commit.timestampSec)} UTC`);
  line(`tree    ${commit.rootTree}`);
  line(`dirmeta ${commit.rootMeta}`);
  if (stored.subpaths !== undefined) line(`only    ${pathsText(stored.subpaths)}`);
  for (const text of [commit.subject, commit.body]) {
    if (text !== '') for (const one of ['', ...text.split('\n')]) line(one);
  }
  return 0;
};

/** `ostree ls`: files of a commit; `-RXC` prints exactly what `ostree ls -RXC` does. */
export const ls: Action = async (context, [name = '', path = '/'], options) => {
  using repository = await openSelected(context);
  const stored = openStored(repository, name);
  sayOnly(context, stored);
  const entries = listEntries(stored, path, {
    recursive: flag(options, 'recursive'),
    directoryOnly: flag(options, 'dironly'),
  });
  if (context.out.json) {
    const { checksum: commit, subpaths = null } = stored;
    context.out.document({ commit, subpaths, entries: [...entries].map(entryDocument) });
    return 0;
  }
  const shown = { checksums: flag(options, 'checksum'), xattrs: flag(options, 'xattrs') };
  for (const entry of entries) context.out.line(formatEntry(entry, shown));
  return 0;
};

/** `ostree cat`: prints files of a commit; content is verified before its first byte. */
export const cat: Action = async (context, [name = '', ...paths]) => {
  if (context.out.json) {
    throw new UsageError('Cannot print files as JSON: use ls for their metadata');
  }
  using repository = await openSelected(context);
  const stored = openStored(repository, name);
  for (const path of paths) {
    for (const piece of readEntry(repository, stored, path)) {
      context.signal.throwIfAborted();
      await context.out.bytes(Buffer.from(piece));
    }
  }
  return 0;
};

/** `ostree diff`: what differs between two commits; exit 3 with `--exit-code` when something does. */
export const diff: Action = async (context, [before = '', after = ''], options) => {
  using repository = await openSelected(context);
  const changes = [
    ...compareCommits(ofOne(context, repository, before), ofOne(context, repository, after)),
  ];
  if (context.out.json) {
    context.out.document({
      changes: changes.map(({ change, path, before: old, after: now }) => ({
        change,
        path: formatName(path),
        before: old === undefined ? null : entryDocument(old),
        after: now === undefined ? null : entryDocument(now),
      })),
    });
  }
  const letters: [CommitChange['change'], string][] = [
    ['modified', 'M'],
    ['deleted', 'D'],
    ['added', 'A'],
  ];
  for (const [kind, letter] of letters) {
    for (const { change, path } of changes) {
      if (change === kind) context.out.line(`${letter}    ${formatName(path)}`);
    }
  }
  return changes.length > 0 && flag(options, 'exitCode') ? EXIT_FINDINGS : 0;
};

/** `ostree dump`: the tree of a commit as a composefs dumpfile. */
export const dump: Action = async (context, [name = ''], options) => {
  if (context.out.json) throw new UsageError('Cannot print a dumpfile as JSON: use ls');
  using repository = await openSelected(context);
  const reading = readingOption(options);
  await context.out.bytes(dumpCommit(repository, name, { reading }));
  return 0;
};

/** `ostree compute-id`: the id of the image of a commit, which is made when it is missing. */
export const computeId: Action = async (context, [name = ''], options) => {
  using repository = await openSelected(context);
  const reading = readingOption(options);
  const version = wholeNumber(textOption(options, 'erofsVersion'), '--erofs-version');
  if (version !== undefined && version !== 0 && version !== 1 && version !== 2) {
    throw new UsageError(`Cannot read --erofs-version: expected 0, 1 or 2, found "${version}"`);
  }
  const imageId =
    context.dryRun || version !== undefined || reading !== undefined
      ? computeCommitImageId(repository, name, { reading, version })
      : (await ensureCommitImage(repository, name, context.operation)).imageId;
  if (context.out.json) context.out.document({ name, imageId });
  context.out.line(imageId);
  return 0;
};

/** A commit for JSON. */
function commitDocument(stored: OpenedCommit) {
  const { checksum, commit, streamId, imageId, objects } = stored;
  return {
    ...summaryDocument(summarizeCommit(checksum, commit)),
    rootTree: commit.rootTree,
    rootMeta: commit.rootMeta,
    metadata: jsonOfMetadata(commit.metadata),
    objects: objects.size,
    streamId,
    imageId: imageId ?? null,
    subpaths: stored.subpaths ?? null,
  };
}

function summaryDocument(commit: CommitSummary) {
  const { checksum, parent, contentChecksum, timestampSec, version, subject, body } = commit;
  return {
    commit: checksum,
    parent: parent ?? null,
    contentChecksum,
    date: commitDate(timestampSec)?.toISOString() ?? null,
    timestampSec,
    version: version ?? null,
    subject,
    body,
  };
}

/** An entry for JSON. */
function entryDocument(entry: CommitEntry) {
  return {
    path: formatName(entry.path),
    kind: entry.kind,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    checksum: entry.checksum,
    dirmeta: entry.meta ?? null,
    target: entry.target === undefined ? null : formatName(entry.target),
    xattrs: Object.fromEntries(
      entry.xattrs.map(({ name, value }) => [
        formatName(name),
        Buffer.from(value).toString('base64'),
      ]),
    ),
  };
}

/** As `ostree log` prints a commit. */
function printSummary(commit: CommitSummary, line: (text: string) => void): void {
  line(`commit ${commit.checksum}`);
  if (commit.parent !== undefined) line(`Parent:  ${commit.parent}`);
  line(`ContentChecksum:  ${commit.contentChecksum}`);
  line(`Date:  ${dateText(commit.timestampSec)} +0000`);
  if (commit.version !== undefined) line(`Version: ${commit.version}`);
  if (commit.subject === '') line('(no subject)');
  else for (const one of indented(commit.subject)) line(one);
  if (commit.body !== '') for (const one of indented(commit.body)) line(one);
  line('');
}

function indented(text: string): string[] {
  return [
    '',
    ...text
      .replace(/\n$/, '')
      .split('\n')
      .map((one) => `    ${one}`),
  ];
}

/** `YYYY-MM-DD HH:MM:SS` in UTC; the number itself when no calendar reaches it. */
function dateText(timestampSec: bigint): string {
  const date = commitDate(timestampSec);
  return date === undefined
    ? String(timestampSec)
    : date.toISOString().slice(0, 19).replace('T', ' ');
}
