import type { CopyReport } from '#work/verbs';
import type { Speaker } from './text.ts';

/** Says which key accepted an image. Nothing is said where nothing was demanded. */
export function printTrust(trust: CopyReport['trust'] | null, line: Speaker['line']): void {
  for (const { requirements } of trust?.manifests ?? []) {
    for (const one of requirements) {
      if (one.type !== 'sigstoreSigned') continue;
      line(`  signed:   ${one.signedIdentity}, by ${one.key.source} (${one.key.fingerprint})`);
    }
  }
}
