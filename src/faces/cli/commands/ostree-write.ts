import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  ensureCommitImage,
  openStored,
  resolveCommit,
  tagCommit,
  untagCommit,
} from '#work/commits';
import { exportDirectory } from '#work/export';
import { exportCommit, OSTREE_MODES, type OstreeMode } from '#work/export-commit';
import {
  type CommitOptions,
  type CommitReport,
  commitTree,
  encodeDetachedOptions,
  parseMetadataOptions,
  parseSkipList,
  parseStatOverrides,
  type TreeSource,
} from '#work/make-commit';
import { mountImage } from '#work/mount';
import { applyDeltaFile, planDeltaFile, type TrustPolicy } from '#work/pull-commit';
import { openOrCreate } from '#work/repository';
import { type Action, type Context, flag, textOption, wholeNumber } from '../context.ts';
import { UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { openIfPresent, openSelected } from '../repository.ts';
import { formatSize } from '../units.ts';
import { sayOnly } from './ostree-browse.ts';
import { trustOptions } from './ostree-trust.ts';

/** `ostree tag`: gives a commit another name. */
export const tag: Action = async (context, [source = '', name = '']) => {
  using repository = await openSelected(context);
  const commit = context.dryRun
    ? resolveCommit(repository, source)
    : tagCommit(repository, source, name);
  if (context.out.json) context.out.document({ dryRun: context.dryRun, name, commit });
  context.out.line(`${context.dryRun ? 'Would tag' : 'Tagged'} ${source} as ${name}`);
  return 0;
};

/** `ostree untag`: takes names away, and says nothing, as `cfsctl` does. */
export const untag: Action = async (context, names) => {
  using repository = await openSelected(context);
  for (const name of names) {
    if (!context.dryRun) untagCommit(repository, name);
    else context.out.line(`Would remove name ${name}`);
  }
  if (context.out.json) context.out.document({ dryRun: context.dryRun, removed: names });
  return 0;
};

/** `ostree export`: writes a commit to an OSTree repository. */
export const exportVerb: Action = async (context, [source = '', path = ''], options) => {
  using repository = await openSelected(context);
  const createMode = modeOption(textOption(options, 'mode'));
  const refs = listOption(options, 'reference');
  if (context.dryRun) {
    const { checksum: commit, objects } = openStored(repository, source);
    const plan = { dryRun: true, commit, path: resolve(path), refs, objects: objects.size };
    if (context.out.json) context.out.document(plan);
    context.out.line(`Would write ${objects.size} objects of commit ${commit} to ${plan.path}`);
    return 0;
  }
  const report = await exportCommit(repository, source, resolve(path), {
    ...context.operation,
    refs,
    createMode,
  });
  if (context.out.json) context.out.document({ dryRun: false, ...report });
  const { line } = context.out;
  line(`commit  ${report.commit}`);
  sayOnly(context, report);
  for (const ref of report.refs) line(`tagged  ${ref}`);
  context.out.detail(
    `${report.metadataWritten} metadata and ${report.filesWritten + report.filesReflinked} files written ` +
      `(${report.filesReflinked} by reflink), ${report.objectsPresent} were there, ${formatSize(report.contentBytes)}`,
  );
  return 0;
};

/** `ostree commit`: makes a commit of images, directories, tars and commits. */
export const commit: Action = async (context, [image], options) => {
  const sources = [
    ...(image === undefined ? [] : [{ kind: 'image', name: image } as const]),
    ...listOption(options, 'tree').map(sourceOf),
  ];
  if (sources.length === 0 && textOption(options, 'base') === undefined) {
    throw new UsageError('Cannot commit: expected an image or --tree dir=PATH, found neither');
  }
  const details = await commitOptions(options);
  if (context.dryRun) {
    const base = details.base === undefined ? [] : [details.base];
    const said = [...base, ...sources.map((one) => ('path' in one ? one.path : one.name))].join(
      ', ',
    );
    if (context.out.json) context.out.document({ dryRun: true, sources, ref: details.ref ?? null });
    context.out.line(`Would commit ${said}${details.ref ? ` as ${details.ref}` : ''}`);
    return 0;
  }
  const { repository } = await openOrCreate(context.selection, {
    ...context.operation,
    mayInit: context.mayInit,
    requireVerity: context.requireVerity,
  });
  using open = repository;
  const report = await commitTree(open, sources, { ...details, ...context.operation });
  if (context.out.json) context.out.document({ dryRun: false, ...commitDocument(report) });
  const { line } = context.out;
  line(`commit  ${report.commit}`);
  line(`stream  ${report.streamId}`);
  line(`image   ${report.imageId}`);
  if (report.ref !== undefined) line(`tagged  ${report.ref}`);
  if (!report.changed) context.out.note('The tree is that of the parent: no new commit');
  return 0;
};

function commitDocument(report: CommitReport) {
  const { upstreamId: _, parent, ref, ...rest } = report;
  return { ...rest, parent: parent ?? null, ref: ref ?? null };
}

/** `ostree mount`: mounts the image of a commit over a directory. */
export const mount: Action = async (context, [name = '', directory = ''], options) => {
  const upper = textOption(options, 'upper');
  const work = textOption(options, 'work');
  if ((upper === undefined) !== (work === undefined)) {
    throw new UsageError('Cannot mount a writable layer: expected both --upper and --work');
  }
  using repository = await openSelected(context);
  const target = resolve(directory);
  if (context.dryRun) {
    const { checksum, imageId } = openStored(repository, name);
    const plan = { commit: checksum, imageId: imageId ?? null, target };
    if (context.out.json) context.out.document({ dryRun: true, mount: plan });
    context.out.line(`Would mount ${checksum} over ${target}`);
    return 0;
  }
  const { imageId, commit: checksum } = await ensureCommitImage(
    repository,
    name,
    context.operation,
  );
  const writable =
    upper === undefined || work === undefined
      ? undefined
      : { upper: resolve(upper), work: resolve(work) };
  const report = mountImage(repository, imageId, target, { label: name, writable });
  if (context.out.json) {
    context.out.document({ dryRun: false, mount: { ...report, commit: checksum } });
  }
  sayOnly(context, openStored(repository, name));
  context.out.line(`Mounted ${name} over ${target}${report.readOnly ? '' : ', writable'}`);
  return 0;
};

/** `ostree checkout`: writes the files of a commit into a new directory, contents by reflink where the filesystem can. */
export const checkout: Action = async (context, [name = '', directory = ''], options) => {
  using repository = await openSelected(context);
  const path = resolve(directory);
  if (context.dryRun) {
    const { checksum } = openStored(repository, name);
    if (context.out.json) context.out.document({ dryRun: true, commit: checksum, path });
    context.out.line(`Would write ${checksum} to ${path}`);
    return 0;
  }
  const { imageId, commit: checksum } = await ensureCommitImage(
    repository,
    name,
    context.operation,
  );
  const report = await exportDirectory(repository, imageId, path, {
    ...context.operation,
    ...(options['owners'] === false ? { owners: false } : {}),
  });
  if (context.out.json) context.out.document({ dryRun: false, commit: checksum, ...report });
  sayOnly(context, openStored(repository, name));
  context.out.line(`Wrote ${checksum} to ${report.path}`);
  return 0;
};

/** `ostree apply-delta`: applies a static delta from a file or its directory. */
export const applyDelta: Action = async (context, [path = ''], options) => {
  const trust = await trustOptions(options);
  if (context.dryRun) return await planDelta(context, resolve(path), trust);
  const { repository } = await openOrCreate(context.selection, {
    ...context.operation,
    mayInit: context.mayInit,
    requireVerity: context.requireVerity,
  });
  using open = repository;
  const report = await applyDeltaFile(open, resolve(path), {
    ...context.operation,
    ref: textOption(options, 'reference'),
    trust,
    reading: readingOption(options),
  });
  if (context.out.json) context.out.document({ ...report, upstreamId: undefined });
  const { line } = context.out;
  line(`commit  ${report.commit}`);
  line(`stream  ${report.streamId}`);
  line(`image   ${report.imageId}`);
  for (const key of report.signedBy) line(`signed  ${key}`);
  line(`objects ${report.metadata} metadata + ${report.files} files applied`);
  return 0;
};

async function planDelta(context: Context, path: string, trust: TrustPolicy): Promise<number> {
  using repository = await openIfPresent(context);
  const plan = await planDeltaFile(repository, path, { trust, signal: context.signal });
  if (context.out.json) {
    const from = plan.from ?? null;
    context.out.document({ dryRun: true, wouldCreate: repository === undefined, ...plan, from });
  }
  const { line } = context.out;
  line(
    plan.isPresent
      ? `Commit ${plan.commit} is here already`
      : `Would make commit ${plan.commit} from ${plan.from ?? 'nothing'}`,
  );
  line(
    `  objects: ${plan.metadata} metadata + ${plan.files} files in ${plan.parts} parts, ` +
      `${formatSize(plan.partBytes)}, ${formatSize(plan.unpackedBytes)} unpacked`,
  );
  if (plan.missing.length > 0)
    line(`  missing: ${plan.missing.length} objects, so it cannot be applied`);
  for (const key of plan.signedBy) line(`  signed:  ${key}`);
  return 0;
}

const SOURCE_KINDS: Readonly<Record<string, TreeSource['kind']>> = {
  dir: 'directory',
  tar: 'tar',
  ref: 'commit',
  image: 'image',
};

function sourceOf(text: string): TreeSource {
  const at = text.indexOf('=');
  const kind = at < 0 ? undefined : SOURCE_KINDS[text.slice(0, at)];
  const value = text.slice(at + 1);
  if (kind === 'directory' || kind === 'tar') return { kind, path: resolve(value) };
  if (kind !== undefined) return { kind, name: value };
  throw new UsageError(
    `Cannot read --tree: expected dir=PATH, tar=FILE, ref=COMMIT or image=NAME, found "${text}"`,
  );
}

async function commitOptions(options: Readonly<Record<string, unknown>>): Promise<CommitOptions> {
  const ref = textOption(options, 'reference');
  const bindRefs = listOption(options, 'bindRef');
  const skipList = textOption(options, 'skipList');
  const overrides = textOption(options, 'statoverride');
  const detached = encodeDetachedOptions(listOption(options, 'addDetachedMetadataString'));
  return {
    ref,
    parent: parentOption(textOption(options, 'parent')),
    subject: textOption(options, 'subject'),
    body: textOption(options, 'body'),
    timestampSec: timeOption(textOption(options, 'timestamp')),
    metadata: parseMetadataOptions(
      listOption(options, 'addMetadataString'),
      listOption(options, 'addMetadata'),
    ),
    keepMetadata: listOption(options, 'keepMetadata'),
    base: textOption(options, 'base'),
    bootable: flag(options, 'bootable'),
    bindRefs: bindingsOption(options, bindRefs),
    collectionId: textOption(options, 'collectionId'),
    detached,
    ownerUid: wholeNumber(textOption(options, 'ownerUid'), '--owner-uid'),
    ownerGid: wholeNumber(textOption(options, 'ownerGid'), '--owner-gid'),
    canonicalPermissions: flag(options, 'canonicalPermissions'),
    readOnlyExecutables: flag(options, 'modeRoExecutables'),
    noXattrs: options['xattrs'] === false,
    keepEmptyXattrs: flag(options, 'keepEmptyXattrs'),
    skipIfUnchanged: flag(options, 'skipIfUnchanged'),
    skipPaths: skipList === undefined ? undefined : parseSkipList(await readFile(skipList, 'utf8')),
    statOverrides:
      overrides === undefined ? undefined : parseStatOverrides(await readFile(overrides, 'utf8')),
    reading: readingOption(options),
  };
}

/** `--orphan` binds to no ref at all, which an empty list says. */
function bindingsOption(
  options: Readonly<Record<string, unknown>>,
  bindRefs: readonly string[],
): CommitOptions['bindRefs'] {
  if (options['bindings'] === false) return 'none';
  if (flag(options, 'orphan')) return [];
  return bindRefs.length === 0 ? undefined : bindRefs;
}

function parentOption(text: string | undefined): CommitOptions['parent'] {
  if (text === undefined || text === 'none') return text;
  if (/^[0-9a-f]{64}$/.test(text)) return text as CommitOptions['parent'];
  throw new UsageError(`Cannot read --parent: expected a commit id or "none", found "${text}"`);
}

/** `@SECONDS` or a date; without it SOURCE_DATE_EPOCH, so that builds can be repeated. */
function timeOption(text: string | undefined): bigint | undefined {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  const wanted = text ?? (epoch === undefined || epoch === '' ? undefined : `@${epoch}`);
  if (wanted === undefined) return undefined;
  const seconds = /^@(-?\d{1,18})$/.exec(wanted)?.[1];
  if (seconds !== undefined) return BigInt(seconds);
  const millis = Date.parse(wanted);
  if (!Number.isNaN(millis)) return BigInt(Math.floor(millis / 1000));
  throw new UsageError(`Cannot read --timestamp: expected a date or @SECONDS, found "${wanted}"`);
}

function modeOption(text: string | undefined): OstreeMode | undefined {
  const found = OSTREE_MODES.find((mode) => mode === text);
  if (text === undefined || found !== undefined) return found;
  throw new UsageError(
    `Cannot read --mode: expected one of ${OSTREE_MODES.join(', ')}, found "${text}"`,
  );
}

function listOption(options: Readonly<Record<string, unknown>>, name: string): readonly string[] {
  const value = options[name];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
