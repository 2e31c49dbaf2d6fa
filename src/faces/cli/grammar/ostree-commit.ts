import { resolve } from 'node:path';
import { UsageError } from '#base/errors';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `ostree commit` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '[image]', says: 'image whose files are committed', key: 'image', completes: 'names' },
  ],
  options: [
    {
      flags: '--tree <source>',
      says: 'add the tree of dir=PATH, tar=FILE, ref=COMMIT or image=NAME',
      key: 'tree',
      take: takeTree,
      isRepeated: true,
    },
    { flags: '--base <commit>', says: 'start from this commit', key: 'base', completes: 'names' },
    {
      flags: '--reference <ref>',
      says: 'set this ref to the commit; its current commit becomes the parent',
      key: 'reference',
    },
    // As `ostree commit` spells it.
    { flags: '-b, --branch <ref>', says: 'same as --reference', key: 'reference', isHidden: true },
    { flags: '-s, --subject <text>', says: 'subject line', key: 'subject' },
    { flags: '-m, --body <text>', says: 'text below the subject', key: 'body' },
    {
      flags: '--timestamp <time>',
      says: 'a date or @SECONDS (default: SOURCE_DATE_EPOCH, else now)',
      key: 'timestampSec',
      take: takeTime,
    },
    {
      flags: '--parent <commit>',
      says: 'id of the parent commit, or none',
      key: 'parent',
      take: takeParent,
    },
    { flags: '--orphan', says: 'bind the commit to no ref', key: 'orphan' },
    { flags: '--no-bindings', says: 'write no ref binding', key: 'bindings' },
    {
      flags: '--bind-ref <ref>',
      says: 'also bind the commit to this ref',
      key: 'bindRef',
      take: 'texts',
    },
    {
      flags: '--collection-id <id>',
      says: 'bind the commit to this collection',
      key: 'collectionId',
    },
    {
      flags: '--add-metadata-string <key=value>',
      says: 'add metadata of type string',
      key: 'addMetadataString',
      take: 'texts',
    },
    {
      flags: '--add-metadata <key=value>',
      says: 'add metadata in GVariant text format',
      key: 'addMetadata',
      take: 'texts',
    },
    { flags: '--bootable', says: 'record the kernel of the tree in the metadata', key: 'bootable' },
    {
      flags: '--keep-metadata <key>',
      says: 'copy this key of the metadata from the parent',
      key: 'keepMetadata',
      take: 'texts',
    },
    {
      flags: '--add-detached-metadata-string <key=value>',
      says: 'add detached metadata',
      key: 'addDetachedMetadataString',
      take: 'texts',
    },
    {
      flags: '--owner-uid <uid>',
      says: 'set the owner of all files',
      key: 'ownerUid',
      take: 'number',
    },
    {
      flags: '--owner-gid <gid>',
      says: 'set the group of all files',
      key: 'ownerGid',
      take: 'number',
    },
    {
      flags: '--canonical-permissions',
      says: 'set owner 0:0, mask modes with 0755, remove extended attributes',
      key: 'canonicalPermissions',
    },
    {
      flags: '--mode-ro-executables',
      says: 'remove write permission from executables',
      key: 'modeRoExecutables',
    },
    { flags: '--no-xattrs', says: 'omit extended attributes', key: 'xattrs' },
    {
      flags: '--keep-empty-xattrs',
      says: 'keep extended attributes with an empty value',
      key: 'keepEmptyXattrs',
    },
    {
      flags: '--statoverride <file>',
      says: 'change modes by lines "+MODE /path" or "=MODE /path"; modes are decimal',
      key: 'statoverride',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--skip-list <file>',
      says: 'omit the paths listed in this file, one a line',
      key: 'skipList',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--skip-if-unchanged',
      says: 'make no commit if the tree equals the tree of the parent',
      key: 'skipIfUnchanged',
    },
    COMPAT,
  ],
  environment: sourceDateEpoch,
};

/** The kind of a tree source, by its prefix. */
const PATHS: Readonly<Record<string, string>> = { dir: 'directory', tar: 'tar' };
const NAMES: Readonly<Record<string, string>> = { ref: 'commit', image: 'image' };

function takeTree(text: string): unknown {
  const [, word = '', value = ''] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  const [byPath, byName] = [PATHS[word], NAMES[word]];
  if (byPath !== undefined) return { kind: byPath, path: resolve(value) };
  if (byName !== undefined) return { kind: byName, name: value };
  throw new UsageError(
    `Cannot read --tree: expected dir=PATH, tar=FILE, ref=COMMIT or image=NAME, found "${text}"`,
  );
}

function takeParent(text: string): string {
  if (text === 'none' || /^[0-9a-f]{64}$/.test(text)) return text;
  throw new UsageError(`Cannot read --parent: expected a commit id or "none", found "${text}"`);
}

/** `@SECONDS` or a date, as seconds in decimal. */
function takeTime(text: string): string {
  const seconds = /^@(-?\d{1,18})$/.exec(text)?.[1];
  if (seconds !== undefined) return seconds;
  const millis = Date.parse(text);
  if (!Number.isNaN(millis)) return String(Math.floor(millis / 1000));
  throw new UsageError(`Cannot read --timestamp: expected a date or @SECONDS, found "${text}"`);
}

/** SOURCE_DATE_EPOCH is the default timestamp, for reproducible builds. */
function sourceDateEpoch(): Readonly<Record<string, unknown>> {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  return epoch === undefined || epoch === '' ? {} : { timestampSec: takeTime(`@${epoch}`) };
}
