import { wholeNumber } from '../globals.ts';
import type { OptionGrammar } from './grammar.ts';

/** The option of every verb that reads layers or commits. */
export const COMPAT: OptionGrammar = {
  flags: '--compat <tool>',
  says: 'reproduce the deviations of cfsctl from the specifications, to get the same ids',
  key: 'compat',
  values: ['cfsctl'],
};

/** Keys to trust. */
export const TRUST: readonly OptionGrammar[] = [
  {
    flags: '--gpg-key <file>',
    says: 'require a GPG signature by a key of this keyring',
    key: 'gpgKey',
    take: 'paths',
    completes: 'files',
  },
  {
    flags: '--sign-key <key>',
    says: 'require a signature by this ed25519 key (base64 or key file)',
    key: 'signKey',
    take: 'texts',
    completes: 'files',
  },
];

/** Configuration of the remote. */
export const CONFIGURED: readonly OptionGrammar[] = [
  {
    flags: '--remote-config <file>',
    says: 'read the remote from this OSTree config file',
    key: 'remoteConfig',
    take: 'path',
    completes: 'files',
  },
  { flags: '--remote <name>', says: 'name of the remote in the config file', key: 'remote' },
];

/** Requests to a server. */
export const SERVER: readonly OptionGrammar[] = [
  {
    flags: '--verify-summary',
    says: 'require signatures of summaries, too',
    key: 'verifySummary',
  },
  {
    flags: '--accept-expired',
    says: 'accept a summary past its expiry',
    key: 'acceptExpired',
  },
  { flags: '--subset <key>', says: 'subset of the summary index of flatpak', key: 'subset' },
  {
    flags: '--http-header <name=value>',
    says: 'send this header to the remote',
    key: 'httpHeader',
    take: 'texts',
  },
  {
    flags: '--retries <n>',
    says: 'retry a failed request this many times (default: 5)',
    key: 'retries',
    take: 'number',
  },
  {
    flags: '--stall-timeout <seconds>',
    says: 'fail if the server sends no data, or next to none, for this long',
    key: 'stallTimeoutSec',
    take: 'number',
  },
];

/** Frequent options of a pull of commits. */
export const COMMON_PULL: readonly OptionGrammar[] = [
  { flags: '--mirror', says: 'pull every ref of the source', key: 'mirror' },
  {
    flags: '--depth <n>',
    says: 'also pull this many ancestors (-1: all)',
    key: 'depth',
    take: (text, flag) => (text === '-1' ? -1 : wholeNumber(text, flag)),
  },
  { flags: '--no-delta', says: 'fetch objects, not static deltas', key: 'delta' },
  {
    flags: '--require-delta',
    says: 'fail if there is no static delta',
    key: 'requireDelta',
  },
  ...TRUST,
  ...CONFIGURED,
];

/** Verifies what a pull reuses. */
export const VERIFY_REUSED: OptionGrammar = {
  flags: '--verify-reused',
  says: 'verify stored objects before they are reused',
  key: 'verifyReused',
};

/** Further options of a pull of commits. */
export const FURTHER_PULL: readonly OptionGrammar[] = [
  {
    flags: '--subpath <path>',
    says: 'pull only this path, as a partial commit',
    key: 'subpath',
    take: 'texts',
  },
  {
    flags: '--commit-metadata-only',
    says: 'pull only commit objects',
    key: 'commitMetadataOnly',
  },
  {
    flags: '--base <ref>',
    says: 'reuse the objects of this commit',
    key: 'base',
    take: 'texts',
    completes: 'names',
  },
  ...SERVER,
  {
    flags: '--summary <file>',
    says: 'use this file as the summary',
    key: 'summary',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--summary-signatures <file>',
    says: 'file of the signatures of the summary',
    key: 'summarySignatures',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--collection <id>',
    says: 'require that the commit is bound to this collection',
    key: 'collection',
  },
  {
    flags: '--no-verify-bindings',
    says: 'accept a commit that is bound to other refs',
    key: 'verifyBindings',
  },
  {
    flags: '--timestamp-check',
    says: 'refuse a commit older than the one the ref names now',
    key: 'timestampCheck',
  },
  {
    flags: '--timestamp-check-from <id>',
    says: 'refuse a commit older than this stored commit',
    key: 'timestampCheckFrom',
  },
  {
    flags: '--keep-signatures',
    says: 'store detached metadata, too',
    key: 'keepSignatures',
  },
  VERIFY_REUSED,
  COMPAT,
];
