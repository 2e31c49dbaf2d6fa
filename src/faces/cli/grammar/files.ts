import type { OperandGrammar, OptionGrammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';
import { REGISTRY } from './registry.ts';

/** Help of the verbs that look into an image. */
export const ALSO_REFERENCES =
  'A name is that of an image or a commit, or the unique beginning of a printed id. It may also be a reference, docker://HOST/NAME[:TAG],\n' +
  'oci:DIR[:TAG], oci-archive:, docker-archive: or dir:. Its layers are read and verified; nothing is stored.';

/** The name of an image or a commit. */
export const NAME: OperandGrammar = { usage: '<name>', key: 'name', completes: 'names' };
/** Names of images and commits. */
export const NAMES: OperandGrammar = { usage: '<name...>', key: 'names', completes: 'names' };
/** A path inside an image, of which the shell knows nothing. */
export const PATH: OperandGrammar = { usage: '[path]', key: 'path' };
/** Paths inside an image. */
export const PATHS: OperandGrammar = { usage: '<path...>', key: 'paths' };

/** Which image of several. */
export const PLATFORM: OptionGrammar = {
  flags: '--platform <os/arch[/variant]>',
  says: "choose another platform than this host's",
  key: 'platform',
};
/** How to look at what lies outside of the repository. */
export const ELSEWHERE: readonly OptionGrammar[] = [PLATFORM, COMPAT, ...REGISTRY];
/** How deep. */
export const DEPTH: OptionGrammar = {
  flags: '--depth <n>',
  says: 'go at most this deep',
  key: 'depth',
  take: 'number',
};
/** Whose files. */
export const NO_OWNERS: OptionGrammar = {
  flags: '--no-owners',
  says: 'do not restore owners',
  key: 'owners',
};
