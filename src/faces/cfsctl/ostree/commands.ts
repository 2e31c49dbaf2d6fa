import type { CommandSpec, OptionSpec } from '../arguments/spec.ts';
import { MOUNT_OPTIONS } from '../repository/commands.ts';
import type { Handler } from '../setting.ts';

const BASE: OptionSpec = {
  name: 'base-name',
  value: 'BASE_NAME',
  summary: 'Commit whose objects need not be fetched',
};

/** Commands on OSTree commits. Source: oci-and-cli section 1.7. */
export const ostreeCommands: readonly CommandSpec<Handler>[] = [
  {
    name: 'pull-local',
    summary: 'Pull a commit from a local OSTree repository',
    operands: [{ name: 'OSTREE_REPO_PATH', completes: 'directory' }, { name: 'OSTREE_REF' }],
    options: [BASE],
    load: async () => (await import('./pull.ts')).pullLocal,
  },
  {
    name: 'pull',
    summary: 'Pull a commit over HTTP',
    operands: [{ name: 'OSTREE_REPO_URL' }, { name: 'OSTREE_REF' }],
    options: [BASE, { name: 'no-delta', summary: 'Fetch no static delta' }],
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'apply-delta',
    summary: 'Apply a static delta from files',
    operands: [{ name: 'DELTA_PATH', completes: 'file' }],
    load: async () => (await import('./pull.ts')).applyDelta,
  },
  {
    name: 'mount',
    summary: 'Mount a commit',
    operands: [
      { name: 'COMMIT_NAME', completes: 'commit' },
      { name: 'MOUNTPOINT', completes: 'path' },
    ],
    options: MOUNT_OPTIONS,
    load: async () => (await import('./trees.ts')).mount,
  },
  {
    name: 'dump',
    summary: 'Print the dumpfile of a commit',
    operands: [{ name: 'COMMIT_NAME', completes: 'commit' }],
    load: async () => (await import('./trees.ts')).dump,
  },
  {
    name: 'compute-id',
    summary: 'Print the id of the EROFS image of a commit, and store the image',
    operands: [{ name: 'COMMIT_NAME', completes: 'commit' }],
    load: async () => (await import('./trees.ts')).computeId,
  },
  {
    name: 'inspect',
    summary: 'Print what a commit says of itself',
    operands: [{ name: 'SOURCE', completes: 'commit' }],
    options: [{ name: 'metadata', summary: 'Print its metadata' }],
    load: async () => (await import('./look.ts')).inspect,
  },
  {
    name: 'tag',
    summary: 'Give a commit a ref',
    operands: [{ name: 'SOURCE', completes: 'commit' }, { name: 'NAME' }],
    load: async () => (await import('./look.ts')).tag,
  },
  {
    name: 'untag',
    summary: 'Remove a ref',
    operands: [{ name: 'NAME', completes: 'commit' }],
    load: async () => (await import('./look.ts')).untag,
  },
  {
    name: 'commit',
    summary: 'Make a commit of an image',
    operands: [{ name: 'IMAGE', completes: 'image' }],
    options: [
      { name: 'reference', value: 'REFERENCE', summary: 'Ref to give the commit' },
      { name: 'subject', value: 'SUBJECT', summary: 'Subject of the commit' },
    ],
    load: async () => (await import('./make.ts')).commit,
  },
  {
    name: 'export',
    summary: 'Write a commit into a local OSTree repository',
    operands: [
      { name: 'SOURCE', completes: 'commit' },
      { name: 'OSTREE_REPO', completes: 'directory' },
    ],
    options: [{ name: 'reference', value: 'REFERENCE', summary: 'Ref to set there' }],
    load: async () => (await import('./make.ts')).exportTo,
  },
  {
    name: 'images',
    summary: 'List the commits that have a ref',
    load: async () => (await import('./look.ts')).images,
  },
  {
    name: 'list-refs',
    summary: 'List the refs of a repository over HTTP',
    operands: [{ name: 'OSTREE_REPO_URL' }],
    options: [
      { name: 'subset', value: 'SUBSET', summary: 'List the refs of a subset of the summary' },
    ],
    load: async () => (await import('./pull.ts')).listRefs,
  },
];
