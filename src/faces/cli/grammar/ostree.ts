import { wholeNumber } from '../globals.ts';
import type { OptionGrammar } from './grammar.ts';

/** The switch of every verb that reads layers or commits. */
export const COMPAT: OptionGrammar = {
  flags: '--compat <tool>',
  says: 'read layers and commits as cfsctl does where it departs from the specifications, for its ids',
  key: 'compat',
  values: ['cfsctl'],
};

/** Whom to believe. */
export const TRUST: readonly OptionGrammar[] = [
  {
    flags: '--gpg-key <file>',
    says: 'demand a GPG signature by a key of this keyring',
    key: 'gpgKey',
    take: 'paths',
    completes: 'files',
  },
  {
    flags: '--sign-key <key>',
    says: 'demand a signature by this ed25519 key (base64) or key file',
    key: 'signKey',
    take: 'texts',
    completes: 'files',
  },
];

/** Which remote. */
export const CONFIGURED: readonly OptionGrammar[] = [
  {
    flags: '--remote-config <file>',
    says: 'read the settings of the remote from this config or file of remotes.d',
    key: 'remoteConfig',
    take: 'path',
    completes: 'files',
  },
  { flags: '--remote <name>', says: 'name of the remote in that file', key: 'remote' },
];

/** How to speak with a server. */
export const SERVER: readonly OptionGrammar[] = [
  {
    flags: '--verify-summary',
    says: 'demand the signatures of summaries too',
    key: 'verifySummary',
  },
  {
    flags: '--accept-expired',
    says: 'accept a summary past its expiry',
    key: 'acceptExpired',
  },
  { flags: '--subset <key>', says: "key of flatpak's summary index", key: 'subset' },
  {
    flags: '--http-header <name=value>',
    says: 'send this header to the remote',
    key: 'httpHeader',
    take: 'texts',
  },
  {
    flags: '--retries <n>',
    says: 'repeat a failed request this often (default: 5)',
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

/** What a pull of commits is mostly asked for. */
export const COMMON_PULL: readonly OptionGrammar[] = [
  { flags: '--mirror', says: 'pull every ref that the source lists', key: 'mirror' },
  {
    flags: '--depth <n>',
    says: 'pull this many ancestors too; -1: all',
    key: 'depth',
    take: (text, flag) => (text === '-1' ? -1 : wholeNumber(text, flag)),
  },
  { flags: '--no-delta', says: 'fetch objects one by one', key: 'delta' },
  {
    flags: '--require-delta',
    says: 'refuse to fetch without a static delta',
    key: 'requireDelta',
  },
  ...TRUST,
  ...CONFIGURED,
];

/** The rest of what a pull of commits can be asked for. */
export const FURTHER_PULL: readonly OptionGrammar[] = [
  {
    flags: '--subpath <path>',
    says: 'pull only what lies here, as a partial commit',
    key: 'subpath',
    take: 'texts',
  },
  {
    flags: '--commit-metadata-only',
    says: 'pull the commit objects alone',
    key: 'commitMetadataOnly',
  },
  {
    flags: '--base <ref>',
    says: 'do not fetch objects that this commit has',
    key: 'base',
    take: 'texts',
    completes: 'names',
  },
  ...SERVER,
  {
    flags: '--summary <file>',
    says: 'believe this summary instead of asking for it',
    key: 'summary',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--summary-signatures <file>',
    says: 'the signatures of that summary',
    key: 'summarySignatures',
    take: 'path',
    completes: 'files',
  },
  {
    flags: '--collection <id>',
    says: 'demand that the commit is bound to this collection',
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
    says: 'refuse a commit older than this one, which must be here',
    key: 'timestampCheckFrom',
  },
  {
    flags: '--keep-signatures',
    says: 'store detached metadata too',
    key: 'keepSignatures',
  },
  COMPAT,
];
