import type { OperandGrammar, OptionGrammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';
import { REGISTRY } from './registry.ts';

/** Help of the verbs that read files of an image. */
export const ALSO_REFERENCES =
  'A name is the name of an image or commit, or a unique prefix of an id. Instead of a name, a reference is accepted:\n' +
  'docker://HOST/NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] or dir:DIR. The layers are read and\n' +
  'verified; nothing is stored.';
/** Help of the verbs that read the documents of an image. */
export const ALSO_DOCUMENTS =
  'Instead of a name, a reference is accepted: docker://HOST/NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG],\n' +
  'docker-archive:FILE[:TAG] or dir:DIR. No layer is read, and nothing is stored.';

/** The name of an image or a commit. */
export const NAME: OperandGrammar = {
  usage: '<name>',
  says: 'name or id of an image or commit',
  key: 'name',
  completes: 'names',
};
/** Names of images and commits. */
export const NAMES: OperandGrammar = {
  usage: '<name...>',
  says: 'names or ids of images and commits',
  key: 'names',
  completes: 'names',
};
/** A path inside an image, which a shell cannot complete. */
export const PATH: OperandGrammar = {
  usage: '[path]',
  says: 'path inside the image (default: /)',
  key: 'path',
};
/** Paths inside an image. */
export const PATHS: OperandGrammar = {
  usage: '<path...>',
  says: 'paths inside the image',
  key: 'paths',
};

/** Which image of several. */
export const PLATFORM: OptionGrammar = {
  flags: '--platform <os/arch[/variant]>',
  says: 'read the image of this platform (default: the platform of this host)',
  key: 'platform',
};
/** Options for images outside of the repository. */
export const ELSEWHERE: readonly OptionGrammar[] = [PLATFORM, COMPAT, ...REGISTRY];
/** Limit of the depth. */
export const DEPTH: OptionGrammar = {
  flags: '--depth <n>',
  says: 'descend at most this many levels',
  key: 'depth',
  take: 'number',
};
/** Owners of copied files. */
export const NO_OWNERS: OptionGrammar = {
  flags: '--no-owners',
  says: 'do not restore owners',
  key: 'owners',
};
