import { PLATFORM } from './files.ts';
import type { Grammar, OptionGrammar } from './grammar.ts';
import { POLICY } from './policy.ts';
import { REGISTRY } from './registry.ts';

const SHARED = ['authfile', 'registriesConf'];
const forBoth = REGISTRY.filter(({ key }) => SHARED.includes(key));

/** The options for one end of a copy, spelled as skopeo spells them. */
function optionsOf(side: 'src' | 'dest', end: string): OptionGrammar[] {
  return REGISTRY.filter(({ key }) => !SHARED.includes(key)).map((option) => ({
    ...option,
    flags: option.flags.replace('--', `--${side}-`),
    key: `${side}${option.key.charAt(0).toUpperCase()}${option.key.slice(1)}`,
    says: option.says.replace(/ of the reference$/, ` of the ${end}`),
    heading: `Options for the registry of the ${end}`,
  }));
}

/** `copy` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<source>',
      says: 'docker://, oci:, oci-archive:, docker-archive: or dir: reference',
      key: 'from',
    },
    { usage: '<target>', says: 'docker://, oci:, oci-archive: or dir: reference', key: 'to' },
  ],
  options: [
    PLATFORM,
    { flags: '--all', says: 'copy an image index with the images of all platforms', key: 'all' },
    {
      flags: '--with-referrers',
      says: 'copy signatures and other artifacts that refer to the image, too',
      key: 'withReferrers',
    },
    ...POLICY,
    ...forBoth,
    ...optionsOf('src', 'source'),
    ...optionsOf('dest', 'target'),
  ],
  help:
    'Manifests and blobs keep their bytes and digests. No repository is needed. Within one registry, blobs are mounted from the repository of ' +
    'the source. Run the same command again after an interruption: blobs that are complete at the target are not sent again.',
};
