import { PLATFORM } from './files.ts';
import type { Grammar, OptionGrammar } from './grammar.ts';
import { COMMON_PULL, FURTHER_PULL, VERIFY_REUSED } from './ostree.ts';
import { POLICY } from './policy.ts';
import { REGISTRY } from './registry.ts';

/** Whether files of another store may share extents. */
export const REFLINK: OptionGrammar = {
  flags: '--reflink <when>',
  says: 'share extents with files in containers-storage: auto reflinks or copies, always refuses to copy, never copies (default: auto)',
  key: 'reflink',
  values: ['auto', 'always', 'never'],
};

/** `pull` on a command line. */
export const grammar: Grammar = {
  finding: 'with --dry-run: more bytes would be fetched than --max-bytes allows',
  operands: [
    {
      usage: '<reference>',
      says: 'source of the image or commit',
      key: 'reference',
      completes: 'files',
    },
    { usage: '[name...]', says: 'name of the image; for OSTree further refs', key: 'names' },
  ],
  options: [
    PLATFORM,
    {
      flags: '--max-bytes <size>',
      says: 'fail if more would be fetched: bytes, or with a suffix such as M or GiB; with --dry-run exit with 3',
      key: 'maxBytes',
      take: 'size',
    },
    {
      flags: '--base <name>',
      says: 'with --dry-run: plan as if the repository had only this image (OSTree: reuse the objects of this commit)',
      key: 'base',
      take: 'texts',
      completes: 'names',
    },
    {
      flags: '--download-only',
      says: 'fetch the layers for a later pull, and store no image',
      key: 'downloadOnly',
    },
    {
      flags: '--all-platforms',
      says: 'pull an index with the images of all its platforms, and store their compressed blobs',
      key: 'allPlatforms',
    },
    {
      flags: '--keep-blobs',
      says: 'store the compressed blobs, so that an export is byte-identical',
      key: 'keepBlobs',
    },
    {
      flags: '--with-referrers',
      says: 'also pull signatures and other artifacts that refer to the image',
      key: 'withReferrers',
    },
    ...POLICY,
    {
      flags: '--strategy <name>',
      says: 'how to fetch layers with a table of contents: whole, in parts, or whichever is cheaper (default: auto)',
      key: 'strategy',
      values: ['auto', 'whole', 'partial'],
    },
    {
      flags: '--reuse-from <store>',
      says: 'where a layer comes in parts, also use files of this store: containers-storage: or ostree-local:PATH',
      key: 'reuseFrom',
      take: 'texts',
    },
    {
      flags: '--max-entries <n>',
      says: 'refuse an image with more files and directories than this (default: 4000000)',
      key: 'maxEntries',
      take: 'number',
    },
    {
      flags: '--max-layer-size <size>',
      says: 'refuse a layer larger than this after decompression (default: 128 GiB)',
      key: 'maxLayerSizeBytes',
      take: 'size',
    },
    VERIFY_REUSED,
    REFLINK,
    ...REGISTRY,
    ...COMMON_PULL.map((option) => ({
      ...option,
      heading: 'OSTree options',
    })),
    ...FURTHER_PULL.filter(({ key }) => key !== 'verifyReused' && key !== 'base').map((option) => ({
      ...option,
      isHidden: option.key !== 'compat',
    })),
  ],
  seeAlso: ['login', 'tags', 'images', 'ls', 'mount', 'export'],
  help: [
    'References: docker://HOST/NAME[:TAG|@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], dir:DIR, containers-storage:NAME, ostree:URL[:REF], ostree-local:PATH[:REF].',
    'Without a name, an image is named after its source, for example app:v1 for oci:/srv/app:v1. A commit is named after its ref.',
    'For OSTree, the names are further refs of the same source: REF, a commit id, or REF@ID. All refs are set together, after all commits are stored. onecopy ostree pull has more options for commits.',
  ].join('\n\n'),
};
