import type { OptionGrammar } from './grammar.ts';

/** Options about the policy that decides whether an image is accepted. */
export const POLICY: readonly OptionGrammar[] = [
  {
    flags: '--signature-policy <file>',
    says: 'use this signature policy instead of policy.json',
    key: 'signaturePolicy',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--require-policy',
    says: 'fail if this host has no policy.json (default: accept every image)',
    key: 'requirePolicy',
  },
  {
    flags: '--registries.d <dir>',
    says: 'read this directory instead of registries.d',
    key: 'registriesD',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--accept-referrers',
    says: 'also accept signatures that are referrers of the image, which podman does not read',
    key: 'acceptReferrers',
  },
];
