/**
 * Recorded runs of `cfsctl ostree` on repositories of this host, done by our program of that name, step by step.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { type OstreeFixture, unpackOstree } from '../../support/ostree-fixture.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type Mismatch, replay } from './replay.ts';

const FOLDER = new URL('../../golden/cfsctl/ostree/', import.meta.url);

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini', 'r-tiny-archive', 'r-tiny-bare-user', 'r-flatpak');
});
after(() => fixture[Symbol.dispose]());

/**
 * Objects that we find at hand where the original fetches them again, what we keep of a pull that failed, and the original's listing in no
 * order.
 */
function isBetter({ what, command, expected, found }: Mismatch): boolean {
  if (what === 'tree') {
    const kept = found.split('\n').every((line) => / (?:\.onecopy(?:\/.*)?|objects)$/.test(line));
    return expected === '' && kept;
  }
  if (command.endsWith(' ostree images')) return sorted(expected) === sorted(found);
  const plain = (text: string) => text.replace(/^objects .*$/m, '');
  return /^objects /m.test(found) && plain(expected) === plain(found);
}

function sorted(table: string): string {
  return table.split('\n').sort().join('\n');
}

for (const file of readdirSync(FOLDER).filter((name) => /\.local\..*\.json$/.test(name))) {
  test(`cfsctl ostree does ${file.replace('.json', '')} as recorded`, async () => {
    using temp = makeTempDir();
    const steps = readGolden<GoldenStep[]>(`ostree/${file}`).map((step) => placedIn(step));
    const mismatches = await replay(steps, { repo: join(temp.path, 'repo'), scratch: temp.path });
    assert.deepEqual(
      mismatches.filter((one) => !isBetter(one)),
      [],
    );
  });
}

function placedIn(step: GoldenStep): GoldenStep {
  const { cmd } = step;
  if (cmd === undefined) return step;
  return { ...step, cmd: cmd.map((text) => text.replace('$OSTREE', fixture.path)) };
}
