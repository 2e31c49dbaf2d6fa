import { PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMMON_PULL, FURTHER_PULL } from './ostree.ts';
import { REGISTRY } from './registry.ts';

/** `pull` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<reference>', key: 'reference', completes: 'files' },
    { usage: '[name...]', key: 'names' },
  ],
  options: [
    PLATFORM,
    {
      flags: '--keep-blobs',
      says: 'also keep the compressed blobs, so that an export is byte-identical',
      key: 'keepBlobs',
    },
    {
      flags: '--signature-policy <file>',
      says: 'judge the image by this policy, not by the policy.json of this host',
      key: 'signaturePolicy',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--require-policy',
      says: 'fail if this host has no policy.json; otherwise it accepts every image',
      key: 'requirePolicy',
    },
    {
      flags: '--max-entries <n>',
      says: 'refuse an image of more files and directories (default: 4000000)',
      key: 'maxEntries',
      take: 'number',
    },
    {
      flags: '--max-layer-size <bytes>',
      says: 'refuse a layer that unpacks to more (default: 128 GiB)',
      key: 'maxLayerSizeBytes',
      take: 'number',
    },
    {
      flags: '--verify-reused',
      says: 'verify the contents of all that is there already before it is used',
      key: 'verifyReused',
    },
    ...REGISTRY,
    ...COMMON_PULL.map((option) => ({
      ...option,
      heading: 'Options of ostree: and ostree-local:',
    })),
    ...FURTHER_PULL.map((option) => ({ ...option, isHidden: option.key !== 'compat' })),
  ],
  help: [
    'References: docker://HOST/NAME[:TAG|@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], dir:DIR,',
    'ostree:URL[:REF], ostree-local:PATH[:REF]',
    'Without a name an image is called like its source, for example app:v1 from oci:/srv/app:v1; a commit is called like its ref.',
    'For OSTree the names are further refs of the same source: REF, a commit id, or REF@ID to choose both. All refs of one call are set',
    'together, when everything is here. onecopy ostree pull has the rest of the options for commits.',
  ].join('\n'),
};
