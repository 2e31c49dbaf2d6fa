import type { WhyReport } from '#work/verbs';
import { formatDigest } from '../units.ts';
import type { Text } from './text.ts';

type Step = WhyReport['things'][number]['chains'][number][number];

/** Kinds whose names are ids or digests. */
const WITH_IDS: readonly Step['kind'][] = [
  'index',
  'manifest',
  'config',
  'layer',
  'blob',
  'erofs',
  'commit',
  'image',
  'object',
];

/** The text of `why`. */
export const text: Text<WhyReport> = ({ things, unseen }, { line, note, noTrunc }) => {
  const stepOf = ({ kind, name }: Step) =>
    `${kind} ${WITH_IDS.includes(kind) ? formatDigest(name, noTrunc) : name}`;
  for (const [at, thing] of things.entries()) {
    if (at > 0) line('');
    line(`${stepOf(thing)} in ${thing.store}${thing.isStored ? '' : ' (missing)'}`);
    if (!thing.isKept) line('  not kept: no name, mount or container leads to it');
    for (const chain of thing.chains) line(`  ${chain.map(stepOf).join(' -> ')}`);
    if (thing.isCut) note(`There are more chains than the ${thing.chains.length} above`);
  }
  for (const { store, problem } of unseen) note(`Not seen in ${store}: ${problem}`);
};
