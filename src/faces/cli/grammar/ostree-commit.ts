import { resolve } from 'node:path';
import { UsageError } from '#base/errors';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `ostree commit` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '[image]', key: 'image', completes: 'names' }],
  options: [
    {
      flags: '--tree <source>',
      says: 'lay dir=PATH, tar=FILE, ref=COMMIT or image=NAME on top',
      key: 'tree',
      take: takeTree,
      isRepeated: true,
    },
    { flags: '--base <commit>', says: 'start from this commit', key: 'base', completes: 'names' },
    {
      flags: '--reference <ref>',
      says: 'name the commit; the commit that it names now becomes the parent',
      key: 'reference',
    },
    { flags: '-s, --subject <text>', says: 'one line that says what it is', key: 'subject' },
    { flags: '-m, --body <text>', says: 'a full description', key: 'body' },
    {
      flags: '--timestamp <time>',
      says: 'a date or @SECONDS (else SOURCE_DATE_EPOCH, else now)',
      key: 'timestampSec',
      take: takeTime,
    },
    { flags: '--parent <commit>', says: 'a commit id, or none', key: 'parent', take: takeParent },
    { flags: '--orphan', says: 'bind to no ref', key: 'orphan' },
    { flags: '--no-bindings', says: 'write no ref binding', key: 'bindings' },
    { flags: '--bind-ref <ref>', says: 'bind to this ref too', key: 'bindRef', take: 'texts' },
    { flags: '--collection-id <id>', says: 'bind to this collection', key: 'collectionId' },
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
    { flags: '--bootable', says: 'say that the tree has a kernel, and which', key: 'bootable' },
    {
      flags: '--keep-metadata <key>',
      says: 'copy this metadata from the parent',
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
      says: 'give everything to this user',
      key: 'ownerUid',
      take: 'number',
    },
    {
      flags: '--owner-gid <gid>',
      says: 'give everything to this group',
      key: 'ownerGid',
      take: 'number',
    },
    {
      flags: '--canonical-permissions',
      says: 'owner 0:0, modes within 0755, no xattrs',
      key: 'canonicalPermissions',
    },
    {
      flags: '--mode-ro-executables',
      says: 'remove write permissions of executables',
      key: 'modeRoExecutables',
    },
    { flags: '--no-xattrs', says: 'leave extended attributes out', key: 'xattrs' },
    { flags: '--keep-empty-xattrs', says: 'keep xattrs without a value', key: 'keepEmptyXattrs' },
    {
      flags: '--statoverride <file>',
      says: 'change modes by lines "+MODE /path" or "=MODE /path", modes decimal',
      key: 'statoverride',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--skip-list <file>',
      says: 'leave out the paths of this file, one a line',
      key: 'skipList',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--skip-if-unchanged',
      says: 'make no commit when the tree is that of the parent',
      key: 'skipIfUnchanged',
    },
    COMPAT,
  ],
  environment: sourceDateEpoch,
};

/** Where a tree comes from, by the word in front of it. */
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

/** SOURCE_DATE_EPOCH is the time where none is given, so that builds can be repeated. */
function sourceDateEpoch(): Readonly<Record<string, unknown>> {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  return epoch === undefined || epoch === '' ? {} : { timestampSec: takeTime(`@${epoch}`) };
}
